"""Writing looks into the log: one leaf for a response in each log it touches, durable before anything is shown.

Looks that come while a commit is under way wait for it and share the next one: as many readers as there are, a look
takes two commits at most.
"""

import asyncio
import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal
from uuid import UUID

import msgspec

from agents.actor import pseudonym
from agents.leaves import LeafBatch, LogRef
from agents.platform import ACCESS_DOMAIN, ACCESS_TIER, Identity, Knowledge
from agents.recording import data_key_row, rfc3339
from schemas.leaf import LEAF_VERSION, Leaf
from security.commit_signature import WorkerKey
from security.merkle import leaf_hash, tree_root
from security.sealing import SealingPass
from streams.storage import keys
from streams.storage.commit import Claims, CommitRequest, CommitStore
from streams.storage.commit_rows import CommitRows
from streams.storage.database import Database
from streams.storage.ids import IdBlock

LookKind = Literal["export", "read", "search"]
LOOKS_A_COMMIT: Final = 256


@dataclass(frozen=True, slots=True)
class NewLook:
    """A response that is about to be given.

    Attributes:
        actor: Who gets it; goes into the log as a pseudonym that only the platform can make.
        basis: On what ground.
        shown: The ids that it shows, by log; a log without ids learns that somebody looked and found nothing.
    """

    kind: LookKind
    actor: str
    basis: str
    shown: Mapping[int, Sequence[UUID]]


class LookLog:
    """Writes looks for one process.

    Args:
        worker: Signs the leaves; its certificate is registered before the first one.
    """

    def __init__(self, database: Database, identity: Identity, knowledge: Knowledge, worker: WorkerKey) -> None:
        self._database = database
        self._identity = identity
        self._access_keys = knowledge.access_keys
        self._logs: dict[int, LogRef] = {owner.log.log_id: owner.log for owner in knowledge.owners.values()}
        self._worker = worker
        self._store = CommitStore(database, group="", cluster="")
        self._commit_ids = IdBlock(database, "commit_ids", 100)
        self._pass_ids = IdBlock(database, "pass_ids", 1000)
        self._registered = False
        self._waiting: list[tuple[NewLook, asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def write(self, look: NewLook) -> None:
        """Write a look down; returns when that is durable.

        Raises:
            StorageError: It could not be written, so that nothing may be shown.
        """
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((look, done))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_waiting(), name="looks")
        await done

    async def _write_waiting(self) -> None:
        """Write until nobody waits. Who gave up waiting has a leaf all the same, or none."""
        while self._waiting:
            taken, self._waiting = self._waiting[:LOOKS_A_COMMIT], self._waiting[LOOKS_A_COMMIT:]
            try:
                await self._commit([look for look, done in taken if not done.done()])
            except BaseException as exc:
                for _, done in taken:
                    if not done.done():
                        done.set_exception(exc) if isinstance(exc, Exception) else done.cancel()
                if not isinstance(exc, Exception):
                    raise
            else:
                for _, done in taken:
                    if not done.done():
                        done.set_result(None)

    async def _commit(self, looks: Sequence[NewLook]) -> None:
        logs = {log_id for look in looks for log_id in look.shown}
        if not logs:
            return
        if not self._registered:
            worker = self._worker
            async with self._database.session() as connection:
                await keys.register_worker(connection, worker.worker_id, worker.public_key, worker.certificate)
            self._registered = True
        await self._commit_ids.refill(1)
        await self._pass_ids.refill(len(logs))
        commit_id = self._commit_ids.take()
        numbers = {log_id: self._pass_ids.take() for log_id in sorted(logs)}
        passes = {
            log_id: SealingPass(number, self._logs[log_id].tenant, self._access_keys)
            for log_id, number in numbers.items()
        }
        now = rfc3339(dt.datetime.now(dt.UTC))
        batch, rows = LeafBatch(commit_id, self._worker), CommitRows()
        for look in looks:
            for log_id, ids in look.shown.items():
                log = self._logs[log_id]
                ordinal = batch.add(log, self._leaf(look, log.tenant, ids, commit_id, now))
                sealed = passes[log_id].seal_fields(
                    ACCESS_DOMAIN, disclosure_name(commit_id), [("ids", ACCESS_TIER, _packed(ids))]
                )
                rows.disclosures.append((log_id, commit_id, ordinal, log.tenant, numbers[log_id], sealed.blob))
        rows.data_keys = [data_key_row(key) for sealing in passes.values() for key in sealing.data_keys()]
        rows.commits, rows.bundles = batch.commit_rows(), batch.bundle_rows()

        def finish(_: Claims) -> CommitRows:
            return rows

        await self._store.commit(CommitRequest(commit_id, (), (), (), finish))

    def _leaf(self, look: NewLook, tenant: str, ids: Sequence[UUID], commit_id: int, now: str) -> Leaf:
        return Leaf(
            v=LEAF_VERSION,
            commit=commit_id,
            kind=look.kind,
            time=now,
            actor=pseudonym(self._identity.keyring, tenant, look.actor),
            basis=look.basis,
            count=len(ids),
            unit=tree_root([leaf_hash(name.bytes) for name in ids]).hex(),
        )


def disclosure_name(commit_id: int) -> bytes:
    """What the ids beside the looks of a commit are sealed as; which look's they are says its leaf, by their root."""
    return commit_id.to_bytes(16, "big")


def _packed(ids: Sequence[UUID]) -> bytes:
    return msgspec.msgpack.encode([name.bytes for name in ids])
