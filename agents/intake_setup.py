"""Put the stages of an intake worker together from what the platform knows."""

from dataclasses import dataclass

from agents.classification import Classifier
from agents.committer import GroupCommitter
from agents.inference.engine import Engine
from agents.intake import Intake
from agents.interpretation import Interpreter
from agents.pipeline import Pipeline
from agents.platform import PLATFORM_TENANT, Identity, Knowledge
from agents.sealing_stage import SealingStage
from security.blind_terms import BlindIndex
from security.commit_signature import WorkerKey
from streams.storage.commit import CommitStore
from streams.storage.database import Database
from streams.storage.ids import IdBlock

COMMIT_ID_BLOCK = 100
PASS_ID_BLOCK = 1_000
"""What the sequences in the first migration advance by."""


@dataclass(frozen=True, slots=True)
class IntakeParts:
    """The stages and the committer that belong together: they share the pass numbers."""

    pipeline: Pipeline
    committer: GroupCommitter


def assemble_intake(
    database: Database,
    identity: Identity,
    knowledge: Knowledge,
    worker: WorkerKey,
    engine: Engine,
    *,
    group: str,
    cluster: str,
) -> IntakeParts:
    """Build the pipeline and the committer of one worker."""
    keyring = identity.keyring
    pass_ids = IdBlock(database, "pass_ids", PASS_ID_BLOCK)
    sealing = SealingStage(knowledge.catalogue, knowledge.tier_keys, BlindIndex(keyring), pass_ids)
    pipeline = Pipeline(
        cluster,
        Intake(cluster, knowledge.registry, knowledge.owners, knowledge.platform, keyring.index_key),
        Interpreter(knowledge.catalogue, keyring.index_key),
        Classifier(engine),
        sealing,
        pass_ids,
        keyring.index_key(PLATFORM_TENANT, "position"),
        len({tenant for tenant, _ in knowledge.owners}),
    )
    committer = GroupCommitter(
        CommitStore(database, group=group, cluster=cluster),
        worker,
        IdBlock(database, "commit_ids", COMMIT_ID_BLOCK),
        refuse=pipeline.refuse,
        prepare=pipeline.prepare,
    )
    return IntakeParts(pipeline, committer)
