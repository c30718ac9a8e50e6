"""What an infer worker works with: models, devices, keys that stay current, and its scheduler."""

import asyncio
import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agents.inference.active import full_name
from agents.inference.comparison import Comparisons
from agents.inference.engine import ModelIdentity
from agents.inference.families import open_text_model
from agents.inference.text_model import InferenceDevice, TextModel
from agents.inference.thread_device import ThreadDevice
from agents.intake_setup import COMMIT_ID_BLOCK, PASS_ID_BLOCK, TIER_KEY_TTL
from agents.key_lease import KeyLease
from agents.observation import Observer
from agents.platform import Identity, Knowledge, load_knowledge
from agents.scheduling.device import Device
from agents.scheduling.fleet import Fleet
from agents.scheduling.latency import Latencies, ModelProfile
from agents.scheduling.scheduler import Scheduler
from agents.scheduling.slack_policy import SlackPolicy
from schemas.catalogue import Catalogue
from security.commit_signature import WorkerKey
from security.tier_keys import TierKeys
from streams.storage.database import Database
from streams.storage.deferring import EndingStore
from streams.storage.ids import IdBlock

PROFILE: Final = ModelProfile(fixed_us=5_000, token_ns=50_000)
"""What is assumed of a text model on a CPU before anything is measured: 5 ms a batch and 50 µs a token."""


@dataclass(frozen=True, slots=True)
class HostedDevice:
    """A device, and what the scheduler is told of it."""

    runs: InferenceDevice
    described: Device


class InferParts:
    """The collaborators of one infer worker.

    Attributes:
        models: Loaded, by full name.
        devices: By name.
    """

    def __init__(
        self,
        database: Database,
        identity: Identity,
        knowledge: Knowledge,
        worker: WorkerKey,
        models: Mapping[str, TextModel],
        devices: Sequence[HostedDevice],
        *,
        group: str,
        cluster: str,
        tier_key_ttl: dt.timedelta = TIER_KEY_TTL,
        observer: Observer | None = None,
    ) -> None:
        self.database = database
        self.worker = worker
        self.models = models
        self.devices: Mapping[str, InferenceDevice] = {each.described.name: each.runs for each in devices}
        self.scheduler = Scheduler(
            SlackPolicy(),
            Fleet([each.described for each in devices], Latencies(dict.fromkeys(models, PROFILE))),
        )
        self.store = EndingStore(database, group=group, cluster=cluster)
        self.pass_ids = IdBlock(database, "pass_ids", PASS_ID_BLOCK)
        self.commit_ids = IdBlock(database, "commit_ids", COMMIT_ID_BLOCK)
        self.lease = KeyLease(tier_key_ttl)
        self.observer = observer or Observer()
        self.comparisons = Comparisons()
        self._identity = identity
        self._use(knowledge)

    def _use(self, knowledge: Knowledge) -> None:
        self.lease.renew(knowledge.tier_keys, knowledge.asked_at)
        self.catalogue: Catalogue = knowledge.catalogue
        self.tier_keys: TierKeys = knowledge.tier_keys
        self.registry = knowledge.revision

    async def reload(self) -> None:
        """Seal and open with the keys and the catalogue as they are stored now."""
        self._use(await load_knowledge(self.database, self._identity))


def resolve(asked: Iterable[str], models: Mapping[str, TextModel]) -> tuple[list[str], bool]:
    """Which loaded models answer for those that a plan names, and whether one is missing.

    A model that was replaced since is answered for by the version in force; the leaf says which one that was.
    """
    by_name = {each.model.name: full for full, each in sorted(models.items())}
    found, missing = [], False
    for each in asked:
        model = each if each in models else by_name.get(each.partition("@")[0])
        if model is None:
            missing = True
        elif model not in found:
            found.append(model)
    return found, missing


async def load_models(active: Sequence[tuple[ModelIdentity, Path]]) -> dict[str, TextModel]:
    """Load these models.

    Raises:
        ConfigurationError: One is not what it must be.
    """
    loaded = await asyncio.to_thread(lambda: [open_text_model(path) for _, path in active])
    return {full_name(model.model): model for model in loaded}


def thread_device(name: str, models: Mapping[str, TextModel]) -> HostedDevice:
    """A device in this process that has all models."""
    return HostedDevice(ThreadDevice(name, models), Device(name, frozenset(models)))
