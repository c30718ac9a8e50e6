"""Urgent documents are answered while a device computes others, on real processes too, and nothing is lost by it."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agents.inference.process_device import ProcessDevice
from agents.lanes.infer_setup import HostedDevice
from agents.scheduling.device import Device, Health
from schemas.reasons import Reason
from tests.support.documents import document
from tests.support.installation import BANK_A, Installation
from tests.support.lanes import (
    MODELS,
    PATIENCE,
    LanePlatform,
    Scripted,
    die,
    hang,
    lane_platform,
    not_a_number,
    too_few,
    verified,
)
from tests.support.messages import APPENDED_MS, Inbox
from tests.support.processes import ROOT
from tests.support.text_family import SITE, write_models

Deed = Callable[[Sequence[object]], Coroutine[Any, Any, Any]]


class Then(dt.datetime):
    """The wall clock when the messages were received: what is late is not urgent any more."""

    @classmethod
    def now(cls, tz: dt.tzinfo | None = None) -> "Then":
        return cls.fromtimestamp(APPENDED_MS / 1_000, tz)


@pytest.fixture
async def lanes(platform: Installation, monkeypatch: pytest.MonkeyPatch) -> LanePlatform:
    monkeypatch.setattr("agents.lanes.opening.datetime", Then)
    return await lane_platform(platform)


async def accept(lanes: LanePlatform, *items: object, partition: int = 0) -> None:
    """Take documents in and fill the lanes."""
    inbox = Inbox("documents", partition=partition)
    BANK_A.put(inbox, *items)  # type: ignore[arg-type]
    assert await lanes.intake.commit(inbox.take())
    await lanes.publish()


async def done(lanes: LanePlatform, count: int) -> None:
    """Wait until so many records have ended."""
    async with asyncio.timeout(PATIENCE):
        while (await lanes.states()).get("done", 0) < count:  # noqa: ASYNC110  (the database has no event for it)
            await asyncio.sleep(0.01)


@asynccontextmanager
async def processes(
    monkeypatch: pytest.MonkeyPatch, directory: Path, *names: str, limit: timedelta = timedelta(minutes=2)
) -> AsyncIterator[list[HostedDevice]]:
    """Devices in processes of their own."""
    monkeypatch.setenv("PYTHONPATH", f"{SITE}:{ROOT}")
    paths = write_models(directory / "models")
    devices = [ProcessDevice(name, paths, limit) for name in names]
    try:
        await asyncio.gather(*(each.start() for each in devices))
        yield [HostedDevice(each, Device(each.name, frozenset(MODELS), express=True), each.express) for each in devices]
    finally:
        await asyncio.gather(*(each.close() for each in devices))


async def test_an_urgent_document_is_answered_while_the_device_computes_others(lanes: LanePlatform) -> None:
    reached, go = asyncio.Event(), asyncio.Event()

    async def wait(texts: object) -> None:
        reached.set()
        await go.wait()

    await accept(lanes, document("bulk", "I ask for a long time"))
    device = Scripted("d0", wait, express=Scripted("d0"))
    async with lanes.running(device):
        await reached.wait()
        await accept(lanes, document("urgent", "I complain", urgency="high"), partition=1)
        await done(lanes, 1)
        assert await lanes.states() == {"accepted": 1, "done": 1}
        go.set()
        assert await lanes.until_ended() == {"done": 2}
    slots = {}
    for leaf in await lanes.platform.leaves("bank-a"):
        if leaf["kind"] == "result":
            for each in msgspec.json.decode(leaf["decision"]):
                slots[each["queue"]] = each["slot"]
    assert slots == {"text.normal": "ordinary", "text.high": "express"}
    assert await verified(lanes) == {("result", "classified"): 2}


async def test_the_same_with_a_real_process(
    lanes: LanePlatform, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    await accept(lanes, document("bulk", f"I ask UNTIL {go}"))
    async with processes(monkeypatch, tmp_path, "d0") as devices, lanes.running(*devices):
        async with asyncio.timeout(PATIENCE):
            while not Path(f"{go}.began").exists():  # noqa: ASYNC110, ASYNC240  (another process makes it)
                await asyncio.sleep(0.01)
        await accept(lanes, *(document(f"u{number}", "I complain", urgency="high") for number in range(3)), partition=1)
        await done(lanes, 3)
        assert await lanes.states() == {"accepted": 1, "done": 3}
        go.touch()
        assert await lanes.until_ended() == {"done": 4}
    assert await verified(lanes) == {("result", "classified"): 4}


@pytest.mark.parametrize(
    "deed",
    [
        pytest.param(hang, id="hangs"),
        pytest.param(die, id="dies"),
        pytest.param(not_a_number, id="nan"),
        pytest.param(too_few, id="too-few-rows"),
    ],
)
@pytest.mark.parametrize("slot", ["ordinary", "express"])
async def test_a_slot_that_fails_degrades_the_device_and_what_was_in_both_is_done_once_it_is_back(
    lanes: LanePlatform, deed: Deed, slot: str
) -> None:
    failed_at: list[Health] = []

    async def at_first(texts: Sequence[object]) -> Any:
        return await deed(texts) if not failed_at else None

    documents = [document(f"d{n}", f"I ask for {n}", urgency=("high", "normal")[n % 2]) for n in range(8)]
    await accept(lanes, *documents)
    device = Scripted("d0", express=Scripted("d0"))
    failing = device if slot == "ordinary" else device.express
    assert failing is not None
    failing.deed = at_first
    worker, parts = await lanes.infer(device, answer_seconds=0.3)
    async with lanes.at_work(worker):
        async with asyncio.timeout(PATIENCE):
            while parts.scheduler.fleet.devices["d0"].health is Health.HEALTHY:  # noqa: ASYNC110
                await asyncio.sleep(0)
        failed_at.append(parts.scheduler.fleet.devices["d0"].health)
        assert await lanes.until_ended() == {"done": 8}
        assert parts.scheduler.fleet.devices["d0"].health is Health.HEALTHY
    assert await verified(lanes) == {("result", "classified"): 8}


async def test_a_document_that_kills_processes_costs_no_urgent_one_beside_it(
    lanes: LanePlatform, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Both fail together until each is tried alone; the process is started again in between."""
    await accept(
        lanes,
        document("deadly", "I ask DEADLY"),
        *(document(f"u{number}", "I complain", urgency="high") for number in range(3)),
    )
    async with processes(monkeypatch, tmp_path, "d0", "d1") as devices, lanes.running(*devices):
        assert await lanes.until_ended() == {"done": 3, "failed": 1}
    assert await verified(lanes) == {("result", "classified"): 3, ("rejected", Reason.INFERENCE_FAILED): 1}
