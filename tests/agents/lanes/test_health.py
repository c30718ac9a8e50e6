"""What an infer worker tells of itself: devices that fail, batches, what waits in its lanes."""

import asyncio
from collections import Counter
from collections.abc import Mapping

from agents.commits.observation import BatchAnswered, BatchFailed, Observer
from streams.health import Health, State
from streams.storage.deferring import lane_depths
from tests.support.installation import Installation
from tests.support.lanes import PATIENCE, Scripted, die, filled_lanes

COUNT = 4


class Told(Observer):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.texts: Counter[str] = Counter()
        self.failures: Counter[tuple[str, str]] = Counter()
        self.states: list[Mapping[str, str]] = []

    def batch_answered(self, batch: BatchAnswered) -> None:
        assert batch.padded >= batch.tokens > 0
        self.texts[batch.model] += batch.texts

    def batch_failed(self, batch: BatchFailed) -> None:
        self.failures[batch.device, batch.fault] += 1

    def devices(self, states: Mapping[str, str]) -> None:
        self.states.append(states)


async def until(health: Health, part: str, state: State) -> None:
    async with asyncio.timeout(PATIENCE):
        # The health is a plain record.
        while (found := health.parts().get(part)) is None or found.state is not state:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_worker_without_a_device_that_answers_is_not_ready_until_one_does(platform: Installation) -> None:
    lanes = await filled_lanes(platform, COUNT)
    async with platform.database.session() as connection:
        (depth,) = await lane_depths(connection)
    assert (depth.lane, depth.records, depth.late) == ("text.normal", COUNT, COUNT), "they were received long ago"
    assert depth.seconds >= 0
    health, told, only = Health(), Told(), Scripted("d0", die)
    async with lanes.running(only, health=health, observer=told):
        await until(health, "device d0", State.WAITING)
        assert health.alive
        assert not health.ready
        only.deed = None
        assert await lanes.until_ended() == {"done": COUNT}
        await until(health, "device d0", State.WORKING)
        assert health.ready
    assert "device d0" not in health.parts(), "it ended in good order"
    assert set(told.texts.values()) == {COUNT}, "each model answered each text once"
    assert told.failures["d0", "device"] >= 1
    assert told.states[-1] == {}
    async with platform.database.session() as connection:
        assert await lane_depths(connection) == []


async def test_a_worker_with_another_device_is_ready_and_degraded(platform: Installation) -> None:
    lanes = await filled_lanes(platform, COUNT)
    health = Health()
    async with lanes.running(Scripted("d0", die), Scripted("d1"), health=health):
        await until(health, "device d0", State.DEGRADED)
        assert health.ready
        assert await lanes.until_ended() == {"done": COUNT}
