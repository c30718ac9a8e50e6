"""The product's stages and commit, put together as its worker does, for whatever measures them without that worker."""

from dataclasses import dataclass

from agents.inference.transaction_kind import load_default_engine
from agents.intake.committer import GroupCommitter
from agents.intake.pipeline import Pipeline
from agents.intake.setup import IntakeParts
from agents.platform.identity import Identity
from agents.platform.knowledge import Knowledge, load_knowledge
from sealstream.settings import Settings
from sealstream.wiring import open_identity
from security.commit_signature import WorkerKey
from streams.storage import keys
from streams.storage.database import Database


@dataclass(frozen=True, slots=True)
class IntakeBench:
    """What an intake worker works with."""

    identity: Identity
    knowledge: Knowledge
    worker: WorkerKey
    pipeline: Pipeline
    committer: GroupCommitter


async def open_intake(database: Database, settings: Settings, *, group: str, cluster: str) -> IntakeBench:
    """Put it together, with a registered worker's key of its own."""
    identity = open_identity(settings)
    knowledge = await load_knowledge(database, identity)
    worker = identity.new_worker()
    async with database.session() as connection:
        await keys.register_worker(connection, worker.worker_id, worker.public_key, worker.certificate)
    parts = IntakeParts(database, identity, knowledge, worker, load_default_engine(), group=group, cluster=cluster)
    return IntakeBench(identity, knowledge, worker, parts.pipeline, parts.committer)
