"""Put the stages of an intake worker together from what the platform knows, and keep them current."""

import asyncio
import datetime as dt
from contextlib import suppress
from typing import Final, Protocol

from agents.commits.observation import Observer
from agents.commits.routing import router_for
from agents.inference.active_models import active_engines
from agents.inference.comparison import Comparisons
from agents.inference.engine import Engine
from agents.inference.model_store import ModelStore
from agents.intake.classification import Classifier
from agents.intake.committer import GroupCommitter
from agents.intake.door import IDENTITY_KEY, Intake
from agents.intake.interpretation import ENTRY_KEY, Interpreter
from agents.intake.pipeline import Pipeline, Stages
from agents.intake.sealing_stage import SealingStage
from agents.platform.identity import POSITION_KEY, Identity, position_key
from agents.platform.key_lease import KeyLease
from agents.platform.knowledge import Knowledge, load_knowledge
from schemas.tenant import PLATFORM_TENANT
from security.batch_statement import StatementCache
from security.blind_terms import BlindIndex, index_key_name
from security.commit_signature import WorkerKey
from security.tier_keys import TierKeysLapsed
from streams.endurance import Part
from streams.health import Health
from streams.storage.catalogue import unregistered_rows
from streams.storage.commit import CommitStore
from streams.storage.database import Database
from streams.storage.ids import IdBlock
from streams.storage.registry import registry_revision

"""What the sequences in the first migration advance by."""

RENEW_SECONDS: Final = 1.0

TIER_KEY_TTL: Final = dt.timedelta(hours=1)
"""How long opened tier keys are used without asking the key provider again, unless a setting says otherwise."""

COMMITS: Final = "group-commit"
KEYS: Final = "keys"
"""Names of parts in the health."""


async def open_index_keys(identity: Identity, knowledge: Knowledge) -> None:
    """Have the keyring fetch every index key that the stages use: they run on the event loop and must not wait.

    Raises:
        Unavailable: The keyring's provider does not answer.
    """
    wanted = {(PLATFORM_TENANT, POSITION_KEY)}
    for tenant in {tenant for tenant, _ in knowledge.owners}:
        wanted |= {(tenant, IDENTITY_KEY), (tenant, ENTRY_KEY)}
        for record_type in knowledge.catalogue.record_types(tenant):
            fields = knowledge.catalogue.fields(tenant, record_type)
            wanted |= {
                (tenant, index_key_name(name, knowledge.index_versions.get((tenant, name), 0)))
                for name, spec in fields.items()
                if spec.search is not None
            }
    await asyncio.to_thread(lambda: [identity.keyring.index_key(*each) for each in sorted(wanted)])


class Renewable(Protocol):
    """What seals with tier keys and can take newer ones."""

    @property
    def lease(self) -> KeyLease:
        """How long the tier keys may be used."""
        ...

    @property
    def observer(self) -> Observer:
        """Who watches."""
        ...

    @property
    def comparisons(self) -> Comparisons:
        """What candidates said beside active models, not stored yet."""
        ...

    async def reload(self) -> None:
        """Use keys, policies and catalogue as they are stored now."""
        ...


class IntakeParts:
    """The pipeline and the committer of one worker: they share the pass numbers and who watches them.

    Wants `open_index_keys` awaited before, where the keyring's provider is a server.

    Args:
        engine: Decides the kind of transactions, until the registry has a model for that.
        store: Where the registry's models lie.

    Attributes:
        comparisons: What a model on trial said beside the active one.
        observer: Who watches them.
        lease: How long the tier keys may be used.
        pipeline: The stages.
        committer: Takes what they make. Both report to the health as one part.
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
        store: ModelStore | None = None,
        tier_key_ttl: dt.timedelta = TIER_KEY_TTL,
        health: Health | None = None,
        observer: Observer | None = None,
    ) -> None:
        health = health or Health()
        commits = Part(health, COMMITS)
        self.observer = observer or Observer()
        self._cluster = cluster
        self._database = database
        self._identity = identity
        self._keyring = identity.keyring
        self._statements = StatementCache()
        self._pass_ids = IdBlock(database, "pass_ids")
        self.lease = KeyLease(tier_key_ttl)
        self.comparisons = Comparisons()
        self._shipped = engine
        self._engines = active_engines(store, health, engine)
        self._engines.use(knowledge.models)
        self.pipeline = Pipeline(
            cluster,
            self._stages(knowledge),
            self._pass_ids,
            position_key(identity),
            self.lease,
            commits,
            self.observer,
        )
        self.committer = GroupCommitter(
            CommitStore(database, group=group, cluster=cluster),
            worker,
            IdBlock(database, "commit_ids"),
            refuse=self.pipeline.refuse,
            prepare=self.pipeline.prepare,
            reload=self.reload,
            part=commits,
            observer=self.observer,
        )

    async def reload(self) -> None:
        """Process the next frames with the keys, policies, models and catalogue as they are stored now.

        Raises:
            Unavailable: The key provider does not answer, or a model that is in force is not here.
        """
        knowledge = await load_knowledge(self._database, self._identity)
        await open_index_keys(self._identity, knowledge)
        await self._engines.renew(knowledge.models)
        self.pipeline.use(self._stages(knowledge))

    def _stages(self, knowledge: Knowledge) -> Stages:
        self.lease.renew(knowledge.tier_keys, knowledge.asked_at)
        index_key = self._keyring.index_key
        blind = BlindIndex(self._keyring, knowledge.index_versions)
        return Stages(
            Intake(
                self._cluster, knowledge.registry, knowledge.owners, knowledge.platform, index_key, self._statements
            ),
            Interpreter(knowledge.catalogue, index_key, router_for(knowledge.models)),
            Classifier(self._engines.slots[self._shipped.model.name], self.comparisons),
            SealingStage(knowledge.catalogue, knowledge.tier_keys, blind, self._pass_ids),
            len({tenant for tenant, _ in knowledge.owners}),
            knowledge.revision,
        )


async def keep_current(database: Database, parts: Renewable, health: Health, name: str = KEYS) -> None:
    """Look every second whether a key, a policy, a model or a catalogue row changed, and renew the stages when one did.

    They are renewed too when half the tier keys' time is over. While the key provider is away the health says so, and
    work goes on until all of it is over.

    What is judged by former keys or models within that second, or while the database is away, can't be committed: each
    commit holds the registry's revision.
    """
    part = Part(health, name)
    known: object = None
    while True:
        known = await part.outlast(lambda: _renew(database, parts, known))  # noqa: B023 awaited at once
        await asyncio.sleep(RENEW_SECONDS)


async def _renew(database: Database, parts: Renewable, known: object) -> object:
    with suppress(TierKeysLapsed):  # frames may be waiting, or none be coming: the keys go all the same
        parts.lease.enforce()
    async with database.session() as connection:
        found = (await registry_revision(connection), await unregistered_rows(connection))
    # The first look too: something may have changed since the process read it.
    if found != known or parts.lease.due:
        await parts.reload()
    await parts.comparisons.store(database)
    parts.observer.registry_read()
    return found
