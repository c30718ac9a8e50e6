"""What goes wrong in a lane: devices, poisoned texts, forged messages, erasures; nothing is lost or doubled."""

import asyncio
import time
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import msgspec
import pytest

from agents.inference.text_model import PreparedText
from agents.lanes import ender
from agents.lanes.messages import LaneText
from agents.scheduling.device import Health
from agents.upkeep.erasing import Eraser
from schemas.reasons import Reason
from streams.storage.deferring import DONE
from streams.storage.reading import list_dead_letters
from tests.support.documents import document
from tests.support.installation import BANK_A, Installation
from tests.support.lanes import (
    MODELS,
    LanePlatform,
    Member,
    Scripted,
    die,
    filled_lanes,
    hang,
    not_a_number,
    too_few,
    verified,
)
from tests.support.messages import Inbox
from tests.support.text_family import WordModel

COUNT = 12


@pytest.fixture
async def lanes(platform: Installation) -> LanePlatform:
    return await filled_lanes(platform, COUNT)


@pytest.mark.parametrize(
    "deed",
    [
        pytest.param(hang, id="hangs"),
        pytest.param(die, id="dies"),
        pytest.param(not_a_number, id="nan"),
        pytest.param(too_few, id="too-few-rows"),
    ],
)
async def test_a_device_that_fails_is_degraded_and_its_work_is_done_by_another(
    lanes: LanePlatform, deed: object
) -> None:
    bad, good = Scripted("bad", deed), Scripted("good")  # type: ignore[arg-type]
    worker, parts = await lanes.infer(bad, good, answer_seconds=0.3)
    task = asyncio.create_task(worker.run(Member(lanes.lanes, worker)))
    try:
        assert await lanes.until_ended() == {"done": COUNT}
        assert bad.batches
        assert parts.scheduler.fleet.devices["bad"].health is not Health.HEALTHY
        assert parts.scheduler.fleet.devices["good"].health is Health.HEALTHY
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert await verified(lanes) == {("result", "classified"): COUNT}


async def test_a_text_that_no_model_answers_is_dead_lettered_and_costs_no_neighbour(lanes: LanePlatform) -> None:
    inbox = Inbox("documents", partition=1)
    BANK_A.put(inbox, document("poison", "I ask for POISON"))
    assert await lanes.intake.commit(inbox.take())
    await lanes.publish()
    async with lanes.running(Scripted("d0"), Scripted("d1")):
        assert await lanes.until_ended() == {"done": COUNT, "failed": 1}
    assert await verified(lanes) == {("result", "classified"): COUNT, ("rejected", Reason.INFERENCE_FAILED): 1}


async def test_a_head_past_its_deadline_and_the_grace_does_not_pin_the_lane(lanes: LanePlatform) -> None:
    async with lanes.running(Scripted("d0", die), grace=timedelta(seconds=0.5)):
        assert await lanes.until_ended() == {"failed": COUNT}
    assert await verified(lanes) == {("rejected", Reason.INFERENCE_FAILED): COUNT}
    assert sum((await lanes.watermarks()).values()) == COUNT


async def test_a_model_that_is_not_active_any_more_fails_the_record_after_the_grace(lanes: LanePlatform) -> None:
    models = {name: model for name, model in MODELS.items() if name.startswith("letters")}
    await lanes.platform.curator().retire("ibans", "1")
    async with lanes.running(models=models, grace=timedelta(seconds=0.5)):
        assert await lanes.until_ended() == {"failed": COUNT}
    assert await verified(lanes) == {("rejected", Reason.INFERENCE_FAILED): COUNT}


async def test_two_workers_with_the_same_lane_end_each_record_once(lanes: LanePlatform) -> None:
    async with lanes.running(Scripted("d0")), lanes.running(Scripted("d1")):
        assert await lanes.until_ended() == {"done": COUNT}
    assert await verified(lanes) == {("result", "classified"): COUNT}
    assert sum((await lanes.watermarks()).values()) == COUNT


async def test_messages_that_are_forged_repeated_or_astray_are_ignored(lanes: LanePlatform) -> None:
    (first, *_) = lanes.broker.lanes
    text = msgspec.json.decode(first.value, type=LaneText)
    forged = msgspec.structs.replace(text, record=str(UUID(int=7)))
    lanes.lanes.put("lane.text.high", first.value)  # another lane than its row says
    lanes.lanes.put("lane.text.high", msgspec.json.encode(forged))
    lanes.lanes.put("lane.text.high", b"{}")
    lanes.lanes.put("lane.text.high", None)
    lanes.lanes.put(first.topic, first.value, b"repeat")
    async with lanes.running() as worker:
        assert await lanes.until_ended() == {"done": COUNT}
        async with asyncio.timeout(30):
            while worker.reading.ignored.total() < 3:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert worker.reading.ignored["unreadable"] == 2
    assert await verified(lanes) == {("result", "classified"): COUNT}


async def test_what_lost_its_message_is_found_by_the_row(lanes: LanePlatform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agents.lanes.infer.SWEEP_EVERY", 0.05)
    lanes.lanes.messages.clear()
    async with lanes.running(sweep_age=timedelta(0)):
        assert await lanes.until_ended() == {"done": COUNT}
    assert await verified(lanes) == {("result", "classified"): COUNT}


async def test_a_record_erased_while_it_waits_ends_unread(lanes: LanePlatform) -> None:
    name = UUID(msgspec.json.decode(lanes.broker.lanes[0].value)["record"])
    eraser = Eraser(lanes.platform.database, lanes.platform.identity, lanes.platform.knowledge, actor="dpo")
    await eraser.erase(name, "asked for")
    device = Scripted("d0")
    async with lanes.running(device):
        assert await lanes.until_ended() == {"done": COUNT}
    assert len(set(device.seen)) == COUNT - 1
    assert await verified(lanes) == {("result", "classified"): COUNT - 1, ("result", "erased"): 1}


async def test_a_record_erased_while_it_is_answered_keeps_nothing(
    lanes: LanePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bytes are opened before, the answer comes after."""
    reached, go = asyncio.Event(), asyncio.Event()

    async def wait(texts: object) -> None:
        reached.set()
        await go.wait()

    name = UUID(msgspec.json.decode(lanes.broker.lanes[0].value)["record"])
    eraser = Eraser(lanes.platform.database, lanes.platform.identity, lanes.platform.knowledge, actor="dpo")
    async with lanes.running(Scripted("d0", wait)) as worker:
        await reached.wait()
        async with asyncio.timeout(30):
            while len(worker._desk) < COUNT:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await eraser.erase(name, "asked for")
        go.set()
        assert await lanes.until_ended() == {"done": COUNT}
    assert await lanes.platform.one("SELECT sealed FROM results WHERE record_id = $1", name) is None
    assert await verified(lanes) == {("result", "classified"): COUNT - 1, ("result", "erased"): 1}


async def test_a_worker_that_is_told_to_stop_ends_what_runs(lanes: LanePlatform) -> None:
    reached, go = asyncio.Event(), asyncio.Event()

    async def wait(texts: object) -> None:
        reached.set()
        await go.wait()

    models = {name: model for name, model in MODELS.items() if name.startswith("letters")}
    await lanes.platform.execute("UPDATE deferred SET models = 'letters@1'")
    await lanes.platform.curator().retire("ibans", "1")
    worker, _ = await lanes.infer(Scripted("d0", wait), models=models)
    task = asyncio.create_task(worker.run(Member(lanes.lanes, worker)))
    await reached.wait()
    task.cancel()
    await asyncio.sleep(0.05)
    assert not task.done()
    go.set()
    await asyncio.gather(task, return_exceptions=True)
    assert (await lanes.states())[DONE] >= 1


async def test_a_registry_that_changes_meanwhile_has_them_sealed_anew(lanes: LanePlatform) -> None:
    worker, _ = await lanes.infer()
    await lanes.platform.registrar().revoke("bank-b-payments")
    task = asyncio.create_task(worker.run(Member(lanes.lanes, worker)))
    try:
        assert await lanes.until_ended() == {"done": COUNT}
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert await verified(lanes) == {("result", "classified"): COUNT}


async def test_a_commit_of_many_is_cut(lanes: LanePlatform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ender, "MOST", 2)
    async with lanes.running():
        assert await lanes.until_ended() == {"done": COUNT}
    assert await verified(lanes) == {("result", "classified"): COUNT}


async def test_a_record_is_not_complete_before_every_model_has_answered(
    lanes: LanePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first model's answers are there before the text is prepared for the second."""
    prepare = WordModel.prepare

    def slowly(self: WordModel, texts: Sequence[str]) -> list[PreparedText]:
        time.sleep(0.2)
        return prepare(self, texts)

    monkeypatch.setattr(WordModel, "prepare", slowly)
    async with lanes.running():
        assert await lanes.until_ended() == {"done": COUNT}
    assert await verified(lanes) == {("result", "classified"): COUNT}


async def test_a_text_that_a_model_can_t_prepare_costs_no_neighbour(
    lanes: LanePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare = WordModel.prepare

    def refusing(self: WordModel, texts: Sequence[str]) -> list[PreparedText]:
        if any(text.endswith("number 1") for text in texts):
            raise ValueError(texts)
        return prepare(self, texts)

    monkeypatch.setattr(WordModel, "prepare", refusing)
    async with lanes.running():
        assert await lanes.until_ended() == {"done": COUNT - 1, "failed": 1}
    assert await verified(lanes) == {("result", "classified"): COUNT - 1, ("rejected", Reason.INFERENCE_FAILED): 1}


async def test_erasing_an_answered_document_deletes_what_was_found_in_it(lanes: LanePlatform) -> None:
    async with lanes.running():
        assert await lanes.until_ended() == {"done": COUNT}
    name = UUID(msgspec.json.decode(lanes.broker.lanes[0].value)["record"])
    eraser = Eraser(lanes.platform.database, lanes.platform.identity, lanes.platform.knowledge, actor="dpo")
    erased = await eraser.erase(name, "asked for")
    assert (erased.messages, erased.records) == (1, 1)
    assert await lanes.platform.one("SELECT sealed FROM results WHERE record_id = $1", name) is None
    assert await verified(lanes) == {("result", "classified"): COUNT}


async def test_a_dead_letter_of_a_lane_is_shown_with_its_message(lanes: LanePlatform) -> None:
    async with lanes.running(Scripted("d0", die), grace=timedelta(seconds=0.5)):
        assert await lanes.until_ended() == {"failed": COUNT}
    async with lanes.platform.database.session() as connection:
        letters = await list_dead_letters(connection, reason=Reason.INFERENCE_FAILED, limit=100)
    assert [letter.evidence is not None for letter in letters] == [True] * COUNT
    await verified(lanes)
