"""Certificates that keys were imported with, each stored once, and certificate revocation lists, each version kept."""

import datetime as dt
import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from streams.storage.database import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class RevocationListRow:
    """A revocation list as stored; see security.revocation_list.RevocationList.

    Attributes:
        issuer: Its issuer's name (RFC 4514).
    """

    scope: bytes
    issuer: str
    this_update: dt.datetime
    next_update: dt.datetime
    der: bytes


@dataclass(frozen=True, slots=True)
class HeldList:
    """The newest list of a scope, without its bytes."""

    issuer: str
    this_update: dt.datetime
    next_update: dt.datetime


async def insert_certificates(connection: Connection, certificates: Iterable[bytes]) -> None:
    """Store certificates (DER), each once."""
    await connection.executemany(
        "INSERT INTO certificates (digest, der) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        [(digest_of(der), der) for der in certificates],
    )


async def read_certificates(connection: Connection, digests: Collection[bytes]) -> Mapping[bytes, bytes]:
    """Stored certificates (DER) by their digests; those that are not there are left out."""
    rows = await connection.fetch(
        "SELECT digest, der FROM certificates WHERE digest = ANY($1::bytea[])", list(set(digests))
    )
    return {row["digest"]: row["der"] for row in rows}


async def insert_revocation_list(connection: Connection, row: RevocationListRow) -> bool:
    """Store a list; returns whether it is new."""
    added = await connection.fetchval(
        """
        INSERT INTO revocation_lists (digest, scope, issuer, this_update, next_update, der)
        VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING RETURNING true
        """,
        digest_of(row.der),
        row.scope,
        row.issuer,
        row.this_update,
        row.next_update,
        row.der,
    )
    return bool(added)


async def held_by_issuers(connection: Connection, issuers: Collection[str]) -> Sequence[RevocationListRow]:
    """The newest list of each scope of these issuers."""
    rows = await connection.fetch(
        """
        SELECT DISTINCT ON (scope) scope, issuer, this_update, next_update, der FROM revocation_lists
        WHERE issuer = ANY($1::text[]) ORDER BY scope, created_at DESC
        """,
        list(issuers),
    )
    return [RevocationListRow(**row) for row in rows]


async def held_lists(connection: Connection) -> Sequence[HeldList]:
    """The newest list of each scope."""
    rows = await connection.fetch(
        """
        SELECT DISTINCT ON (scope) issuer, this_update, next_update FROM revocation_lists
        ORDER BY scope, created_at DESC
        """
    )
    return sorted((HeldList(**row) for row in rows), key=lambda held: (held.issuer, held.next_update))


async def damaged_certificates(connection: Connection) -> Sequence[str]:
    """Keys in whose chain a certificate is gone, or is not what its digest says."""
    rows = await connection.fetch(
        """
        SELECT DISTINCT k.key_id FROM signing_keys k CROSS JOIN unnest(k.chain) AS d (digest)
        LEFT JOIN certificates c USING (digest)
        WHERE c.der IS NULL OR sha256(c.der) <> c.digest ORDER BY k.key_id
        """
    )
    return [row["key_id"] for row in rows]


def digest_of(der: bytes) -> bytes:
    """By what a certificate or list is known here: SHA-256 of its DER."""
    return hashlib.sha256(der).digest()
