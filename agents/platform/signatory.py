"""What a person does, made in one transaction with the leaves that say so, signed by a certified key of this process.

Keys and models are changed, and records erased, by a person's own signature where there is a `Warrant`: the leaf holds
it, and its `basis` is `signed`. Without one, whoever may run the command acts alone, and `basis` says so.
"""

import asyncio
import datetime as dt
import getpass
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

import msgspec

from agents.commits.leaves import LeafBatch, LogRef
from agents.commits.recording import rfc3339
from agents.platform.actor import pseudonym
from agents.platform.identity import Identity
from agents.platform.warrant import (
    Record,
    Signable,
    Undone,
    Warrant,
    change_text,
    log_of_change,
    record_of,
    takes_a_signature,
)
from schemas.errors import ConfigurationError
from schemas.leaf import (
    LEAF_VERSION,
    AccessChange,
    IndexKeyChange,
    KeyChange,
    Leaf,
    ModelChange,
    TierKeyChange,
)
from schemas.log_change import LogChange
from streams.storage import keys
from streams.storage.commit_rows import CommitRows, write_rows
from streams.storage.database import Connection, Database
from streams.storage.ids import IdBlock
from streams.storage.registry import changing_registry

ALONE: Final = "alone"
"""The `basis` of what one person does without another's approval."""

SIGNED: Final = "signed"
"""The `basis` of what its leaf proves by the person's own signature."""


@dataclass(frozen=True, slots=True)
class Act:
    """One act under way: its transaction, and the leaves that go with it.

    Attributes:
        moment: When it is done, by the database's clock.
        warrant: By which it is done, if there is one.
        rows: What else is written with the commit.
        said: What somebody signs for, by the log that it is signed for and the log that says it.
    """

    connection: Connection
    moment: dt.datetime
    batch: LeafBatch
    identity: Identity
    actor: str
    warrant: Warrant | None = None
    rows: CommitRows = field(default_factory=CommitRows)
    said: dict[tuple[str, str], dict[str, list[Record]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )

    @property
    def as_of(self) -> dt.datetime:
        """From when on a change holds: as it was signed, if it was."""
        return (self.warrant.moment if self.warrant is not None else None) or self.moment

    async def say(
        self,
        tenant: str,
        kind: str,
        *,
        access: AccessChange | None = None,
        key: KeyChange | None = None,
        tier_key: TierKeyChange | None = None,
        index_key: IndexKeyChange | None = None,
        log: LogChange | None = None,
        model_change: ModelChange | None = None,
        record: str | None = None,
        message: str | None = None,
        linked: str | None = None,
        label: str | None = None,
        count: int | None = None,
        purpose: str | None = None,
        commitments: str | None = None,
    ) -> tuple[LogRef, int]:
        """Add a leaf to the tenant's log; returns the log, and the leaf's ordinal in the commit.

        Raises:
            ValueError: The leaf is longer than a log entry may be.
        """
        origin = self.identity.origin(tenant)
        vkey = self.identity.log_verifier(tenant).vkey
        into = LogRef(await keys.ensure_log(self.connection, tenant, origin, vkey), tenant, origin)
        leaf = Leaf(
            v=LEAF_VERSION,
            commit=self.batch.commit_id,
            kind=kind,
            time=rfc3339(self.moment),
            actor=pseudonym(self.identity.keyring, tenant, self.actor),
            access=access,
            key=key,
            tier_key=tier_key,
            index_key=index_key,
            log=log,
            model_change=model_change,
            record=record,
            message=message,
            linked=linked,
            label=label,
            count=count,
            purpose=purpose,
            commitments=commitments,
        )
        changed = record_of(leaf)
        if changed is not None and self.warrant is not None and takes_a_signature(changed):
            place = log_of_change(kind, tenant)
            self.said[kind, place][tenant].append(changed)
            leaf = msgspec.structs.replace(leaf, access=self.warrant.act(place))
        # What somebody signed with their own key stands for itself.
        signed = leaf.access is not None and leaf.access.assertion is not None
        leaf = msgspec.structs.replace(leaf, basis=SIGNED if signed else ALONE)
        return into, self.batch.add(into, leaf)


class Signatory:
    """Acts as one person.

    Args:
        identity: Opens the tenants' logs and certifies the key that signs the leaves.
        actor: Who acts; goes into the log as a pseudonym that only the platform can make.
        warrant: By which keys or models are changed, or records erased.
    """

    def __init__(
        self, database: Database, identity: Identity, *, actor: str | None = None, warrant: Warrant | None = None
    ) -> None:
        self._database = database
        self._identity = identity
        self._warrant = warrant
        self._actor = actor or getpass.getuser()
        self._worker = identity.new_worker()
        self._commit_ids = IdBlock(database, "commit_ids")

    async def prepare(self, tenants: Collection[str]) -> None:
        """Have the key provider asked for what leaves in these tenants' logs need, before a transaction is open."""

        def ask() -> None:
            for tenant in tenants:
                self._identity.log_verifier(tenant)
                pseudonym(self._identity.keyring, tenant, self._actor)

        await asyncio.to_thread(ask)

    async def foresee(self, tenant: str, change: Sequence[TierKeyChange | IndexKeyChange]) -> None:
        """Have the warrant see what a tenant's log will say, before anything is done that can't be undone.

        Raises:
            Undone: It is tried: who tries it has seen enough.
        """
        if self._warrant is not None and change:
            async with self._database.session() as connection:
                now = await connection.fetchval("SELECT clock_timestamp()")
                await self._warrant.settle(connection, now, [Signable("key", tenant, change_text(change))])

    @asynccontextmanager
    async def changing_keys(self) -> AsyncIterator[Act]:
        """An act that changes keys or models: commits under way are waited for, each later one sees the change.

        A trial's is undone at its end, without an error, if somebody has to sign for what it says.
        """
        await self._commit_ids.refill(1)
        with suppress(Undone):
            async with self._database.session() as connection, changing_registry(connection) as moment:
                act = await self._begin(connection, moment)
                yield act
                await _settle(act)
                await _write(act)

    @asynccontextmanager
    async def acting(self) -> AsyncIterator[Act]:
        """Any other act; a trial's ends with `Undone`, if somebody has to sign for what it says."""
        await self._commit_ids.refill(1)
        async with self._database.session() as connection, connection.transaction():
            act = await self._begin(connection, await connection.fetchval("SELECT clock_timestamp()"))
            yield act
            await _settle(act)
            await _write(act)

    async def _begin(self, connection: Connection, moment: dt.datetime) -> Act:
        worker = self._worker
        await keys.register_worker(connection, worker.worker_id, worker.public_key, worker.certificate)
        batch = LeafBatch(self._commit_ids.take(), worker)
        return Act(connection, moment, batch, self._identity, self._actor, self._warrant)


async def _settle(act: Act) -> None:
    """Have the warrant see what was done."""
    if act.warrant is None or not act.said:
        return
    change = []
    for (kind, tenant), logs in sorted(act.said.items()):
        texts = {change_text(records) for records in logs.values()}
        if len(texts) != 1:
            raise ConfigurationError("what one signature is over is said alike in every log")
        change.append(Signable(kind, tenant, texts.pop()))
    await act.warrant.settle(act.connection, act.moment, change)


async def _write(act: Act) -> None:
    act.rows.commits, act.rows.bundles = act.batch.commit_rows(), act.batch.bundle_rows()
    await write_rows(act.connection, act.rows)
