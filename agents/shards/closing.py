"""Closing a shard of a tenant's log and opening the next one. What is stored of it is streams.storage.shards.

The last leaf of a closed shard is a `close` leaf, which names the person and the next shard; then comes the final
checkpoint. The first leaf of the next one is an `open` leaf that cites it: origin, size and root hash. So whoever holds
the newest shard walks back through all of them.
"""

import asyncio
import datetime as dt
from collections.abc import Callable
from typing import Final

from agents.commits.leaves import LeafBatch, LogRef
from agents.commits.recording import rfc3339
from agents.log.log_sequencer import LogSequencer
from agents.platform.identity import Identity
from agents.platform.signatory import Signatory
from schemas.errors import ConfigurationError, VerificationFailed
from schemas.leaf import LEAF_VERSION, Leaf, decode_leaf
from schemas.log_change import LogChange
from security.commit_signature import WorkerKey
from security.merkle import leaf_hash
from streams.storage import keys, shards
from streams.storage.commit_rows import CommitRows
from streams.storage.database import Connection, Database
from streams.storage.ids import IdBlock
from streams.storage.log_tree import leaf_bodies, leaf_hashes
from streams.storage.sequencing import LogAdvance, LogRow
from streams.storage.shards import NextShard

CLOSE: Final = "close"
OPEN: Final = "open"
SUCCEED: Final = "succeed"


class ShardKeeper:
    """Closes shards for one person.

    Args:
        actor: Who acts; goes into the log as a pseudonym that only the platform can make.
    """

    def __init__(self, database: Database, identity: Identity, *, actor: str | None = None) -> None:
        self._database = database
        self._identity = identity
        self._signatory = Signatory(database, identity, actor=actor)

    async def close(self, tenant: str, *, new_key: bool = False) -> tuple[str, str]:
        """Ask for the end of a tenant's open shard; returns its origin and the key that verifies the next one.

        It ends with the leaf that says so, once a sequencer has placed that.

        Args:
            new_key: Whether another key signs the next one.

        Raises:
            ConfigurationError: There is no such log, or its shard is being closed already.
        """
        async with self._database.session() as connection:
            rows = await shards.list_shards(connection, tenant)
        if not rows:
            raise ConfigurationError(
                f"there is no log of a tenant {tenant!r}; `sealstream audit checkpoint` lists them"
            )
        now, n = rows[-1], rows[-1].shard + 1
        key = now.key + 1 if new_key else now.key
        await self._signatory.prepare({tenant})
        # The provider is asked before a transaction is open.
        verifier = (await asyncio.to_thread(self._identity.log_signer, tenant, n, key)).verifier
        async with self._signatory.acting() as act:
            what = LogChange(change=CLOSE, key=key, origin=verifier.name, vkey=verifier.vkey)
            await act.say(tenant, CLOSE, log=what)
            await shards.ask_next(act.connection, now.log_id, n, verifier.name, act.batch.commit_id, key)
        return now.origin, verifier.vkey


class ShardOpener:
    """Opens the shards that were asked for; part of the sequencer.

    Args:
        worker: Gives the certified key that signs the first leaves.
    """

    def __init__(
        self,
        database: Database,
        worker: Callable[[], WorkerKey],
        clock: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
    ) -> None:
        self._worker = worker
        self._commit_ids = IdBlock(database, "commit_ids")
        self._clock = clock

    async def open(self, connection: Connection, closed: LogSequencer, following: NextShard) -> None:
        """Begin a shard behind one whose final checkpoint is signed and durable.

        Raises:
            Fenced: Another sequencer has taken over.
            VerificationFailed: The row asks for another shard than the last leaf of this one, which a worker signed:
                whoever may write to the database could otherwise have a key of their choice sign the log.
        """
        await _asked_by_leaf(connection, closed, following)
        worker = self._worker()
        await keys.register_worker(connection, worker.worker_id, worker.public_key, worker.certificate)
        await self._commit_ids.refill(1)
        row, size = closed.shard, closed.position.size
        what = LogChange(change=OPEN, origin=row.origin, root=closed.edge.root().hex(), size=closed.edge.size)
        rows, number = opening(row, worker, self._commit_ids.take(), what, self._clock())
        step = LogAdvance(row.log_id, closed.epoch, size, size + 1, closed.position.seen, [(size, number, 1)], [], None)
        await shards.open_next(connection, following, rows, step)


async def _asked_by_leaf(connection: Connection, closed: LogSequencer, following: NextShard) -> None:
    last = closed.position.size - 1
    (body,) = await leaf_bodies(connection, closed.row.log_id, last, last + 1) or [b""]
    hashes = await leaf_hashes(connection, closed.row.log_id, last, last + 1)
    leaf = decode_leaf(body) if leaf_hash(body) == hashes else None
    said = leaf.log if leaf is not None and leaf.kind == CLOSE else None
    if said is None or (said.origin, said.key) != (following.origin, following.key):
        raise VerificationFailed(
            f"log {closed.shard.origin}: its last leaf does not ask for {following.origin} as its row does; "
            "run `sealstream audit verify`"
        )


def opening(
    row: LogRow, worker: WorkerKey, number: int, what: LogChange, now: dt.datetime, actor: str | None = None
) -> tuple[CommitRows, int]:
    """The commit that brings a shard's first leaf, with its number.

    Args:
        row: A shard of the log.
        actor: The pseudonym of whoever declares it, where somebody does.
    """
    batch = LeafBatch(number, worker)
    leaf = Leaf(v=LEAF_VERSION, commit=number, kind=OPEN, time=rfc3339(now), actor=actor, log=what)
    batch.add(LogRef(row.log_id, row.tenant, row.log_origin), leaf)
    return CommitRows(commits=batch.commit_rows(), bundles=batch.bundle_rows()), number
