"""Stored keys: the producers' signing keys, wrapped tier and data keys, workers' certificates."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import asyncpg
import msgspec

from schemas.errors import ConfigurationError
from security.data_key import WrappedDataKey
from security.key_provider import Scope, WrappedKey
from security.suites import Suite
from security.tier_keys import TierKeyRecord
from streams.storage.database import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKeyRow:
    """A producer's key as registered; see security.key_registry.SigningKey.

    Attributes:
        chain: Digests of the certificates it was imported with, its own first, the trust anchor last.
        subscription: URL of the endpoint whose JWK Set it came from.
    """

    key_id: str
    jwk: dict[str, Any]
    tenant: str
    domain: str
    sources: list[str]
    not_before: dt.datetime | None = None
    not_after: dt.datetime | None = None
    revoked_at: dt.datetime | None = None
    chain: tuple[bytes, ...] = ()
    subscription: str | None = None

    def state(self, now: dt.datetime) -> str:
        """Whether it counts at a moment, in a word."""
        if self.revoked_at is not None and self.revoked_at <= now:
            return "revoked"
        if self.not_after is not None and self.not_after <= now:
            return "expired"
        return "not yet valid" if self.not_before is not None and now < self.not_before else "registered"


async def list_signing_keys(connection: Connection) -> list[SigningKeyRow]:
    """All producers' keys."""
    rows = await connection.fetch(
        "SELECT key_id, jwk, tenant, domain, sources, not_before, not_after, revoked_at, chain, subscription "
        "FROM signing_keys ORDER BY key_id"
    )
    return [
        SigningKeyRow(
            **{
                **row,
                "jwk": msgspec.json.decode(row["jwk"], type=dict[str, Any]),
                "chain": tuple(row["chain"] or ()),
            }
        )
        for row in rows
    ]


async def insert_signing_key(connection: Connection, row: SigningKeyRow) -> None:
    """Register a key; within `changing_registry`.

    Raises:
        ConfigurationError: The key id is taken.
    """
    try:
        await connection.execute(
            """
            INSERT INTO signing_keys (key_id, jwk, tenant, domain, sources, not_before, not_after, chain,
                subscription)
            VALUES ($1, $2::jsonb, $3, $4, $5, $6, $7, $8, $9)
            """,
            row.key_id,
            msgspec.json.encode(row.jwk).decode(),
            row.tenant,
            row.domain,
            row.sources,
            row.not_before,
            row.not_after,
            list(row.chain) or None,
            row.subscription,
        )
    except asyncpg.UniqueViolationError as exc:
        raise ConfigurationError(f"a key named {row.key_id!r} is registered already; choose another name") from exc


async def limit_signing_key(connection: Connection, row: SigningKeyRow) -> None:
    """Store a registered key's end of validity and its revocation; within `changing_registry`."""
    await connection.execute(
        "UPDATE signing_keys SET not_after = $2, revoked_at = $3 WHERE key_id = $1",
        row.key_id,
        row.not_after,
        row.revoked_at,
    )


async def ensure_log(connection: Connection, tenant: str, origin: str, vkey: str) -> int:
    """The tenant's log, created when it has none; returns its id.

    Raises:
        ConfigurationError: The log exists under another origin or key: this keyring is not the one that opened it.
    """
    await connection.execute(
        "INSERT INTO logs (tenant, origin, vkey) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING", tenant, origin, vkey
    )
    row = await connection.fetchrow("SELECT log_id, origin, vkey FROM logs WHERE tenant = $1", tenant)
    if row is None or (row["origin"], row["vkey"]) != (origin, vkey):
        raise ConfigurationError(
            f"the log of tenant {tenant!r} was opened with another origin or key; use the keyring that opened it"
        )
    log_id: int = row["log_id"]
    return log_id


async def register_worker(connection: Connection, worker_id: str, public_key: bytes, certificate: bytes) -> None:
    """Publish a worker's certified key, before its first commit."""
    await connection.execute(
        "INSERT INTO worker_keys (worker_id, public_key, certificate) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        worker_id,
        public_key,
        certificate,
    )


async def list_tier_keys(connection: Connection) -> list[TierKeyRecord]:
    """All wrapped tier keys.

    Raises:
        ConfigurationError: One is of a suite that this program does not know.
    """
    rows = await connection.fetch(
        "SELECT tenant, domain, tier, epoch, key_id, kek_id, wrapped, suite, "
        "shredded_at IS NOT NULL AS shredded "
        "FROM tier_keys"
    )
    return [
        TierKeyRecord(
            scope=Scope(row["tenant"], row["domain"], row["tier"], row["epoch"], _suite(row["suite"])),
            key_id=row["key_id"],
            wrapped=WrappedKey(row["kek_id"], row["wrapped"]),
            shredded=row["shredded"],
        )
        for row in rows
    ]


def _suite(name: str) -> Suite:
    try:
        return Suite(name)
    except ValueError as exc:
        raise ConfigurationError(
            f"a tier key seals with {name!r}, which this version does not know; use a newer one"
        ) from exc


async def insert_tier_keys(connection: Connection, records: Iterable[TierKeyRecord]) -> None:
    """Store new tier keys; of two processes that make one for the same scope the first wins, so read them back."""
    await connection.executemany(
        """
        INSERT INTO tier_keys (tenant, domain, tier, epoch, key_id, kek_id, wrapped, suite)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING
        """,
        [
            (
                record.scope.tenant,
                record.scope.domain,
                record.scope.tier,
                record.scope.epoch,
                record.key_id,
                record.wrapped.kek_id,
                record.wrapped.ciphertext,
                record.scope.suite,
            )
            for record in records
        ],
    )


async def rewrap_tier_key(connection: Connection, record: TierKeyRecord) -> None:
    """Store a tier key's new wrapping; within `changing_registry`."""
    await connection.execute(
        "UPDATE tier_keys SET kek_id = $2, wrapped = $3 WHERE key_id = $1",
        record.key_id,
        record.wrapped.kek_id,
        record.wrapped.ciphertext,
    )


async def shred_tier_keys(connection: Connection, key_ids: Iterable[str]) -> None:
    """Forget these wrapped tier keys, and remember that they were shredded."""
    await connection.execute(
        "UPDATE tier_keys SET wrapped = '', shredded_at = clock_timestamp() "
        "WHERE key_id = ANY($1::text[]) AND shredded_at IS NULL",
        list(key_ids),
    )


async def delete_shredded_terms(connection: Connection, tenant: str, tier: int, fields: Iterable[str]) -> int:
    """Delete the blind terms of a tenant's shredded fields of one tier; returns how many there were."""
    status = await connection.execute(
        """
        DELETE FROM terms t USING results r, data_keys d, tier_keys k
        WHERE t.record_id = r.record_id AND t.log_id = r.log_id AND d.pass_id = r.pass_id AND d.tier = $2
            AND r.tenant = $1 AND k.key_id = d.tier_key_id AND k.shredded_at IS NOT NULL AND t.field = ANY($3::text[])
        """,
        tenant,
        tier,
        list(fields),
    )
    return int(status.removeprefix("DELETE "))


async def read_data_keys(connection: Connection, pass_ids: Iterable[int]) -> list[WrappedDataKey]:
    """The wrapped data keys of these sealing passes."""
    rows = await connection.fetch(
        "SELECT pass_id, tenant, domain, tier, tier_key_id, wrapped FROM data_keys WHERE pass_id = ANY($1::bigint[])",
        list(set(pass_ids)),
    )
    return [WrappedDataKey(**row) for row in rows]
