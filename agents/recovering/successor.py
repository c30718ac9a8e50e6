"""A declared successor: how a log goes on whose last leaves are lost, without contradicting what was signed.

Nothing is placed any more where the lost leaves stood. The next shard's first leaf says how many they are, and holds
the last signed checkpoint over them: whoever has one of theirs sees that the loss was declared, and by whom.
"""

import datetime as dt
import getpass
from collections.abc import Sequence
from dataclasses import dataclass

from agents.log.log_sequencer import LogSequencer
from agents.log.tree import load_edge
from agents.platform.actor import pseudonym
from agents.platform.identity import Identity, shard_origin
from agents.recovering.log_recovery import AnotherHistory, Signed
from agents.shards.closing import SUCCEED, opening
from schemas.log_change import LogChange
from security.commit_signature import WorkerKey
from streams.storage import recovering, shards
from streams.storage.database import Connection
from streams.storage.ids import IdBlock
from streams.storage.sequencing import LogAdvance


@dataclass(frozen=True, slots=True)
class DeclaredSuccessor:
    """Declares the successor of one log.

    Args:
        sequencer: The log, taken over.
        published: How many leaves of its open shard were published.
        signed: Checkpoints of it that somebody holds.
        worker: A certified key.
        actor: Who declares it; None for the user of this process.
    """

    sequencer: LogSequencer
    published: int
    signed: Sequence[Signed]
    identity: Identity
    worker: WorkerKey
    commit_ids: IdBlock
    actor: str | None

    @property
    def origin(self) -> str:
        """Of the successor."""
        return shard_origin(self.sequencer.shard.log_origin, self.sequencer.shard.shard + 1)

    async def write(self, connection: Connection) -> int:
        """Begin it; returns how many leaves of the one before are lost.

        Raises:
            AnotherHistory: The leaves that are there contradict what was signed: they are no beginning of that log.
        """
        row, held = self.sequencer.shard, self.sequencer.edge.size
        for each in self.signed:
            if each.checkpoint.size <= held:
                stored = await load_edge(connection, row, each.checkpoint.size)
                if stored.root() != each.checkpoint.root:
                    raise AnotherHistory(
                        f"log {row.origin}: the database's leaves don't give the root signed at "
                        f"{each.checkpoint.size}; nothing can follow them, restore another backup"
                    )
        newest = max(self.signed, key=lambda each: each.checkpoint.size, default=None)
        size = max(self.published, newest.checkpoint.size if newest is not None else 0)
        lost = size - held
        # Each of them may have been a commit of its own.
        await recovering.skip_commit_ids(connection, lost)
        await self.commit_ids.refill(1)
        what = LogChange(
            change=SUCCEED,
            lost=lost,
            note=newest.note if newest is not None else None,
            origin=row.origin,
            root=newest.checkpoint.root.hex() if newest is not None else None,
            size=size,
        )
        actor = pseudonym(self.identity.keyring, row.tenant, self.actor or getpass.getuser())
        now = dt.datetime.now(dt.UTC)
        rows, number = opening(row, self.worker, self.commit_ids.take(), what, now, actor)
        at = row.start + size
        step = LogAdvance(row.log_id, self.sequencer.epoch, at, at + 1, None, [(at, number, 1)], [], None)
        await shards.declare_next(connection, row, row.shard + 1, self.origin, rows, step, lost)
        return lost
