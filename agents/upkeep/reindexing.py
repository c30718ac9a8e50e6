"""Rotate the key of a field's blind terms, beside running workers and searches.

From the beginning on new records get terms of the new version; those from before are opened and their terms exchanged,
page by page, with the place kept in the database. Until the end searches look for both. Both ends are `key` leaves;
the first one is what somebody signs for.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from agents.commits.leaves import LogRef
from agents.intake.sealing_stage import searched_text
from agents.platform.data_keys import DataKeyCache
from agents.platform.identity import Identity
from agents.platform.knowledge import Knowledge, load_knowledge
from agents.platform.signatory import Signatory
from agents.platform.warrant import Warrant
from schemas.catalogue import MAX_SEARCHABLE_TIER, SearchKind
from schemas.errors import ConfigurationError
from schemas.leaf import IndexKeyChange
from security.blind_terms import BlindIndex
from security.opening import FieldOpener
from security.sealed_blob import SealBroken
from streams.storage import index_keys
from streams.storage.database import Database
from streams.storage.index_keys import ExchangedTerm, IndexedRow, IndexRotation

Tell = Callable[[IndexRotation], None]

BEGUN: Final = "rotate"
RETIRED: Final = "retire"
"""What the leaves say: a version makes terms from now on; no term of former ones is left."""


@dataclass(slots=True)
class Reindexed:
    """What was done.

    Attributes:
        rotation: As it is now.
        broken: Where a row does not open: its term stays one of the former version, and no search finds it by that.
    """

    rotation: IndexRotation
    broken: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Work:
    log: LogRef
    opener: FieldOpener
    data_keys: DataKeyCache
    former: BlindIndex
    current: BlindIndex


class Reindexer:
    """Rotates index keys, as one actor.

    Args:
        actor: Who has it done; goes into the log as a pseudonym that only the platform can make.
        warrant: By whose signature it begins, if it is signed.
        tell: Told of the progress after each page.
    """

    def __init__(
        self,
        database: Database,
        identity: Identity,
        *,
        actor: str | None = None,
        warrant: Warrant | None = None,
        tell: Tell = lambda rotation: None,
    ) -> None:
        self._database = database
        self._identity = identity
        self._signatory = Signatory(database, identity, actor=actor, warrant=warrant)
        self._tell = tell

    async def rotate(self, tenant: str, name: str) -> Reindexed:
        """Rotate the index key of a tenant's field; one that was interrupted is gone on with instead.

        Raises:
            ConfigurationError: The tenant has no such searchable field.
            SomebodyElseRotates: Another process does the same.
            KeyUnavailable: A tier key does not open, and was not shredded.
        """
        knowledge = await load_knowledge(self._database, self._identity)
        log = _searchable(knowledge, tenant, name)
        await self._signatory.prepare({tenant})
        async with self._database.session() as connection:
            newest = {(each.tenant, each.field): each for each in await index_keys.list_rotations(connection)}
        found = newest.get((tenant, name))
        if found is None or found.finished:
            found = await self._begin(log, name, 1 if found is None else found.version + 1)
        done = Reindexed(found)
        data_keys = DataKeyCache()
        work = _Work(
            log,
            FieldOpener(knowledge.tier_keys, data_keys.get, MAX_SEARCHABLE_TIER),
            data_keys,
            BlindIndex(self._identity.keyring, {(tenant, name): found.version - 1}),
            BlindIndex(self._identity.keyring, {(tenant, name): found.version}),
        )
        while await self._page(work, done):
            self._tell(done.rotation)
        await self._finish(tenant, done)
        return done

    async def _begin(self, log: LogRef, name: str, version: int) -> IndexRotation:
        change = IndexKeyChange(change=BEGUN, field=name, version=version)
        await self._signatory.foresee(log.tenant, [change])
        async with self._signatory.changing_keys() as act:
            rotation = await index_keys.begin_rotation(act.connection, log.log_id, log.tenant, name, version)
            await act.say(log.tenant, "key", index_key=change)
        return rotation

    async def _finish(self, tenant: str, done: Reindexed) -> None:
        async with self._signatory.acting() as act:
            rotation = await index_keys.finish_rotation(act.connection, done.rotation)
            change = IndexKeyChange(change=RETIRED, field=rotation.field, version=rotation.version)
            await act.say(tenant, "key", index_key=change, count=rotation.exchanged)
        done.rotation = rotation

    async def _page(self, work: _Work, done: Reindexed) -> bool:
        rotation = done.rotation
        async with self._database.session() as connection:
            rows = await index_keys.next_rows(connection, work.log.log_id, rotation)
            if not rows:
                return False
            await work.data_keys.load(connection, [row.pass_id for row in rows])
            terms = [term for row in rows for term in _exchanged(work, rotation, row, done.broken)]
            done.rotation = await index_keys.exchange_terms(connection, work.log.log_id, rotation, terms, rows[-1])
        return True


def _searchable(knowledge: Knowledge, tenant: str, name: str) -> LogRef:
    """The tenant's log."""
    logs = {owner.log for owner in knowledge.owners.values() if owner.log.tenant == tenant}
    tiers = range(1, MAX_SEARCHABLE_TIER + 1)
    if not logs or not any(name in knowledge.catalogue.searchable(tenant, tier) for tier in tiers):
        raise ConfigurationError(f"tenant {tenant!r} has no searchable field {name!r}; the catalogue says which are")
    return logs.pop()


def _exchanged(work: _Work, rotation: IndexRotation, row: IndexedRow, broken: list[str]) -> Sequence[ExchangedTerm]:
    """The terms that a record's value has, however the catalogue had it searched when it came."""
    if row.sealed is None:
        return ()
    tenant, name = rotation.tenant, rotation.field
    try:
        opened = work.opener.open_record(tenant, row.domain, row.record_id.bytes, row.pass_id, row.sealed)
    except SealBroken as exc:
        broken.append(f"log {work.log.origin}, commit {row.commit_id}: {exc}")
        return ()
    value = opened[name].value if name in opened else None
    text = searched_text(value, row.type) if value is not None else None
    if text is None:
        return ()
    exchanged = {}
    for kind in SearchKind:
        former, current = work.former.term(tenant, name, kind, text), work.current.term(tenant, name, kind, text)
        if former is not None and current is not None:
            exchanged[former] = ExchangedTerm(row.record_id, former, current)
    return list(exchanged.values())
