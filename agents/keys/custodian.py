"""Changes of tier keys: new epochs, other wrapping, shredding. Each is made with its leaves, in one transaction.

A change waits for the commits under way and gives the key registry a new revision, so that no later commit seals under
a former epoch, and running workers load the new keys at once. What an audit makes of the leaves is
agents.audit.tier_keys.
"""

import asyncio
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

from agents.platform.catalogue_in_force import catalogue_rows
from agents.platform.identity import Identity
from agents.platform.knowledge import ACCESS_DOMAIN
from agents.platform.signatory import Act, Signatory
from agents.platform.vouching import Voucher
from agents.platform.warrant import Warrant
from schemas.catalogue import Catalogue
from schemas.errors import ConfigurationError, SealstreamError
from schemas.leaf import TierKeyChange
from security.key_provider import Scope
from security.suites import Suite
from security.tier_keys import TierKeyRecord, new_tier_key
from streams.storage import keys
from streams.storage.database import Database


class TierKeysChanged(SealstreamError):
    """Somebody else changed the same tier keys in between; nothing is stored."""

    def __init__(self) -> None:
        super().__init__("somebody else changed these tier keys just now; nothing is stored, look and try again")


@dataclass(frozen=True, slots=True)
class ScopeFilter:
    """Which scopes are meant: all of a tenant's, of one domain, or one tier."""

    tenant: str
    domain: str | None = None
    tier: int | None = None

    def covers(self, scope: Scope) -> bool:
        """Whether a scope is meant, whatever its epoch."""
        return (
            scope.tenant == self.tenant
            and self.domain in (None, scope.domain)
            and self.tier in (None, scope.tier)
        )  # fmt: skip


def tier_key_change(
    record: TierKeyRecord, change: str, *, follows: str | None = None, retire: bool = False
) -> TierKeyChange:
    """What a leaf says of a tier key as it is stored, and of what it was before."""
    scope = record.scope
    return TierKeyChange(
        change=change,
        domain=scope.domain,
        epoch=scope.epoch,
        follows=follows,
        id=record.key_id,
        kek=record.wrapped.kek_id,
        retire=retire,
        tier=scope.tier,
        suite=_said_suite(scope),
        wrapped=None if change == "shred" else hashlib.sha256(record.wrapped.ciphertext).hexdigest(),
    )


class Custodian:
    """Changes tier keys, as one actor.

    Args:
        identity: Its keyring wraps; its logs get the leaves.
        actor: Who acts; goes into the log as a pseudonym that only the platform can make.
        warrant: By whose signature, if it is signed; it is seen before the key provider is asked for anything.
    """

    def __init__(
        self, database: Database, identity: Identity, *, actor: str | None = None, warrant: Warrant | None = None
    ) -> None:
        self._database = database
        self._keyring = identity.keyring
        self._signatory = Signatory(database, identity, actor=actor, warrant=warrant)

    async def tier_keys(self, which: ScopeFilter | None = None) -> list[TierKeyRecord]:
        """The stored tier keys, by scope and epoch.

        Raises:
            ConfigurationError: No scope is meant that has any.
        """
        async with self._database.session() as connection:
            stored = await keys.list_tier_keys(connection)
        found = [record for record in stored if which is None or which.covers(record.scope)]
        if which is not None and not found:
            raise ConfigurationError(
                "no tier key of that tenant, domain and tier is stored; see `sealstream keys tiers`"
            )
        return sorted(found, key=_by_scope)

    async def rotate(self, which: ScopeFilter, suite: Suite | None = None) -> list[TierKeyRecord]:
        """Begin a new epoch of each of these scopes: it seals from now on, former epochs' records stay readable.

        Args:
            suite: What the new epochs seal with; a tenant's scopes all have the same. None leaves it as it is.

        Raises:
            ConfigurationError: No scope is meant that has tier keys, or a suite is to change for less than a tenant.
            TierKeysChanged: Somebody else rotated one of them in between.
            Unavailable: The key provider does not answer.
        """
        if suite is not None and (which.domain, which.tier) != (None, None):
            raise ConfigurationError("a suite is chosen for the whole tenant; leave out domain and tier")
        stored = await self.tier_keys(which)
        return await self._change(which, stored, follow=_newest(stored), suite=suite)

    async def _change(
        self,
        which: ScopeFilter,
        stored: Sequence[TierKeyRecord],
        *,
        follow: Sequence[TierKeyRecord],
        suite: Suite | None = None,
        shred: Sequence[TierKeyRecord] = (),
    ) -> list[TierKeyRecord]:
        """Begin the epochs after these, and forget the tier keys of others, in one transaction.

        Args:
            stored: The tier keys as they are looked at; changed in between, nothing is done.

        Returns:
            Those of the new epochs.
        """
        scopes = [replace(record.scope, suite=suite or record.scope.suite) for record in follow]
        scopes = await asyncio.to_thread(lambda: list(map(self._next, scopes)))
        begun = [_begun(scope, former) for scope, former in zip(scopes, follow, strict=True)]
        shredded = [tier_key_change(record, "shred") for record in shred]
        await self._signatory.foresee(which.tenant, [*begun, *shredded])
        # Before the transaction: it holds a lock that every commit needs, and the provider may take its time.
        made = await asyncio.to_thread(lambda: [new_tier_key(scope, self._keyring, os.urandom) for scope in scopes])
        await self._signatory.prepare({which.tenant})
        async with self._signatory.changing_keys() as act:
            if await self._stored(act, which) != stored:
                raise TierKeysChanged
            await keys.insert_tier_keys(act.connection, made)
            for record, former in zip(made, follow, strict=True):
                await act.say(which.tenant, "key", tier_key=tier_key_change(record, "rotate", follows=former.key_id))
            await keys.shred_tier_keys(act.connection, [record.key_id for record in shred])
            for change in shredded:
                await act.say(which.tenant, "key", tier_key=change)
        return made

    def _next(self, scope: Scope) -> Scope:
        """The epoch after this one; those that were shredded before a backup was restored are passed over."""
        while True:
            scope = replace(scope, epoch=scope.epoch + 1)
            if not self._keyring.is_destroyed(scope):
                return scope

    async def shred(self, which: ScopeFilter, epoch: int | None = None) -> list[TierKeyRecord]:
        """Have the provider destroy its keys of these scopes: nothing opens what they covered, not even a backup.

        Where the epoch that seals now is meant, a new one begins too. The log says so before the keys are destroyed;
        asked again, an interrupted shredding is finished, for which nobody signs a second time.

        Args:
            epoch: Only this one; None for all there are.

        Raises:
            ConfigurationError: No scope is meant that has tier keys, or lists of who was shown what are.
            TierKeysChanged: Somebody else changed one of them in between.
            Unavailable: The key provider does not answer.
        """
        if which.domain == ACCESS_DOMAIN:
            raise ConfigurationError("the lists of who was shown what are no data of a record, and are not shredded")
        stored = await self.tier_keys(which)
        meant = [each for each in stored if each.scope.domain != ACCESS_DOMAIN]
        newest = {record.key_id for record in _newest(meant)}
        meant = [record for record in meant if epoch in (None, record.scope.epoch)]
        if not meant:
            raise ConfigurationError("no tier key of that epoch is stored; see `sealstream keys tiers`")
        follow = [record for record in meant if record.key_id in newest]
        fresh = [record for record in meant if not record.shredded]
        if follow or fresh:
            await self._change(which, stored, follow=follow, shred=fresh)
        await asyncio.to_thread(self._destroy, meant)
        voucher = await asyncio.to_thread(Voucher, self._keyring)
        async with self._database.session() as connection:
            catalogue = Catalogue.from_rows(await catalogue_rows(connection, voucher))
            for tier in sorted({record.scope.tier for record in meant}):
                fields = catalogue.searchable(which.tenant, tier)
                if fields:
                    await keys.delete_shredded_terms(connection, which.tenant, tier, fields)
        return meant

    async def replace_shredded(self) -> None:
        """Begin a new epoch where the newest one is shredded: after a restore, whose backup lacks the one after it."""
        for record in _newest(await self.tier_keys()):
            if record.shredded:
                await self.rotate(ScopeFilter(record.scope.tenant, record.scope.domain, record.scope.tier))

    def _destroy(self, records: Sequence[TierKeyRecord]) -> None:
        for record in records:
            self._keyring.destroy(record.scope)

    async def rewrap(self, which: ScopeFilter, *, retire: bool) -> list[TierKeyRecord]:
        """Wrap the tier keys of these scopes, all epochs, under new keys of the provider. No data is touched.

        Args:
            retire: Destroy the provider's former keys afterwards. A backup from before then opens nothing of these
                scopes any more; nor do other copies of the former wrapped keys.

        Raises:
            ConfigurationError: No scope is meant that has tier keys.
            TierKeysChanged: Somebody else changed one of them in between.
            VerificationFailed: A stored one does not open.
            Unavailable: The key provider does not answer.
        """
        stored = await self.tier_keys(which)
        whole = [record for record in stored if not record.shredded]

        def change(record: TierKeyRecord, former: TierKeyRecord) -> TierKeyChange:
            return tier_key_change(record, "rewrap", follows=former.wrapped.kek_id, retire=retire)

        await self._signatory.foresee(which.tenant, [change(record, record) for record in whole])
        made = await asyncio.to_thread(lambda: [self._wrapped_anew(record) for record in whole])
        await self._signatory.prepare({which.tenant})
        async with self._signatory.changing_keys() as act:
            if await self._stored(act, which) != stored:
                raise TierKeysChanged
            for record, former in zip(made, whole, strict=True):
                await keys.rewrap_tier_key(act.connection, record)
                await act.say(which.tenant, "key", tier_key=change(record, former))
        if retire:
            await asyncio.to_thread(self._retire, made)
        return made

    def _retire(self, records: Sequence[TierKeyRecord]) -> None:
        for record in records:
            self._keyring.retire(record.scope, record.wrapped.kek_id)

    def _wrapped_anew(self, record: TierKeyRecord) -> TierKeyRecord:
        key = self._keyring.unwrap(record.scope, record.wrapped)
        self._keyring.renew(record.scope)
        return replace(record, wrapped=self._keyring.wrap(record.scope, key))

    async def _stored(self, act: Act, which: ScopeFilter) -> list[TierKeyRecord]:
        stored = await keys.list_tier_keys(act.connection)
        return sorted((record for record in stored if which.covers(record.scope)), key=_by_scope)


def _begun(scope: Scope, former: TierKeyRecord) -> TierKeyChange:
    """What a leaf will say of an epoch that is to begin; its keys have no names yet."""
    return TierKeyChange(
        change="rotate",
        domain=scope.domain,
        epoch=scope.epoch,
        follows=former.key_id,
        id="",
        kek="",
        tier=scope.tier,
        suite=_said_suite(scope),
    )


def _said_suite(scope: Scope) -> str | None:
    return None if scope.suite is Suite.AES else scope.suite


def _newest(records: Sequence[TierKeyRecord]) -> list[TierKeyRecord]:
    """The highest epoch of each scope; the records come by scope and epoch."""
    newest = {(record.scope.tenant, record.scope.domain, record.scope.tier): record for record in records}
    return list(newest.values())


def _by_scope(record: TierKeyRecord) -> tuple[str, str, int, int]:
    scope = record.scope
    return scope.tenant, scope.domain, scope.tier, scope.epoch
