"""A database restored to before deferred records were answered, or accepted: each is answered once, and says so."""

from collections import Counter
from datetime import timedelta

import pytest

from sealstream.audit.recovery import recover
from tests.sealstream.audit.test_recovery import World, kafka, world  # fixtures
from tests.support.documents import document
from tests.support.installation import BANK_A, Installation
from tests.support.lanes import LanePlatform, Scripted, die, lane_platform, retired
from tests.support.messages import Inbox

__all__ = ["kafka", "world"]

EARLY, LATE, WAITING = 4, 5, 2


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lanes' messages are of no interest here: what waits is taken from the table."""
    monkeypatch.setattr("agents.lanes.infer.SWEEP_EVERY", 0.05)


def put(world: World, partition: int, *texts: str) -> Inbox:
    inbox = Inbox("documents", partition=partition)
    BANK_A.put(inbox, *(document(f"p{partition}-{n}", text) for n, text in enumerate(texts)))
    world.inboxes.append(inbox)
    return inbox


async def answer(lanes: LanePlatform) -> dict[str, int]:
    async with lanes.running(Scripted("d0"), sweep_age=timedelta(0)):
        return await lanes.until_ended()


async def publish(world: World, platform: Installation) -> None:
    await platform.sequence()
    await world.relay(platform)


async def verified(platform: Installation) -> Counter[str]:
    """Audit; returns how many leaves of bank-a were brought back and said again."""
    await platform.sequence()
    report = await platform.audit()
    assert report.ok, [str(finding) for finding in report.findings]
    (ours,) = [log for log in report.logs if log.tenant == "bank-a"]
    return Counter(
        brought_back=sum(each.end - each.start for each in ours.recoveries),
        again=sum(each.again for each in ours.recoveries),
        deferred=report.deferred,
    )


async def lose(world: World) -> Counter[tuple[str, ...]]:
    """Accept some documents and copy the database; answer them, accept and answer others, and put the copy back."""
    async with world.up() as platform:
        lanes = await lane_platform(platform)
        put(world, 0, *(f"I ask for number {n}" for n in range(EARLY - 1)), "I ask for POISON")
        await world.process(platform, lanes.intake)
        await publish(world, platform)
    await world.copy()
    async with world.up() as platform:
        lanes = await lane_platform(platform)
        late = put(world, 1, *(f"I complain about {n}" for n in range(LATE)))
        BANK_A.put(late, document("p1-0", "I complain about 0"))  # once more
        await world.process(platform, lanes.intake)
        assert await answer(lanes) == {"done": EARLY - 1 + LATE, "failed": 1}
        put(world, 2, *(f"I ask late for {n}" for n in range(WAITING)))
        await world.process(platform, lanes.intake)
        await publish(world, platform)
        counted = await world.counted()
    await world.restore()
    return counted


async def test_what_was_answered_after_the_backup_is_answered_again_and_names_the_first_end(world: World) -> None:
    lost = await lose(world)
    async with world.up() as platform:
        await recover(world.settings(platform))
        assert (await verified(platform))["brought_back"] == EARLY + 2 * LATE + 1 + WAITING
        lanes = await lane_platform(platform)
        assert await lanes.states() == {"accepted": EARLY}
        await world.process(platform, lanes.intake)
        assert await lanes.states() == {"accepted": EARLY + LATE + WAITING}
        assert (await verified(platform))["again"] == LATE + 1 + WAITING
        assert await answer(lanes) == {"done": EARLY - 1 + LATE + WAITING, "failed": 1}
        again = await verified(platform)
        assert again["again"] == again["brought_back"]
        assert again["deferred"] == EARLY + LATE + WAITING
        await world.relay(platform)
        new = await world.counted() - lost
        assert not lost - await world.counted()
        assert Counter(kind for _, _, kind, *_ in new.elements()) == {"result": WAITING}
        assert await platform.one("SELECT count(*) FROM recovered_leaves") == 0
        rows = await platform.rows("SELECT record_id, count(*) AS n FROM results GROUP BY record_id")
        assert [row["n"] for row in rows] == [1] * (EARLY - 1 + LATE + WAITING)


async def test_a_record_that_ends_otherwise_now_still_names_its_first_end(world: World) -> None:
    await lose(world)
    async with world.up() as platform:
        await recover(world.settings(platform))
        lanes = await lane_platform(platform)
        async with lanes.running(Scripted("d0", die), sweep_age=timedelta(0), grace=timedelta(seconds=0.3)):
            assert await lanes.until_ended() == {"failed": EARLY}
        assert (await verified(platform))["again"] == EARLY


async def test_a_record_that_is_not_deferred_any_more_says_its_acceptance_again(world: World) -> None:
    """No model is active when it comes again: its first end is not said again, and stands for itself."""
    await lose(world)
    async with world.up() as platform:
        await recover(world.settings(platform))
        await retired(platform)
        worker = await platform.worker()
        await worker.parts.reload()
        await world.process(platform, worker)
        assert (await verified(platform))["again"] == LATE + 1 + WAITING
        assert await platform.one("SELECT count(*) FROM recovered_leaves WHERE ending") == EARLY + LATE


async def test_an_end_that_claims_the_place_of_another_leaf_is_found(world: World) -> None:
    """What ends a record names an end, and never the leaf that accepted it."""
    await lose(world)
    async with world.up() as platform:
        await recover(world.settings(platform))
        await platform.execute("UPDATE recovered_leaves SET ending = NOT ending WHERE NOT repeat")
        lanes = await lane_platform(platform)
        await world.process(platform, lanes.intake)
        await platform.sequence()
        report = await platform.audit()
        assert "which is about another record" in "\n".join(str(finding) for finding in report.findings)
