"""Dead letters of lanes are put into their lanes again: once each, as often as they fail, and never when erased."""

import asyncio
import datetime as dt
from datetime import timedelta
from uuid import UUID

import pytest

from agents.commits.routing import DEADLINES, read_plan
from agents.platform.knowledge import load_knowledge
from agents.replay import AlreadyReplayed, Replayed, Replayer
from agents.upkeep.erasing import Eraser
from schemas.reasons import Reason
from streams.storage.reading import list_dead_letters
from tests.support.documents import document
from tests.support.installation import Installation, Producer
from tests.support.lanes import LanePlatform, Scripted, die, filled_lanes, lane_platform, retired
from tests.support.messages import Inbox

COUNT = 3
LATE = Producer("bank-late")


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is put into a lane again may be given up at once."""
    monkeypatch.setattr("agents.commits.routing.DEADLINES", dict.fromkeys(DEADLINES, timedelta(seconds=0.1)))


@pytest.fixture
async def lanes(platform: Installation) -> LanePlatform:
    """Enquiries that were given up."""
    found = await filled_lanes(platform, COUNT)
    await give_up(found)
    return found


async def give_up(lanes: LanePlatform) -> None:
    async with lanes.running(Scripted("d0", die), grace=timedelta(seconds=0.2)):
        await lanes.until_ended()
    await lanes.platform.sequence()


async def replayer(platform: Installation) -> Replayer:
    return Replayer(
        platform.database,
        platform.identity,
        await load_knowledge(platform.database, platform.identity),
        platform.identity.new_worker(),
        platform.engine,
        actor="operator@example.org",
        store=platform.store,
    )


async def replay(lanes: LanePlatform, *names: UUID) -> list[Replayed]:
    return [each async for each in (await replayer(lanes.platform)).replay(names)]


async def letters(lanes: LanePlatform) -> list[UUID]:
    rows = await lanes.platform.rows("SELECT dead_letter_id FROM dead_letters ORDER BY created_at, dead_letter_id")
    return [row["dead_letter_id"] for row in rows]


async def audited(lanes: LanePlatform) -> str:
    await lanes.platform.sequence()
    return "\n".join(str(finding) for finding in (await lanes.platform.audit()).findings)


async def test_a_record_that_was_given_up_is_put_into_its_lane_again_and_answered(lanes: LanePlatform) -> None:
    began = dt.datetime.now(dt.UTC)
    async for each in (await replayer(lanes.platform)).replay_reason(Reason.INFERENCE_FAILED):
        assert (each.outcome, each.reason, each.record) == ("deferred", None, each.dead_letter)
    assert await audited(lanes) == ""
    leaves = await lanes.platform.leaves("bank-a")
    told = [leaf for leaf in leaves if leaf["kind"] == "replay"]
    failed = {leaf["record"] for leaf in leaves if leaf["kind"] == "rejected"}
    assert {leaf["linked"] for leaf in told} == failed
    assert {leaf["actor"] for leaf in told} == {told[0]["actor"]}
    (*_, accepted) = [leaf for leaf in leaves if leaf["kind"] == "accepted"]
    plan = read_plan(accepted["decision"])
    assert plan is not None
    assert dt.datetime.fromisoformat(plan.deadline) > began
    await lanes.publish()
    async with lanes.running(Scripted("d0")):
        assert await lanes.until_ended() == {"failed": COUNT, "done": COUNT}
    assert await audited(lanes) == ""
    async with lanes.platform.database.session() as connection:
        listed = await list_dead_letters(connection, reason=Reason.INFERENCE_FAILED, limit=10)
    assert [letter.replayed for letter in listed] == ["deferred"] * COUNT
    view = await (await lanes.platform.reader(5)).show(listed[0].dead_letter_id)
    assert [each.fields["label"].value for each in view] == [b"enquiry"]
    assert [each async for each in (await replayer(lanes.platform)).replay_reason(Reason.INFERENCE_FAILED)] == []


async def test_a_record_may_fail_again_and_each_of_its_dead_letters_is_taken_in_once(lanes: LanePlatform) -> None:
    (name, *_) = await letters(lanes)
    for fails in (1, 2):
        (answer,) = await replay(lanes, name)
        assert answer.ok
        (answer,) = await replay(lanes, name)
        assert isinstance(answer.problem, AlreadyReplayed)
        await lanes.publish()
        await give_up(lanes)
        assert (await letters(lanes)).count(name) == fails + 1
        assert await audited(lanes) == ""
    async with lanes.platform.database.session() as connection:
        listed = await list_dead_letters(connection, reason=None, limit=10, name=name)
    assert [letter.replayed for letter in listed] == [None, "deferred", "deferred"]
    shown = await (await lanes.platform.reader(5)).show_dead_letter(name)
    assert shown is not None
    assert shown.stored.replayed is None
    await replay(lanes, name)
    await lanes.publish()
    async with lanes.running(Scripted("d0")):
        assert (await lanes.until_ended())["done"] == 1
    assert await audited(lanes) == ""


async def test_replays_at_the_same_moment_put_a_record_into_its_lane_once(lanes: LanePlatform) -> None:
    names = await letters(lanes)
    answers = await asyncio.gather(*(replay(lanes, *order) for order in (names, names[::-1], names)))
    told = [each for answer in answers for each in answer]
    assert sum(each.ok for each in told) == COUNT
    assert all(each.ok or isinstance(each.problem, AlreadyReplayed) for each in told)
    assert await lanes.states() == {"failed": COUNT, "accepted": COUNT}
    assert await audited(lanes) == ""


async def test_what_was_erased_is_not_put_into_a_lane(lanes: LanePlatform) -> None:
    (name, *_) = await letters(lanes)
    eraser = Eraser(lanes.platform.database, lanes.platform.identity, lanes.platform.knowledge, actor="dpo")
    await eraser.erase(name, "asked for")
    (answer,) = await replay(lanes, name)
    assert "erased" in str(answer.problem)
    assert await lanes.states() == {"failed": COUNT}
    assert await audited(lanes) == ""


async def test_what_is_erased_while_it_waits_again_ends_unread_in_all_its_copies(lanes: LanePlatform) -> None:
    (name, *_) = await letters(lanes)
    await replay(lanes, name)
    await lanes.publish()
    eraser = Eraser(lanes.platform.database, lanes.platform.identity, lanes.platform.knowledge, actor="dpo")
    await eraser.erase(name, "asked for")
    device = Scripted("d0")
    async with lanes.running(device):
        await lanes.until_ended()
    assert device.seen == []
    kept = "SELECT count(*) FROM messages WHERE message_id = $1 AND evidence IS NOT NULL"
    assert await lanes.platform.one(kept, name) == 0
    assert await lanes.platform.one("SELECT outcome FROM results WHERE record_id = $1", name) == "erased"
    assert await audited(lanes) == ""


async def test_nothing_is_put_into_a_lane_while_no_model_is_active(lanes: LanePlatform) -> None:
    (name, *_) = await letters(lanes)
    await retired(lanes.platform)
    (answer,) = [each async for each in (await replayer(lanes.platform)).replay([name])]
    assert "no text model is active" in str(answer.problem)
    assert not [leaf for leaf in await lanes.platform.leaves("bank-a") if leaf["kind"] == "replay"]


async def test_a_document_that_was_refused_and_can_be_read_now_is_deferred(platform: Installation) -> None:
    lanes = await lane_platform(platform)
    inbox = Inbox("documents")
    LATE.put(inbox, document("a", "I complain"))
    assert await lanes.intake.commit(inbox.take())
    await platform.sequence()
    await platform.registrar().register(LATE.new_key())
    (name,) = await letters(lanes)
    (answer,) = await replay(lanes, name)
    assert answer.outcome == "deferred"
    await lanes.publish()
    async with lanes.running(Scripted("d0")):
        assert await lanes.until_ended() == {"done": 1}
    assert await audited(lanes) == ""
    (result,) = [leaf for leaf in await platform.leaves(LATE.tenant) if leaf["kind"] == "result"]
    assert result["record"] == str(answer.record)


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        pytest.param(
            "UPDATE replays SET letter_commit = letter_commit + 1", "column letter_commit of its replay", id="letter"
        ),
        pytest.param(
            "INSERT INTO replays (log_id, commit_id, leaf, dead_letter_id, tenant, outcome, reason, letter_commit) "
            "SELECT log_id, commit_id, leaf + 50, dead_letter_id, tenant, outcome, reason, NULL "
            "FROM replays",
            "2 replays took it in",
            id="twice",
        ),
        pytest.param("UPDATE deferred SET ended_commit = NULL", "does not say that this commit ended it so", id="end"),
        pytest.param("UPDATE messages SET kafka_offset = 77", "are not those of its dead letter", id="another-message"),
    ],
)
async def test_a_change_of_a_replay_is_caught(lanes: LanePlatform, change: str, finding: str) -> None:
    (name, *_) = await letters(lanes)
    await replay(lanes, name)
    await lanes.publish()
    if "messages" in change:
        change += f" WHERE commit_id = (SELECT max(commit_id) FROM deferred WHERE record_id = '{name}')"
    await lanes.platform.execute(change)
    assert finding in await audited(lanes)


async def test_a_forged_row_can_t_have_another_message_put_into_a_lane(lanes: LanePlatform) -> None:
    """The row of the letter is made to name a commit that accepted another record."""
    first, second, *_ = await letters(lanes)
    await lanes.platform.execute(
        "UPDATE messages SET message_id = CASE message_id WHEN $1 THEN $2 ELSE $1 END WHERE message_id IN ($1, $2)",
        first,
        second,
    )
    answers = await replay(lanes, first, second)
    assert all(each.problem is not None for each in answers)
    assert await lanes.states() == {"failed": COUNT}
