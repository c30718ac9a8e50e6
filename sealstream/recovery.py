"""`audit recover`: take everything over, then bring back what the database lost, log by log."""

import datetime as dt
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final

from agents.custodian import Custodian
from agents.erasing import erase_again
from agents.intake_setup import COMMIT_ID_BLOCK
from agents.log_recovery import LogRecovery, Signed
from agents.log_sequencer import LogSequencer
from agents.platform import Identity
from agents.publication_check import refuse_if_behind
from schemas.errors import StorageError
from sealstream.settings import Settings
from sealstream.wiring import (
    connected,
    notice_topics,
    open_identity,
    open_relay_publication,
    origin_prefix,
    required_kafka,
)
from security.checkpoint import verify_checkpoint
from security.commit_signature import WorkerKey
from streams.audit_topic import PublishedLeaf, published_leaves
from streams.storage import keys, recovering
from streams.storage.database import Connection, Database
from streams.storage.durability import settle
from streams.storage.ids import IdBlock
from streams.storage.ownership import owned
from streams.storage.relaying import RELAY_LOCK, RelayPosition
from streams.storage.sequencing import SEQUENCER_LOCK, LogRow

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
    """

    origin: str
    size: int
    recovered: int


async def recover(settings: Settings, checkpoints: Sequence[str] = ()) -> list[RecoveredLog]:
    """Bring back what is published and the database lacks.

    Args:
        checkpoints: Signed checkpoints that somebody kept, as notes: what comes back must extend them too.

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
            for origin, at in sorted(publication.positions.items()):
                work = _Recovery(settings, identity, database, worker, origin, at, checkpoints)
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

    async def run(self, connection: Connection) -> RecoveredLog:
        row = await self._log(connection)
        sequencer = await LogSequencer.take_over(connection, row, self.identity.log_signer(row.tenant))
        size = sequencer.position.size
        if size >= self.at.position:
            await refuse_if_behind(connection, {row.origin: self.at})
            return RecoveredLog(row.origin, size, 0)
        recovery = LogRecovery(
            sequencer=sequencer,
            published=self.at,
            read=lambda first, end: self._leaves(row, first, end),
            worker=self.worker,
            commit_ids=IdBlock(self.database, "commit_ids", COMMIT_ID_BLOCK),
            signed=self._signed(row),
            now=dt.datetime.now(dt.UTC),
        )
        root = await recovery.check(connection)
        return RecoveredLog(row.origin, size, await recovery.write(connection, root))

    async def _log(self, connection: Connection) -> LogRow:
        """The log's row, made anew where the database was copied before the tenant came."""
        tenant = self.origin.removeprefix(origin_prefix(self.settings))
        vkey = self.identity.log_signer(tenant).verifier.vkey
        return LogRow(await keys.ensure_log(connection, tenant, self.origin, vkey), tenant, self.origin)

    def _leaves(self, row: LogRow, first: int, end: int) -> AsyncIterator[list[PublishedLeaf]]:
        topic = notice_topics(row.tenant).audit
        return published_leaves(required_kafka(self.settings), topic, row.origin, first, end)

    def _signed(self, row: LogRow) -> list[Signed]:
        """The checkpoint that the relay's position holds, and those that somebody kept."""
        verifier = self.identity.log_signer(row.tenant).verifier
        notes = [
            note for note in (self.at.checkpoint, *self.checkpoints) if note and note.startswith(f"{row.origin}\n")
        ]
        return [Signed(verify_checkpoint(note.encode(), row.origin, [verifier]), note) for note in notes]
