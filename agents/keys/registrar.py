"""Changes of the producers' key registry: each is made together with its leaf, in one transaction, or not at all.

The leaf stands in the tenant's log and says who changed what: the whole record of the key, as it is from then on. What
an audit makes of these leaves is agents.audit.registered; how keys are stored is streams.storage.keys.

How a change and its leaf are made together is agents.platform.signatory, by whose signature agents.platform.warrant.
"""

import datetime as dt
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from cryptography import x509

from agents.keys.certificates import admitted, take_list, verified
from agents.keys.key_leaf import key_change, policy_change, rfc3339, subscription_change
from agents.keys.new_key import KEY_NAME, NewKey, check_key_name, check_scope
from agents.keys.subscription import KeySet, active, authenticated, difference
from agents.platform.identity import Identity
from agents.platform.knowledge import signing_key
from agents.platform.signatory import Act, Signatory
from agents.platform.warrant import Warrant
from schemas.errors import ConfigurationError
from schemas.leaf import KeyChange
from security.algorithms import Algorithm
from security.jwk import Jwk
from security.key_registry import KeyRegistry
from security.source_patterns import Patterns, overlap
from security.source_policy import SourcePolicy
from streams.storage import keys, subscriptions
from streams.storage.database import Connection, Database
from streams.storage.keys import SigningKeyRow
from streams.storage.registry import (
    SourcePolicyRow,
    insert_source_policy,
    list_source_policies,
)
from streams.storage.subscriptions import SubscriptionRow

__all__ = ["KEY_NAME", "NewKey", "Registrar", "check_key_name"]


class Registrar:
    """Changes the registry, as one actor.

    Args:
        identity: Opens the tenants' logs and certifies the key that signs the leaves.
        actor: Who acts; goes into the log as a pseudonym that only the platform can make.
        warrant: By whose signature, if it is signed.
    """

    def __init__(
        self, database: Database, identity: Identity, *, actor: str | None = None, warrant: Warrant | None = None
    ) -> None:
        self._database = database
        self._identity = identity
        self._signatory = Signatory(database, identity, actor=actor, warrant=warrant)

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
            ConfigurationError: A name is not allowed or taken, a window is empty, a source is another tenant's, or a
                chain of certificates that is offered does not lead to its anchors.
        """
        chains = [(each, await verified(each.offer, dt.datetime.now(dt.UTC))) for each in new]
        async with self._changing() as change:
            rows = [
                await admitted(change.connection, each.row(), chain, each.offer, change.moment)
                for each, chain in chains
            ]
            await change.add(rows)
            for each in new:
                for crl in each.offer.crls if each.offer is not None else ():
                    await change.take(crl)
            return [change.key(row.key_id) for row in rows]

    async def take_list(self, crl: x509.CertificateRevocationList) -> list[SigningKeyRow]:
        """Keep a revocation list and revoke every registered key that it lists, or an authority above it.

        Returns:
            The keys that are revoked by it and were not, or from a later moment.

        Raises:
            ConfigurationError: The list does not count, or a newer one is held.
        """
        async with self._changing() as change:
            return await change.take(crl)

    async def subscribe(self, row: SubscriptionRow) -> SubscriptionRow:
        """Let the keys of a JWK Set sign for sources, as it names them; returns the row as it is stored.

        Raises:
            ConfigurationError: A name or source is not allowed, or there is one to that URL.
        """
        check_scope(row.tenant, row.domain)
        if not row.sources:
            raise ConfigurationError("a subscription needs a source")
        Patterns("the subscription", tuple(row.sources))
        made = authenticated(row, self._identity.keyring)
        async with self._changing() as change:
            await subscriptions.insert_subscription(change.connection, made)
            await change.say(row.tenant, subscription_change(row, "subscribe"))
        return made

    async def unsubscribe(self, url: str) -> list[SigningKeyRow]:
        """End a subscription and the validity of its keys.

        Raises:
            ConfigurationError: There is none.
        """
        async with self._changing() as change:
            found = [row for row in await subscriptions.list_subscriptions(change.connection) if row.url == url]
            if not found:
                raise ConfigurationError("there is no subscription to that URL; see `sealstream doctor`")
            await subscriptions.delete_subscription(change.connection, url)
            await change.say(found[0].tenant, subscription_change(found[0], "unsubscribe"))
            return await change.withdraw(active(change.keys, url, change.moment))

    async def follow(self, subscription: SubscriptionRow, found: KeySet) -> list[str]:
        """Do what a JWK Set says; returns what of it can't be done."""
        async with self._changing() as change:
            what = difference(change.keys, subscription, found, change.moment)
            faults = list(what.faults)
            await change.withdraw(what.gone)
            for row in what.new:
                try:
                    await change.add([replace(row, not_before=change.moment)])
                except ConfigurationError as exc:
                    faults.append(str(exc))
            return faults

    async def withdraw(self, url: str) -> list[SigningKeyRow]:
        """End the validity of a subscription's keys."""
        async with self._changing() as change:
            return await change.withdraw(active(change.keys, url, change.moment))

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
            return await change.revoke(row, moment)

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
    """One change under way, with the keys as they stand in it."""

    act: Act
    keys: list[SigningKeyRow]

    @property
    def connection(self) -> Connection:
        return self.act.connection

    @property
    def moment(self) -> dt.datetime:
        return self.act.as_of

    def key(self, name: str) -> SigningKeyRow:
        return _named(self.keys, name)

    async def add(self, rows: Sequence[SigningKeyRow], follows: str | None = None) -> None:
        # Refused here, not at the next start of a worker: the registry checks that tenants' sources don't overlap.
        KeyRegistry([signing_key(each) for each in (*self.keys, *rows)])
        for row in rows:
            await keys.insert_signing_key(self.connection, row)
            await self.say(row.tenant, key_change(row, "register", follows))
        self.keys.extend(rows)

    async def limit(self, row: SigningKeyRow, change: str, crl: bytes | None = None) -> None:
        signing_key(row)
        await keys.limit_signing_key(self.connection, row)
        await self.say(row.tenant, key_change(row, change, crl=crl))
        self.keys[:] = [row if each.key_id == row.key_id else each for each in self.keys]

    async def revoke(self, row: SigningKeyRow, moment: dt.datetime, crl: bytes | None = None) -> SigningKeyRow:
        revoked = replace(row, revoked_at=moment)
        await self.limit(revoked, "revoke", crl)
        return revoked

    async def withdraw(self, rows: Sequence[SigningKeyRow]) -> list[SigningKeyRow]:
        limited = [replace(row, not_after=max(self.moment, row.not_before or self.moment)) for row in rows]
        for row in limited:
            await self.limit(row, "limit")
        return limited

    async def take(self, crl: x509.CertificateRevocationList) -> list[SigningKeyRow]:
        """Keep a revocation list, and do what it says."""
        taken = await take_list(self.connection, self.keys, crl, self.moment)
        return [await self.revoke(row, moment, taken.digest) for row, moment in taken.revoked]

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
