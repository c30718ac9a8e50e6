"""`audit recover`: take everything over, then bring back what the database lost, log by log."""

import datetime as dt
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from agents.keys.custodian import Custodian
from agents.log.log_sequencer import LogSequencer
from agents.log.publication_check import refuse_if_behind
from agents.platform.identity import Identity
from agents.recovering.log_recovery import AnotherHistory, LogRecovery, Signed
from agents.recovering.successor import DeclaredSuccessor
from agents.upkeep.erasing import erase_again
from schemas.errors import StorageError
from schemas.leaf import decode_leaf
from sealstream.settings import Settings
from sealstream.wiring import (
    connected,
    notice_topics,
    open_identity,
    open_relay_publication,
    required_kafka,
)
from security.checkpoint import verify_checkpoint
from security.commit_signature import WorkerKey
from streams.audit_topic import LeavesGone, PublishedLeaf, published_leaves
from streams.storage import keys, recovering, shards
from streams.storage.database import Connection, Database
from streams.storage.durability import settle
from streams.storage.ids import IdBlock
from streams.storage.log_tree import leaf_bodies
from streams.storage.ownership import owned
from streams.storage.relaying import RELAY_LOCK, RelayPosition
from streams.storage.sequencing import SEQUENCER_LOCK, LogRow, read_position

log = structlog.get_logger(__name__)

WORKERS: Final = "sealstream worker"
"""How the database names the sessions of worker processes."""


class WorkersRunning(StorageError):
    """Workers are connected: they would go on with what they read from the database before it was restored."""


@dataclass(frozen=True, slots=True)
class RecoveredLog:
    """What was done for one log.

    Attributes:
        size: Leaves that the database had.
        recovered: Leaves brought back; none where it lacked none.
        lost: Leaves that can't be brought back.
        successor: The log that it goes on as then.
    """

    origin: str
    size: int
    recovered: int
    lost: int = 0
    successor: str | None = None


@dataclass(frozen=True, slots=True)
class Successor:
    """That a log which can't be brought back whole goes on in a declared successor.

    Attributes:
        even_if_whole: Also where the leaves could be brought back.
        actor: Who declares it.
    """

    even_if_whole: bool = False
    actor: str | None = None


async def recover(
    settings: Settings, checkpoints: Sequence[str] = (), successor: Successor | None = None
) -> list[RecoveredLog]:
    """Bring back what is published and the database lacks.

    Args:
        checkpoints: Signed checkpoints that somebody kept, as notes: what comes back must extend them too.
        successor: What can't be brought back goes on in a declared successor, where this is given.

    Raises:
        WorkersRunning: Stop them first.
        LeavesGone: The audit topic does not hold the leaves any more.
        AnotherHistory: What it holds is not what was signed; nothing is written.
    """
    identity = open_identity(settings)
    done = []
    async with (
        connected(settings, "recover", connections=6) as database,
        database.session() as connection,
    ):
        if running := await recovering.connected_workers(connection, WORKERS):
            raise WorkersRunning(f"{running} sessions of workers are connected; stop all workers, then recover")
        async with (
            owned(database, SEQUENCER_LOCK),
            owned(database, RELAY_LOCK),
            # Fences a relay that we don't see: nothing is published from now on.
            open_relay_publication(settings) as publication,
        ):
            worker = identity.new_worker()
            await keys.register_worker(connection, worker.worker_id, worker.public_key, worker.certificate)
            newest = dict(sorted(map(identity.place, publication.positions)))
            for origin, at in sorted(publication.positions.items(), key=lambda each: identity.place(each[0])):
                tenant, shard = identity.place(origin)
                is_last = shard == newest[tenant]
                work = _Recovery(settings, identity, database, worker, origin, at, checkpoints, is_last, successor)
                done.append(await work.run(connection))
            await erase_again(connection)
            await Custodian(database, identity).replace_shredded()
            await settle(connection)
    return done


@dataclass(frozen=True, slots=True)
class _Recovery:
    """The recovery of one log, with what it needs of the platform."""

    settings: Settings
    identity: Identity
    database: Database
    worker: WorkerKey
    origin: str
    at: RelayPosition
    checkpoints: Sequence[str]
    is_last: bool
    successor: Successor | None

    async def run(self, connection: Connection) -> RecoveredLog:
        row = await self._log(connection)
        sequencer = await LogSequencer.take_over(connection, row, self.identity.signer_of)
        shard, size = sequencer.shard, sequencer.edge.size
        beyond = shard.origin == self.origin and any(each.checkpoint.size > size for each in self._signed(shard))
        if shard.origin != self.origin or (size >= self.at.position and not beyond):
            # A later shard is open: this one ended before the database was copied.
            await refuse_if_behind(connection, {self.origin: self.at})
            return RecoveredLog(self.origin, size if shard.origin == self.origin else self.at.position, 0)
        recovery = LogRecovery(
            sequencer=sequencer,
            published=self.at,
            read=lambda first, end: self._leaves(shard, first, end),
            worker=self.worker,
            commit_ids=IdBlock(self.database, "commit_ids"),
            signed=self._signed(shard),
            now=dt.datetime.now(dt.UTC),
            is_last=self.is_last,
        )
        try:
            root = await recovery.check(connection)
        except (LeavesGone, AnotherHistory) as exc:
            if self.successor is None or not self.is_last:
                raise
            return await self._declare(connection, sequencer, str(exc))
        if self.successor is not None and self.successor.even_if_whole:
            return await self._declare(connection, sequencer, "it was declared so, though its leaves are there")
        recovered = await recovery.write(connection, root)
        if not self.is_last:
            # Its final checkpoint, which the next shard cites, may have been lost with its leaves.
            await sequencer.sign(connection, recovery.now)
        return RecoveredLog(self.origin, size, recovered)

    async def _declare(self, connection: Connection, sequencer: LogSequencer, why: str) -> RecoveredLog:
        commit_ids = IdBlock(self.database, "commit_ids")
        signed = self._signed(sequencer.shard)
        actor = self.successor.actor if self.successor is not None else None
        declared = DeclaredSuccessor(sequencer, self.at.position, signed, self.identity, self.worker, commit_ids, actor)
        lost = await declared.write(connection)
        log.warning("recovery.successor_declared", log=declared.origin, after=self.origin, lost=lost, why=why)
        return RecoveredLog(self.origin, sequencer.edge.size, 0, lost, declared.origin)

    async def _log(self, connection: Connection) -> LogRow:
        """The log's row, made anew where the database was copied before the tenant came, or before the shard."""
        tenant, number = self.identity.place(self.origin)
        signer, origin = self.identity.log_signer(tenant), self.identity.origin(tenant)
        row = LogRow(await keys.ensure_log(connection, tenant, origin, signer.verifier.vkey), tenant, origin)
        if number:
            before = await shards.open_shard(connection, row)
            if before.shard + 1 == number:
                size = (await read_position(connection, row.log_id)).size
                (closing,) = await leaf_bodies(connection, row.log_id, size - 1, size) or [b""]
                said = decode_leaf(closing).log
                if said is None or said.origin != self.origin:
                    raise AnotherHistory(f"log {before.origin}: its last leaf does not say that {self.origin} follows")
                await shards.recover_next(connection, before, number, self.origin, said.key, size)
            elif before.shard < number:
                raise AnotherHistory(
                    f"log {self.origin}: the shard before is neither in the database nor published, so that nobody "
                    "can tell where it began; restore a newer backup"
                )
        return row

    def _leaves(self, row: LogRow, first: int, end: int) -> AsyncIterator[list[PublishedLeaf]]:
        topic = notice_topics(row.tenant).audit
        return published_leaves(required_kafka(self.settings), topic, row.origin, first, end)

    def _signed(self, row: LogRow) -> list[Signed]:
        """The checkpoint that the relay's position holds, and those that somebody kept."""
        verifier = self.identity.signer_of(row).verifier
        notes = [
            note for note in (self.at.checkpoint, *self.checkpoints) if note and note.startswith(f"{row.origin}\n")
        ]
        return [Signed(verify_checkpoint(note.encode(), row.origin, [verifier]), note) for note in notes]
