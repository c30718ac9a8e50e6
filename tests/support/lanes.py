"""Lanes in memory, devices that do as they are told, and an infer worker over a real database."""

import asyncio
import tempfile
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zlib import crc32

from agents.inference.model_directory import read_manifest
from agents.inference.text_model import DeviceFailed, PreparedText, TextAnswer, TextModel
from agents.intake.setup import IntakeParts
from agents.lanes.infer import InferWorker
from agents.lanes.infer_setup import HostedDevice, InferParts
from agents.lanes.messages import LaneMessage
from agents.models.curator import Trust
from agents.platform.knowledge import load_knowledge
from agents.relay.relay import RelayWork
from agents.scheduling.device import Device
from streams.endurance import Part
from streams.health import Health
from streams.storage import keys
from streams.storage.watermarks import Partition
from tests.support.documents import document
from tests.support.installation import BANK_A, CLUSTER, GROUP, Installation, Worker
from tests.support.messages import Inbox
from tests.support.notice_sink import MemoryBroker, parts_of
from tests.support.text_family import WordModel, manifests, register, write_models

LETTERS, IBANS = (WordModel(each.identity, extracts=each.task == "extract") for each in manifests())
MODELS = {each.model.full_name: each for each in (LETTERS, IBANS)}
LANE_GROUP = f"{GROUP}.infer"
PATIENCE = 60.0  # only ever used up by a failing test
PARTITIONS = 2


@dataclass(slots=True)
class Message:
    """A message as aiokafka gives it."""

    topic: str
    partition: int
    offset: int
    value: bytes | None


class MemoryLanes:
    """A broker's lanes."""

    def __init__(self) -> None:
        self.messages: dict[Partition, list[Message]] = defaultdict(list)
        self._taken = 0

    def put(self, topic: str, value: bytes | None, key: bytes = b"") -> None:
        """Publish a message."""
        place = topic, crc32(key) % PARTITIONS
        self.messages[place].append(Message(*place, len(self.messages[place]), value))

    def fill(self, broker: MemoryBroker) -> None:
        """Take over what a relay published since the last time."""
        new: list[LaneMessage] = broker.lanes[self._taken :]
        self._taken = len(broker.lanes)
        for each in new:
            self.put(each.topic, each.value, each.key)


class Member:
    """What one worker reads: all partitions, as if it were alone in its group."""

    def __init__(self, lanes: MemoryLanes, worker: InferWorker) -> None:
        self._lanes = lanes
        self._worker = worker
        self._at: dict[Partition, int] = {}

    async def take(self, most: int, held: Callable[[Partition], bool]) -> Sequence[Message]:
        """See `Lanes`."""
        new = [place for place in self._lanes.messages if place not in self._at]
        if new:
            stored = await self._worker.reading.positions(new)
            self._at.update({place: stored[place] or 0 for place in new})
        found: list[Message] = []
        for place, at in list(self._at.items()):
            if most > len(found) and not held(place):
                some = self._lanes.messages[place][at : at + most - len(found)]
                self._at[place] += len(some)
                found += some
        if not found:
            await asyncio.sleep(0.005)
        return found

    async def tell(self, positions: Mapping[Partition, int]) -> None:
        """See `Lanes`."""


@dataclass
class Scripted:
    """A device that answers as its models do, unless it is told otherwise.

    Attributes:
        deed: Called with the texts before it answers; may wait, raise, or give other answers.
        express: Its express slot, if it has one.
    """

    name: str
    deed: Callable[[Sequence[PreparedText]], Any] | None = None
    models: Mapping[str, TextModel] = field(default_factory=lambda: MODELS)
    batches: int = 0
    seen: list[str] = field(default_factory=list)
    express: "Scripted | None" = None

    async def answer(self, model: str, texts: Sequence[PreparedText]) -> list[TextAnswer]:
        """See `InferenceDevice`."""
        self.batches += 1
        self.seen += [each.text for each in texts]
        if self.deed is not None:
            made = await self.deed(texts)
            if made is not None:
                return made  # type: ignore[no-any-return]
        await asyncio.sleep(0)
        return self.models[model].answer(texts)


async def hang(texts: Sequence[PreparedText]) -> None:
    """Never answer."""
    await asyncio.Event().wait()


async def die(texts: Sequence[PreparedText]) -> None:
    """Be gone."""
    raise DeviceFailed("the device is gone")


async def not_a_number(texts: Sequence[PreparedText]) -> list[TextAnswer]:
    """Answer nonsense."""
    return [TextAnswer("other", float("nan")) for _ in texts]


async def too_few(texts: Sequence[PreparedText]) -> list[TextAnswer]:
    """Leave the last one out."""
    return [TextAnswer("other", 0.5) for _ in texts[1:]]


class LanePlatform:
    """A platform whose documents are deferred, step by step."""

    def __init__(self, platform: Installation, intake: Worker) -> None:
        self.platform = platform
        self.intake = intake
        self.broker = MemoryBroker()
        self.lanes = MemoryLanes()
        self._tasks: set[asyncio.Task[None]] = set()

    async def publish(self) -> None:
        """Sequence what is committed, and fill the lanes from it."""
        await self.platform.sequence()
        async with self.broker.open() as publication, self.platform.database.session() as connection:
            work = await RelayWork.take_over(connection, publication, parts_of(self.platform))
            while await work.step(connection):
                pass
        self.lanes.fill(self.broker)

    async def infer(self, *devices: "Scripted | HostedDevice", **options: Any) -> tuple[InferWorker, InferParts]:
        """A worker with these devices, not running yet."""
        database, identity = self.platform.database, self.platform.identity
        key = identity.new_worker()
        async with database.session() as connection:
            await keys.register_worker(connection, key.worker_id, key.public_key, key.certificate)
        hosted = [
            each
            if isinstance(each, HostedDevice)
            else HostedDevice(
                each, Device(each.name, frozenset(each.models), express=each.express is not None), each.express
            )
            for each in devices or (Scripted("d0"),)
        ]
        parts = InferParts(
            database,
            identity,
            await load_knowledge(database, identity),
            key,
            options.pop("models", MODELS),
            hosted,
            group=LANE_GROUP,
            cluster=CLUSTER,
            observer=options.pop("observer", None),
            health=options.pop("health", None),
        )
        return InferWorker(parts, Part(Health(), "infer"), **options), parts

    @asynccontextmanager
    async def running(self, *devices: "Scripted | HostedDevice", **options: Any) -> AsyncIterator[InferWorker]:
        """A worker at work."""
        worker, _ = await self.infer(*devices, **options)
        async with self.at_work(worker):
            yield worker

    @asynccontextmanager
    async def at_work(self, worker: InferWorker) -> AsyncIterator[None]:
        """A worker that was made before, at work."""
        task = asyncio.create_task(worker.run(Member(self.lanes, worker)))
        self._tasks.add(task)
        try:
            yield
        finally:
            self._tasks.discard(task)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def states(self) -> dict[str, int]:
        """How many records are in which state."""
        rows = await self.platform.rows("SELECT state, count(*) AS n FROM deferred GROUP BY state")
        return {row["state"]: row["n"] for row in rows}

    async def until_ended(self) -> dict[str, int]:
        """Wait until nothing waits."""
        async with asyncio.timeout(PATIENCE):
            while "accepted" in (states := await self.states()):
                for task in self._tasks:
                    assert not task.done(), task.exception()
                await asyncio.sleep(0.01)
        return states

    async def watermarks(self) -> dict[Partition, int]:
        """Where the lanes stand."""
        rows = await self.platform.rows(
            "SELECT topic, part, max(to_offset) AS at FROM watermark_steps WHERE grp = $1 GROUP BY topic, part",
            LANE_GROUP,
        )
        return {(row["topic"], row["part"]): row["at"] for row in rows}


async def activated(platform: Installation, directories: Sequence[Path]) -> None:
    """Have these models in force."""
    register()
    curator = platform.curator()
    known = {(row.name, row.version) for row in await curator.models()}
    for each in directories:
        manifest = read_manifest(each)
        if (manifest.name, manifest.version) not in known:
            row = await curator.add(each)
            await curator.activate(row.name, row.version, trust=Trust(unevaluated="made for tests"))


async def retired(platform: Installation) -> None:
    """Have no text model in force."""
    for each in MODELS.values():
        await platform.curator().retire(each.model.name, each.model.version)


async def lane_platform(platform: Installation) -> LanePlatform:
    """A platform with an intake worker that defers documents."""
    with tempfile.TemporaryDirectory(prefix="models-") as directory:
        await activated(platform, write_models(Path(directory)))
    key = platform.identity.new_worker()
    async with platform.database.session() as connection:
        await keys.register_worker(connection, key.worker_id, key.public_key, key.certificate)
    parts = IntakeParts(
        platform.database,
        platform.identity,
        await load_knowledge(platform.database, platform.identity),
        key,
        platform.engine,
        group=GROUP,
        cluster=CLUSTER,
        store=platform.store,
    )
    return LanePlatform(platform, Worker(parts, key))


async def filled_lanes(platform: Installation, count: int) -> LanePlatform:
    """A platform with so many enquiries in its lanes."""
    found = await lane_platform(platform)
    inbox = Inbox("documents")
    BANK_A.put(inbox, *(document(f"d{number}", f"I ask for number {number}") for number in range(count)))
    assert await found.intake.commit(inbox.take())
    await found.publish()
    return found


async def verified(lanes: LanePlatform) -> Counter[tuple[str, str]]:
    """Audit; returns kinds and outcomes of the leaves that ended records, each record once."""
    await lanes.platform.sequence()
    report = await lanes.platform.audit()
    assert report.ok, [str(finding) for finding in report.findings]
    ended = [leaf for leaf in await lanes.platform.leaves("bank-a") if leaf["kind"] in ("result", "rejected")]
    assert len({leaf["record"] for leaf in ended}) == len(ended)
    return Counter((leaf["kind"], leaf.get("reason") or leaf["outcome"]) for leaf in ended)
