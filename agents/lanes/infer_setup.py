"""What an infer worker works with: models, devices, keys that stay current, and its scheduler."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from agents.commits.observation import Observer
from agents.inference.active_models import ActiveModels
from agents.inference.comparison import Comparisons
from agents.inference.model_store import ModelStore, identities_in_force
from agents.inference.process_device import ProcessDevice
from agents.inference.text_model import InferenceDevice, TextModel
from agents.intake.setup import TIER_KEY_TTL
from agents.lanes.device_health import DeviceHealth
from agents.platform.identity import Identity
from agents.platform.key_lease import KeyLease
from agents.platform.knowledge import Knowledge, load_knowledge
from agents.scheduling.assignment import Assignment
from agents.scheduling.device import Device
from agents.scheduling.fleet import Fleet
from agents.scheduling.latency import Latencies, ModelProfile
from agents.scheduling.scheduler import Scheduler
from agents.scheduling.slack_policy import SlackPolicy
from agents.scheduling.work import Modality
from schemas.catalogue import Catalogue
from schemas.errors import SealstreamError
from security.commit_signature import WorkerKey
from security.tier_keys import TierKeys
from streams.health import Health
from streams.storage.database import Database
from streams.storage.deferring import EndingStore
from streams.storage.ids import IdBlock
from streams.storage.models import ModelRow, list_models

PROFILE: Final = ModelProfile(fixed_us=5_000, token_ns=50_000)
"""What is assumed of a text model on a CPU before anything is measured: 5 ms a batch and 50 µs a token."""


LOOK_SECONDS: Final = 1.0
"""Between looks whether there are models now."""


class ModelsChanged(SealstreamError):
    """Other text models are in force than those that were loaded: begin anew with them. No waiting helps."""


@dataclass(frozen=True, slots=True)
class HostedDevice:
    """A device, what the scheduler is told of it, and its express slot, if it says that it has one."""

    runs: InferenceDevice
    described: Device
    express: InferenceDevice | None = None


class InferParts:
    """The collaborators of one infer worker.

    Attributes:
        models: Loaded, by full name; candidates on trial are among them.
        shadows: Candidates that run beside an active version, by its full name; nothing they say becomes a result.
        answering: The models without those.
        devices: By name.
        express: Their express slots, by the names of those that have one.
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
        health: Health | None = None,
    ) -> None:
        self.database = database
        self.worker = worker
        self.models = models
        rows = knowledge.models
        self.shadows: Mapping[str, str] = {
            slot.active.full_name: slot.shadow.full_name
            for slot in identities_in_force(rows, Modality.TEXT.value).values()
            if slot.shadow is not None and slot.shadow.full_name in models
        }
        self.answering = {name: each for name, each in models.items() if name not in self.shadows.values()}
        self.devices: Mapping[str, InferenceDevice] = {each.described.name: each.runs for each in devices}
        self.express: Mapping[str, InferenceDevice] = {
            each.described.name: each.express for each in devices if each.express is not None
        }
        self.scheduler = Scheduler(
            SlackPolicy(),
            Fleet([each.described for each in devices], Latencies(dict.fromkeys(models, PROFILE))),
        )
        self.store = EndingStore(database, group=group, cluster=cluster)
        self.pass_ids = IdBlock(database, "pass_ids")
        self.commit_ids = IdBlock(database, "commit_ids")
        self.lease = KeyLease(tier_key_ttl)
        self.observer = observer or Observer()
        self.comparisons = Comparisons()
        self.device_health = DeviceHealth(health or Health(), self.observer)
        self._identity = identity
        self._digests = {each.model.digest for each in models.values()}
        self._use(knowledge)

    def slot_of(self, assignment: Assignment) -> InferenceDevice:
        """Where a batch is to be computed."""
        return (self.express if assignment.express else self.devices)[assignment.device]

    def _use(self, knowledge: Knowledge) -> None:
        if self._digests != digests_in_force(knowledge.models):
            raise ModelsChanged("other text models are in force now; the lanes are read on with those")
        self.lease.renew(knowledge.tier_keys, knowledge.asked_at)
        self.catalogue: Catalogue = knowledge.catalogue
        self.tier_keys: TierKeys = knowledge.tier_keys
        self.registry = knowledge.revision

    async def reload(self) -> None:
        """Seal and open with the keys and the catalogue as they are stored now.

        Raises:
            ModelsChanged: Other models are in force. What was answered by the former ones and is not committed can't be
                any more: the registry's revision is another.
        """
        self._use(await load_knowledge(self.database, self._identity))


def resolve(asked: Iterable[str], models: Mapping[str, TextModel]) -> tuple[list[str], bool]:
    """Which of the models that give answers answer for those that a plan names, and whether one is missing.

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


def digests_in_force(rows: Iterable[ModelRow]) -> set[str]:
    """Of the text models that are active or on trial."""
    slots = identities_in_force(rows, Modality.TEXT.value).values()
    return {each.digest for slot in slots for each in (slot.active, slot.trial) if each is not None}


async def open_models(
    database: Database, models: ActiveModels[TextModel], working: Callable[[], None]
) -> Mapping[str, TextModel]:
    """The text models in force, opened, by full name; waits until there are any.

    Args:
        working: Told while it waits: having nothing to do is no fault.

    Raises:
        ModelUnavailable: One of them can't be opened here.
    """
    while True:
        async with database.session() as connection:
            rows = await list_models(connection)
        slots = (await models.renew(rows)).values()
        opened = [each for slot in slots for each in (slot.active, slot.trial) if each is not None]
        if opened:
            return {each.model.full_name: each for each in opened}
        working()
        await asyncio.sleep(LOOK_SECONDS)


@asynccontextmanager
async def process_device(
    name: str, models: Iterable[TextModel], store: ModelStore, time_limit: dt.timedelta
) -> AsyncIterator[HostedDevice]:
    """A device that has these models in a process of its own, started and ended.

    Raises:
        ConfigurationError: One of them can't be loaded there.
        DeviceFailed: The process did not start.
    """
    identities = [each.model for each in models]
    places = [store.place(each.name, each.version, each.digest) for each in identities]
    device = ProcessDevice(name, places, time_limit)
    try:
        started = await device.start()
        if {each.digest for each in started} != {each.digest for each in identities}:
            raise ModelsChanged("the files of a model were exchanged while they were read")
        described = Device(name, frozenset(each.full_name for each in identities), express=device.express is not None)
        yield HostedDevice(device, described, device.express)
    finally:
        await device.close()
