"""Changes of the producers' key registry: each is made together with its leaf, in one transaction, or not at all.

The leaf stands in the tenant's log and says who changed what: the whole record of the key, as it is from then on. What
an audit makes of these leaves is agents.audit.registered; how keys are stored is streams.storage.keys.

How a change and its leaf are made together, and where a second person's approval has its place, is agents.signatory.
"""

import datetime as dt
import re
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Final

from agents.key_leaf import key_change, policy_change, rfc3339
from agents.platform import PLATFORM_TENANT, Identity, signing_key
from agents.signatory import Act, Signatory
from schemas.errors import ConfigurationError
from schemas.leaf import KeyChange
from security.algorithms import Algorithm
from security.jwk import Jwk
from security.key_registry import KeyRegistry
from security.source_patterns import overlap
from security.source_policy import SourcePolicy
from streams.storage import keys
from streams.storage.database import Connection, Database
from streams.storage.keys import SigningKeyRow
from streams.storage.registry import (
    SourcePolicyRow,
    insert_source_policy,
    list_source_policies,
)

KEY_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SCOPE_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """A public key and what it shall be good for; see security.key_registry.SigningKey."""

    name: str
    jwk: Jwk
    tenant: str
    domain: str
    sources: Sequence[str]
    not_before: dt.datetime | None = None
    not_after: dt.datetime | None = None

    def row(self) -> SigningKeyRow:
        """The row that registers it.

        Raises:
            ConfigurationError: A name is not allowed, or it would never be valid.
        """
        check_key_name(self.name)
        for what, text in (("tenant", self.tenant), ("domain", self.domain)):
            if not _SCOPE_NAME.fullmatch(text):
                raise ConfigurationError(f"{what} {text!r}: use lower-case letters, digits and dashes, 63 at most")
        if self.tenant == PLATFORM_TENANT:
            raise ConfigurationError(
                f"tenant {PLATFORM_TENANT!r} is the platform's own; name the producer's organisation"
            )
        if self.not_before is not None and self.not_after is not None and self.not_after <= self.not_before:
            raise ConfigurationError(f"key {self.name!r}: its validity ends before it begins; see --not-after")
        return SigningKeyRow(
            key_id=self.name,
            jwk=dict(replace(self.jwk, key_id=None).to_members()),
            tenant=self.tenant,
            domain=self.domain,
            sources=list(self.sources),
            not_before=self.not_before,
            not_after=self.not_after,
        )


class Registrar:
    """Changes the registry, as one actor.

    Args:
        identity: Opens the tenants' logs and certifies the key that signs the leaves.
        actor: Who acts; goes into the log as a pseudonym that only the platform can make.
    """

    def __init__(self, database: Database, identity: Identity, *, actor: str | None = None) -> None:
        self._database = database
        self._signatory = Signatory(database, identity, actor=actor)

    async def key(self, name: str) -> SigningKeyRow:
        """A registered key.

        Raises:
            ConfigurationError: There is none of that name.
        """
        async with self._database.session() as connection:
            return _named(await keys.list_signing_keys(connection), name)

    async def register(self, *new: NewKey) -> list[SigningKeyRow]:
        """Register public keys for the sources they may sign for; all of them or none.

        Raises:
            ConfigurationError: A name is not allowed or taken, a window is empty, or a source is another tenant's.
        """
        rows = [each.row() for each in new]
        async with self._changing() as change:
            await change.add(rows)
        return rows

    async def revoke(self, name: str, at: dt.datetime | None = None) -> SigningKeyRow:
        """Let a key count for nothing from a moment on, by default from now on.

        Args:
            at: May lie in the past: what was accepted since then is kept, and an audit counts it.

        Raises:
            ConfigurationError: There is no such key, or it is revoked from an earlier moment already.
        """
        async with self._changing() as change:
            row = change.key(name)
            moment = change.moment if at is None else at
            if row.revoked_at is not None and row.revoked_at <= moment:
                raise ConfigurationError(
                    f"key {name!r} is revoked from {rfc3339(row.revoked_at)} on already; only an earlier moment counts"
                )
            revoked = replace(row, revoked_at=moment)
            await change.limit(revoked, "revoke")
        return revoked

    async def rotate(self, name: str, successor: str, jwk: Jwk, overlap: dt.timedelta) -> SigningKeyRow:
        """Register a successor for what a key may sign, valid from now on, and let the key's validity end.

        Args:
            overlap: How long the former key counts beside its successor.

        Raises:
            ConfigurationError: There is no such key, it does not count any more, or the new name is taken.
        """
        async with self._changing() as change:
            row = change.key(name)
            moment, end = change.moment, change.moment + overlap
            if signing_key(row).refusal(int(moment.timestamp() * 1000)) is not None:
                raise ConfigurationError(f"key {name!r} does not count any more; register a new key instead")
            new = NewKey(
                name=successor,
                jwk=jwk,
                tenant=row.tenant,
                domain=row.domain,
                sources=row.sources,
                not_before=moment,
            ).row()
            await change.add([new], follows=name)
            if row.not_after is None or row.not_after > end:
                await change.limit(replace(row, not_after=end), "limit")
        return new

    async def require(
        self,
        source: str,
        *,
        tenant: str,
        signatures: int,
        algorithms: Sequence[Algorithm] = (),
        max_age: dt.timedelta | None = None,
        max_ahead: dt.timedelta | None = None,
        expiry: bool = False,
    ) -> SourcePolicyRow:
        """Set what a source's events must be like, from now on; nothing of a former policy stays.

        Args:
            source: The source, or a prefix that ends in `*`.
            tenant: Whose source it is.
            signatures: By how many distinct keys an event must be signed.
            algorithms: The only ones whose signatures count; all when empty.
            max_age: How long ago an event's `time` may be when the broker appends it.
            max_ahead: How far ahead it may be.
            expiry: Whether an event is refused after its `expirytime`.

        Raises:
            ConfigurationError: The pattern or number can't be met, no key of the tenant is bound to such a source, or
                another tenant's is.
        """
        SourcePolicy(
            source=source, signatures=signatures, algorithms=tuple(algorithms), max_age=max_age, max_ahead=max_ahead
        )
        async with self._changing() as change:
            tenants = {row.tenant for row in change.keys if any(overlap(source, pattern) for pattern in row.sources)}
            if tenants != {tenant}:
                whose = "another tenant's key" if tenants - {tenant} else "no key of that tenant"
                raise ConfigurationError(f"source {source!r}: {whose} is bound to it; see `sealstream keys list`")
            row = SourcePolicyRow(
                source=source,
                tenant=tenant,
                signatures=signatures,
                algorithms=[*map(str, algorithms)],
                since=change.moment,
                max_age=max_age,
                max_ahead=max_ahead,
                expiry=expiry,
            )
            await insert_source_policy(change.connection, row)
            await change.say(tenant, policy_change(row, "policy"))
        return row

    async def confirm(self, names: Collection[str], sources: Collection[str] = ()) -> None:
        """Vouch for keys, and policies of sources, that were registered before changes had leaves.

        Raises:
            ConfigurationError: There is no such key or policy.
        """
        async with self._changing() as change:
            for name in names:
                row = change.key(name)
                await change.say(row.tenant, key_change(row, "confirm"))
            policies = await list_source_policies(change.connection)
            for source in sources:
                found = [policy for policy in policies if policy.source == source]
                if not found:
                    raise ConfigurationError(f"source {source!r} has no policy; see `sealstream keys policies`")
                for policy in found:
                    await change.say(policy.tenant, policy_change(policy, "confirm"))

    @asynccontextmanager
    async def _changing(self) -> AsyncIterator["_Change"]:
        async with self._signatory.changing_keys() as act:
            yield _Change(act, await keys.list_signing_keys(act.connection))


@dataclass(frozen=True, slots=True)
class _Change:
    """One change under way, with the keys as they stood before it."""

    act: Act
    keys: list[SigningKeyRow]

    @property
    def connection(self) -> Connection:
        return self.act.connection

    @property
    def moment(self) -> dt.datetime:
        return self.act.moment

    def key(self, name: str) -> SigningKeyRow:
        return _named(self.keys, name)

    async def add(self, rows: Sequence[SigningKeyRow], follows: str | None = None) -> None:
        # Refused here, not at the next start of a worker: the registry checks that tenants' sources don't overlap.
        KeyRegistry([signing_key(each) for each in (*self.keys, *rows)])
        for row in rows:
            await keys.insert_signing_key(self.connection, row)
            await self.say(row.tenant, key_change(row, "register", follows))

    async def limit(self, row: SigningKeyRow, change: str) -> None:
        signing_key(row)
        await keys.limit_signing_key(self.connection, row)
        await self.say(row.tenant, key_change(row, change))

    async def say(self, tenant: str, what: KeyChange) -> None:
        """Add the leaf of one change to its tenant's log."""
        try:
            await self.act.say(tenant, "key", key=what)
        except ValueError as exc:
            raise ConfigurationError("the sources are too many for one key; use a prefix that ends in *") from exc


def _named(rows: Sequence[SigningKeyRow], name: str) -> SigningKeyRow:
    for row in rows:
        if row.key_id == name:
            return row
    raise ConfigurationError(f"no key named {name!r} is registered; see `sealstream keys list`")


def check_key_name(name: str) -> None:
    """See that a name can be a key id here.

    Raises:
        ConfigurationError: It can't.
    """
    if not KEY_NAME.fullmatch(name):
        raise ConfigurationError(f"key name {name!r}: use letters, digits, dot, dash and underscore, 64 at most")
