"""Commits made by hand, below the stages: some leaves in one log, signed as a worker signs."""

from collections.abc import Callable, Iterable
from uuid import UUID

from agents.commits.leaves import LeafBatch, LogRef
from agents.platform.identity import Identity
from schemas.leaf import LEAF_VERSION, Leaf
from security.commit_signature import WorkerKey
from streams.storage import keys
from streams.storage.commit import Claims, CommitRequest, CommitStore, EntryClaim, IdentityClaim
from streams.storage.commit_rows import CommitRows
from streams.storage.database import Connection, Database
from streams.storage.watermarks import Mark, WatermarkStep

TOPIC = "transactions"


def step(partition: int, start: int, end: int, *, first_ever: bool = False, topic: str = TOPIC) -> WatermarkStep:
    """A partition's move."""
    return WatermarkStep(topic, partition, start, end, first_ever, Mark(last_digest=b"last"))


def identity(number: int, digest: bytes = b"digest", partition: int = 0) -> IdentityClaim:
    """A claim of the record id that this number stands for."""
    return IdentityClaim(record(number), digest, (TOPIC, partition))


def record(number: int) -> UUID:
    """A record id."""
    return UUID(int=number)


def request(
    commit_id: int,
    steps: Iterable[WatermarkStep] = (),
    identities: Iterable[IdentityClaim] = (),
    entries: Iterable[EntryClaim] = (),
    finish: Callable[[Claims], CommitRows] = lambda claims: CommitRows(),
) -> CommitRequest:
    """A commit that adds no rows unless `finish` makes some."""
    return CommitRequest(commit_id, list(steps), list(identities), list(entries), finish)


def leaf(commit_id: int, number: int = 0, kind: str = "other") -> Leaf:
    """A leaf that is told from others by its number, of a kind that no row belongs to."""
    return Leaf(v=LEAF_VERSION, commit=commit_id, kind=kind, time="2026-01-05T08:00:00.000Z", count=number)


def leaf_rows(worker: WorkerKey, commit_id: int, logs: Iterable[tuple[LogRef, int]]) -> CommitRows:
    """Rows of a commit with so many leaves in each log."""
    batch = LeafBatch(commit_id, worker)
    for log, count in logs:
        for number in range(count):
            batch.add(log, leaf(commit_id, number))
    return CommitRows(commits=batch.commit_rows(), bundles=batch.bundle_rows())


async def put_leaves(store: CommitStore, worker: WorkerKey, commit_id: int, log: LogRef, count: int = 1) -> None:
    """Commit some leaves to one log."""
    await store.commit(request(commit_id, finish=lambda _: leaf_rows(worker, commit_id, [(log, count)])))


async def open_log(connection: Connection, identity: Identity, tenant: str) -> LogRef:
    """The tenant's log, opened under that identity."""
    origin = identity.origin(tenant)
    log_id = await keys.ensure_log(connection, tenant, origin, identity.log_signer(tenant).verifier.vkey)
    return LogRef(log_id, tenant, origin)


async def certified(database: Database, identity: Identity) -> WorkerKey:
    """A worker's key, published."""
    worker = identity.new_worker()
    async with database.session() as connection:
        await keys.register_worker(connection, worker.worker_id, worker.public_key, worker.certificate)
    return worker
