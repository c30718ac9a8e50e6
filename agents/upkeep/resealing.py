"""Seal a domain's rows anew under the tier keys that seal now, beside running workers.

Salts and values stay, so commitments and leaves do; only ciphertexts and their data keys change. It goes through the
tenant's commits in bounded pages, keeps its place in the database, and goes on there when it is started again. Both
ends are `key` leaves; the first one is what somebody signs for.
"""

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from agents.commits.leaves import LogRef
from agents.keys.custodian import ScopeFilter, tier_key_change
from agents.platform.data_keys import DataKeyCache
from agents.platform.identity import Identity
from agents.platform.knowledge import ACCESS_DOMAIN, Knowledge, load_knowledge
from agents.platform.signatory import Signatory
from agents.platform.warrant import Warrant
from schemas.errors import ConfigurationError
from security.key_provider import MAX_TIER
from security.opening import FieldOpener, OpenedField
from security.sealed_blob import SealBroken
from security.sealing import SealingPass
from security.tier_keys import TierKeyRecord, TierKeys
from streams.storage import keys, resealing
from streams.storage.database import Database
from streams.storage.ids import IdBlock
from streams.storage.registry import RegistryChanged, hold_registry
from streams.storage.resealing import ResealProgress, SealedRow

Tell = Callable[[ResealProgress], None]

BEGUN: Final = "begin_reseal"
DONE: Final = "reseal"
"""What the leaves say: what former epochs sealed is to be sealed anew; so many rows were."""


@dataclass(slots=True)
class Resealed:
    """What was done.

    Attributes:
        rows: Rows sealed anew, by domain.
        broken: Where a row does not open; it was left as it is.
    """

    rows: dict[str, int] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Domain:
    """A domain in work: its log, its tier keys, and which of them are former ones."""

    log: LogRef
    name: str
    tier_keys: TierKeys
    current: Sequence[TierKeyRecord]
    former: Sequence[str]
    revision: int

    @property
    def target(self) -> str:
        return hashlib.sha256(" ".join(sorted(record.key_id for record in self.current)).encode()).hexdigest()[:32]

    @property
    def tables(self) -> tuple[str, ...]:
        return resealing.ACCESS_TABLES if self.name == ACCESS_DOMAIN else resealing.RECORD_TABLES


class Resealer:
    """Seals domains anew, as one actor.

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
        tell: Tell = lambda progress: None,
    ) -> None:
        self._database = database
        self._identity = identity
        self._signatory = Signatory(database, identity, actor=actor, warrant=warrant)
        self._pass_ids = IdBlock(database, "pass_ids")
        self._tell = tell

    async def reseal(self, which: ScopeFilter) -> Resealed:
        """Seal all rows of these domains that a former epoch sealed under the current one.

        Raises:
            ApprovalRefused: It was signed for other tier keys than those that seal now.
            ConfigurationError: No domain is meant that has tier keys, or a single tier is.
            KeyUnavailable: A former tier key does not open, and was not shredded.
        """
        if which.tier is not None:
            raise ConfigurationError(
                "a row's fields are sealed anew together, whatever their tiers; leave out the tier"
            )
        await self._signatory.prepare({which.tenant})
        left = await self._domains(which)
        done = Resealed(dict.fromkeys(left, 0))
        # Keys change seldom; whoever began with former ones begins anew, and keeps what is done.
        while left:
            works = [await self._open(which.tenant, name) for name in left]
            try:
                await self._begin(which.tenant, works)
            except RegistryChanged:
                continue
            left = [work.name for work in works if not await self._domain(which.tenant, work, done)]
        return done

    async def _begin(self, tenant: str, works: Sequence[_Domain]) -> None:
        """Say that these are begun, where they are not and there may be something to do."""
        async with self._signatory.acting() as act:
            for work in works:
                await hold_registry(act.connection, work.revision)
                if work.former and await resealing.begin_reseal(act.connection, tenant, work.name, work.target):
                    for record in work.current:
                        await act.say(tenant, "key", tier_key=tier_key_change(record, BEGUN))

    async def _domains(self, which: ScopeFilter) -> list[str]:
        async with self._database.session() as connection:
            scopes = [record.scope for record in await keys.list_tier_keys(connection)]
        found = sorted({scope.domain for scope in scopes if which.covers(scope)})
        if not found:
            raise ConfigurationError("no tier key of that tenant and domain is stored; see `sealstream keys tiers`")
        return found

    async def _domain(self, tenant: str, work: _Domain, done: Resealed) -> bool:
        """Go through one domain; False when keys changed meanwhile."""
        async with self._database.session() as connection:
            progress = await resealing.go_on(connection, work.log.log_id, tenant, work.name, work.target)
        if progress is None:
            return True
        try:
            while not progress.done:
                progress = await self._step(work, progress, done)
        except RegistryChanged:
            return False
        if progress.sealed_rows:
            async with self._signatory.acting() as act:
                for record in work.current:
                    change = tier_key_change(record, DONE)
                    await act.say(tenant, "key", tier_key=change, count=progress.sealed_rows)
                await resealing.said(act.connection, progress)
        done.rows[work.name] += progress.sealed_rows
        return True

    async def _open(self, tenant: str, name: str) -> _Domain:
        knowledge: Knowledge = await load_knowledge(self._database, self._identity)
        async with self._database.session() as connection:
            stored = [
                record
                for record in await keys.list_tier_keys(connection)
                if (record.scope.tenant, record.scope.domain) == (tenant, name) and not record.shredded
            ]
        newest = {record.scope.tier: record for record in sorted(stored, key=lambda record: record.scope.epoch)}
        (log,) = {owner.log for owner in knowledge.owners.values() if owner.log.tenant == tenant}
        return _Domain(
            log,
            name,
            knowledge.access_keys if name == ACCESS_DOMAIN else knowledge.tier_keys,
            [newest[tier] for tier in sorted(newest)],
            [record.key_id for record in stored if record != newest[record.scope.tier]],
            knowledge.revision,
        )

    async def _step(self, work: _Domain, progress: ResealProgress, done: Resealed) -> ResealProgress:
        """Some commits, table by table, page by page."""
        async with self._database.session() as connection:
            commits = await resealing.next_commits(connection, work.log.log_id, progress)
        for table in work.tables:
            after = (-1, -1)
            while page := await self._page(work, table, commits, after):
                after = page[-1].commit_id, page[-1].leaf
                progress = await self._exchange(work, table, page, progress, done)
                self._tell(progress)
        async with self._database.session() as connection:
            progress = await resealing.passed(connection, progress, commits[-1] if commits else progress.end_commit)
        self._tell(progress)
        return progress

    async def _page(self, work: _Domain, table: str, commits: Sequence[int], after: tuple[int, int]) -> list[SealedRow]:
        async with self._database.session() as connection:
            return await resealing.former_rows(
                connection, table, work.log.log_id, work.name, commits, work.former, after
            )

    async def _exchange(
        self, work: _Domain, table: str, page: Sequence[SealedRow], progress: ResealProgress, done: Resealed
    ) -> ResealProgress:
        data_keys = DataKeyCache()
        async with self._database.session() as connection:
            await data_keys.load(connection, [row.pass_id for row in page])
        opener = FieldOpener(work.tier_keys, data_keys.get, MAX_TIER)
        # A pass has one data key for a tier: rows of which another tier is shredded get a pass of their own.
        passes: dict[tuple[tuple[int, str], ...], tuple[int, SealingPass]] = {}
        exchanged = []
        for row in page:
            try:
                fields = opener.open_record(work.log.tenant, work.name, row.name, row.pass_id, row.blob)
            except SealBroken as exc:
                done.broken.append(f"log {work.log.origin}, commit {row.commit_id}: {exc}")
                continue
            shredded = _shredded(fields.values())
            if shredded not in passes:
                await self._pass_ids.refill(1)
                number = self._pass_ids.take()
                passes[shredded] = number, SealingPass(number, work.log.tenant, work.tier_keys, os.urandom)
            number, sealing = passes[shredded]
            exchanged.append((row, number, sealing.seal_again(work.name, row.name, fields)))
        made = [key for _, sealing in passes.values() for key in sealing.data_keys()]
        async with self._database.session() as connection:
            return await resealing.exchange_rows(
                connection, table, work.log.log_id, progress, exchanged, made, work.revision
            )


def _shredded(fields: Iterable[OpenedField]) -> tuple[tuple[int, str], ...]:
    """Tier and key of what is shredded of a row."""
    return tuple(sorted({(each.tier, each.shredded_key) for each in fields if each.shredded_key is not None}))
