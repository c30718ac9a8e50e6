"""Put the stages of an intake worker together from what the platform knows, and keep them current."""

import asyncio
from typing import Final

from agents.classification import Classifier
from agents.committer import GroupCommitter
from agents.inference.engine import Engine
from agents.intake import Intake
from agents.interpretation import Interpreter
from agents.observation import Observer
from agents.pipeline import Pipeline, Stages
from agents.platform import Identity, Knowledge, load_knowledge, position_key
from agents.sealing_stage import SealingStage
from security.batch_statement import StatementCache
from security.blind_terms import BlindIndex
from security.commit_signature import WorkerKey
from streams.storage.catalogue import read_catalogue
from streams.storage.commit import CommitStore
from streams.storage.database import Database
from streams.storage.ids import IdBlock
from streams.storage.keys import list_signing_keys

COMMIT_ID_BLOCK: Final = 100
PASS_ID_BLOCK: Final = 1_000
"""What the sequences in the first migration advance by."""

RENEW_SECONDS: Final = 1.0


class IntakeParts:
    """The pipeline and the committer of one worker: they share the pass numbers and who watches them.

    Attributes:
        observer: Who watches them.
        pipeline: The stages.
        committer: Takes what they make.
    """

    def __init__(
        self,
        database: Database,
        identity: Identity,
        knowledge: Knowledge,
        worker: WorkerKey,
        engine: Engine,
        *,
        group: str,
        cluster: str,
        observer: Observer | None = None,
    ) -> None:
        self.observer = observer or Observer()
        self._cluster = cluster
        self._keyring = identity.keyring
        self._statements = StatementCache()
        self._pass_ids = IdBlock(database, "pass_ids", PASS_ID_BLOCK)
        self.pipeline = Pipeline(
            cluster,
            self._stages(knowledge),
            Classifier(engine),
            self._pass_ids,
            position_key(identity),
            self.observer,
        )
        self.committer = GroupCommitter(
            CommitStore(database, group=group, cluster=cluster),
            worker,
            IdBlock(database, "commit_ids", COMMIT_ID_BLOCK),
            refuse=self.pipeline.refuse,
            prepare=self.pipeline.prepare,
            observer=self.observer,
        )

    def renew(self, knowledge: Knowledge) -> None:
        """Process the next frames with these keys and this catalogue."""
        self.pipeline.use(self._stages(knowledge))

    def _stages(self, knowledge: Knowledge) -> Stages:
        index_key = self._keyring.index_key
        return Stages(
            Intake(
                self._cluster, knowledge.registry, knowledge.owners, knowledge.platform, index_key, self._statements
            ),
            Interpreter(knowledge.catalogue, index_key),
            SealingStage(knowledge.catalogue, knowledge.tier_keys, BlindIndex(self._keyring), self._pass_ids),
            len({tenant for tenant, _ in knowledge.owners}),
        )


async def keep_current(database: Database, identity: Identity, parts: IntakeParts) -> None:
    """Look every second whether a key or a catalogue row changed, and renew the stages when one did.

    A record that arrives within that second is judged by the former keys; binding each commit to the registry's
    revision comes with the key registry's own life cycle.
    """
    known: object = None
    while True:
        async with database.session() as connection:
            found = (await list_signing_keys(connection), await read_catalogue(connection))
        if found != known:  # the first look too: something may have changed since the process read it
            parts.renew(await load_knowledge(database, identity))
        known = found
        parts.observer.registry_read()
        await asyncio.sleep(RENEW_SECONDS)
