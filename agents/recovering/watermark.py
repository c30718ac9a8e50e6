"""Move a watermark deliberately, after the log it belonged to is gone: who did it, and why, is a leaf of the log.

What was read before and comes again is a duplicate by its record id; what is passed over was an operator's decision.
"""

import base64
import datetime as dt
import getpass
from typing import Final

from agents.commits.leaves import LeafBatch
from agents.commits.recording import rfc3339
from agents.platform.actor import pseudonym
from agents.platform.identity import Identity
from agents.platform.knowledge import ACCESS_DOMAIN, ACCESS_TIER, REASON_FIELD, Knowledge
from schemas.errors import ConfigurationError, SealstreamError
from schemas.leaf import LEAF_VERSION, Leaf, Span
from security.commit_signature import WorkerKey
from security.sealing import SealingPass
from streams.frames import Holding
from streams.storage import keys
from streams.storage.commit import Claims, CommitRequest, CommitStore
from streams.storage.commit_rows import CommitRows
from streams.storage.database import Database
from streams.storage.ids import IdBlock
from streams.storage.watermarks import (
    NO_POSITION,
    Partition,
    StoredPosition,
    WatermarkMove,
    encode_watermark,
    read_positions,
)

BEGINNING: Final = "beginning"
END: Final = "end"


class WatermarkMoved(SealstreamError):
    """Somebody else moved the watermark in between."""


class Recovery:
    """Moves watermarks of one consumer group on one cluster.

    Args:
        worker: Signs the commits; it is published with the first one.
        actor: Who does it; goes into the log as a pseudonym that only the platform can make.
    """

    def __init__(
        self,
        database: Database,
        identity: Identity,
        knowledge: Knowledge,
        worker: WorkerKey,
        *,
        group: str,
        cluster: str,
        actor: str | None = None,
    ) -> None:
        self._database = database
        self._identity = identity
        self._knowledge = knowledge
        self._worker = worker
        self._actor = actor or getpass.getuser()
        self._store = CommitStore(database, group=group, cluster=cluster)
        self._commit_ids = IdBlock(database, "commit_ids")
        self._pass_ids = IdBlock(database, "pass_ids")

    async def resume(self, place: Partition, holding: Holding, at: str, reason: str) -> tuple[int | None, int]:
        """Have a partition read on elsewhere.

        Args:
            holding: What the broker holds of it.
            at: `beginning`, `end`, or an offset within what is held.
            reason: For the auditor; sealed beside the leaf.

        Returns:
            The position before, None where there was none, and the new one.

        Raises:
            ConfigurationError: The broker does not hold that offset, or no reason is given.
            WatermarkMoved: A worker moved the watermark meanwhile; look again, then repeat.
        """
        if not reason.strip():
            raise ConfigurationError("moving a watermark needs a reason; say it with --reason")
        target = _offset(at, holding)
        async with self._database.session() as connection:
            worker = self._worker
            await keys.register_worker(connection, worker.worker_id, worker.public_key, worker.certificate)
            stored = (await read_positions(connection, self._store.group, self._store.cluster, [place])).get(place)
        move = WatermarkMove(*place, stored, target, holding.topic_id)
        await self._commit_ids.refill(1)
        await self._pass_ids.refill(1)
        commit_id, pass_id = self._commit_ids.take(), self._pass_ids.take()
        now = rfc3339(dt.datetime.now(dt.UTC))

        def finish(_: Claims) -> CommitRows:
            return self._rows(commit_id, pass_id, move, reason, now)

        if not await self._store.commit(CommitRequest(commit_id, [move], (), (), finish)):
            raise WatermarkMoved(f"a worker moved the watermark of {place[0]}[{place[1]}] meanwhile; look again")
        return (stored.offset if stored is not None else None), target

    def _rows(self, commit_id: int, pass_id: int, move: WatermarkMove, reason: str, now: str) -> CommitRows:
        log = self._knowledge.platform.log
        sealing = SealingPass(pass_id, log.tenant, self._knowledge.access_keys)
        sealed = sealing.seal_fields(
            ACCESS_DOMAIN, commit_id.to_bytes(16, "big"), [(REASON_FIELD, ACCESS_TIER, reason.encode())]
        )
        batch = LeafBatch(commit_id, self._worker, encode_watermark(self._store.group, self._store.cluster, [move]))
        leaf = Leaf(
            v=LEAF_VERSION,
            commit=commit_id,
            kind="recover",
            time=now,
            actor=pseudonym(self._identity.keyring, log.tenant, self._actor),
            purpose=base64.b64encode(sealed.commitments[REASON_FIELD]).decode(),
            commitments=sealed.kind.in_leaf,
            span=Span(_start(move.stored), move.partition, move.to_offset, move.topic),
        )
        rows = CommitRows()
        rows.disclosures.append((log.log_id, commit_id, batch.add(log, leaf), log.tenant, pass_id, sealed.blob))
        rows.data_keys += [
            (key.pass_id, key.tenant, key.domain, key.tier, key.tier_key_id, key.wrapped) for key in sealing.data_keys()
        ]
        rows.commits, rows.bundles = batch.commit_rows(), batch.bundle_rows()
        return rows


def _start(stored: StoredPosition | None) -> int:
    return NO_POSITION if stored is None else stored.offset


def _offset(at: str, holding: Holding) -> int:
    if at in (BEGINNING, END):
        return holding.start if at == BEGINNING else holding.end
    if not (at.isascii() and at.isdigit() and holding.start <= int(at) <= holding.end):
        raise ConfigurationError(
            f"can't read on at {at!r}: say `{BEGINNING}`, `{END}`, or an offset from {holding.start} to {holding.end}, "
            "which is what the broker holds"
        )
    return int(at)
