"""Two batches at a time in one process: the urgent one goes before, and what fails one slot fails both."""

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from agents.inference.engine import InferenceFailed
from agents.inference.families import open_text_model
from agents.inference.giving_way import NICENESS, StoodStill, UrgentTime
from agents.inference.process_device import ExpressSlot, ProcessDevice
from agents.inference.text_model import DeviceFailed, InferenceDevice, PreparedText, TextAnswer
from tests.support import text_models
from tests.support.misbehaving_models import PROGRAM, UNTIL, write_odd

ODD = "odd@1"
PATIENT = timedelta(minutes=2)
IMPATIENT = timedelta(milliseconds=300)
GOOD = TextAnswer("a", 0.75)


def texts(*given: str) -> list[PreparedText]:
    return [PreparedText(text, b"", 1) for text in given]


def express_of(device: ProcessDevice) -> ExpressSlot:
    assert device.express is not None
    return device.express


async def there(path: Path) -> None:
    while not path.exists():  # noqa: ASYNC110, ASYNC240  (another process makes it)
        await asyncio.sleep(0.005)


async def answered(slot: InferenceDevice) -> list[TextAnswer]:
    """As a scheduler does: try until the device is back."""
    while True:
        try:
            return await slot.answer(ODD, texts("fine"))
        except DeviceFailed:
            await asyncio.sleep(0.05)


@pytest_asyncio.fixture
async def device(tmp_path: Path) -> AsyncIterator[ProcessDevice]:
    made = ProcessDevice("d0", [write_odd(tmp_path / "odd")], PATIENT, program=PROGRAM)
    await made.start()
    yield made
    await made.close()


async def begun(device: InferenceDevice, go: Path) -> "asyncio.Task[list[TextAnswer]]":
    """A batch that is being computed, and will be until there is a file at that path."""
    task = asyncio.create_task(device.answer(ODD, texts(f"{UNTIL}{go}", "fine")))
    await there(Path(f"{go}.began"))
    return task


async def test_an_urgent_batch_is_answered_while_another_one_runs(device: ProcessDevice, tmp_path: Path) -> None:
    bulk = await begun(device, tmp_path / "go")
    for _ in range(3):
        assert await express_of(device).answer(ODD, texts("fine")) == [GOOD]
    assert not bulk.done()
    (tmp_path / "go").touch()
    assert await bulk == [GOOD, GOOD]
    assert express_of(device).name == device.name


async def test_what_is_not_urgent_is_computed_while_an_urgent_batch_runs(device: ProcessDevice, tmp_path: Path) -> None:
    urgent = await begun(express_of(device), tmp_path / "go")
    assert await device.answer(ODD, texts("fine")) == [GOOD]
    assert not urgent.done()
    (tmp_path / "go").touch()
    assert await urgent == [GOOD, GOOD]


async def test_the_thread_of_the_express_slot_alone_has_the_usual_priority(device: ProcessDevice) -> None:
    (ordinary,) = await device.answer(ODD, texts("priority"))
    (urgent,) = await express_of(device).answer(ODD, texts("priority"))
    assert ordinary.confidence is not None
    assert urgent.confidence is not None
    assert round((ordinary.confidence - urgent.confidence) * 100) == NICENESS


@pytest.mark.parametrize("what", ["die", "exit", "nan", "unknown label", "nothing", "blame the device"])
@pytest.mark.parametrize("urgent", [False, True], ids=["ordinary", "express"])
async def test_what_fails_one_slot_fails_both_once_and_both_come_back(
    device: ProcessDevice, tmp_path: Path, what: str, urgent: bool
) -> None:
    slots: Sequence[InferenceDevice] = (device, express_of(device))
    failing, other = slots[urgent], slots[not urgent]
    first = device.pid
    beside = await begun(other, tmp_path / "never")
    with pytest.raises(DeviceFailed):
        await failing.answer(ODD, texts("fine", what))
    with pytest.raises(DeviceFailed):
        await beside
    assert await asyncio.wait_for(answered(device), 60) == [GOOD]
    second = device.pid
    assert second != first
    assert await answered(express_of(device)) == [GOOD]
    assert device.pid == second  # the two failures of one process started one process


@pytest.mark.parametrize("urgent", [False, True], ids=["ordinary", "express"])
@pytest.mark.parametrize("what", ["hang", "spin"])
async def test_a_slot_that_hangs_fails_both(tmp_path: Path, what: str, urgent: bool) -> None:
    device = ProcessDevice("d0", [write_odd(tmp_path / "odd")], IMPATIENT, program=PROGRAM)
    await device.start()
    slots: Sequence[InferenceDevice] = (device, express_of(device))
    first = device.pid
    failed = await asyncio.gather(
        slots[urgent].answer(ODD, texts(what)), slots[not urgent].answer(ODD, texts("hang")), return_exceptions=True
    )
    assert [type(each) for each in failed] == [DeviceFailed, DeviceFailed]
    for slot in slots:
        assert await asyncio.wait_for(answered(slot), 60) == [GOOD]
    assert device.pid != first
    await device.close()


async def test_nonsense_from_the_express_slot_is_a_failed_device(device: ProcessDevice) -> None:
    with pytest.raises(DeviceFailed):
        await express_of(device).answer(ODD, texts("urgent nonsense"))
    assert await asyncio.wait_for(answered(express_of(device)), 60) == [GOOD]


async def test_work_that_fails_in_one_slot_costs_the_other_nothing(device: ProcessDevice, tmp_path: Path) -> None:
    bulk = await begun(device, tmp_path / "go")
    with pytest.raises(InferenceFailed) as caught:
        await express_of(device).answer(ODD, texts("blame the work"))
    assert not isinstance(caught.value, DeviceFailed)
    (tmp_path / "go").touch()
    assert await bulk == [GOOD, GOOD]


async def test_a_cancelled_urgent_batch_is_never_the_answer_of_the_next(device: ProcessDevice, tmp_path: Path) -> None:
    waiting = await begun(express_of(device), tmp_path / "never")
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert await asyncio.wait_for(answered(express_of(device)), 60) == [GOOD]


async def test_both_slots_answer_by_the_same_model_and_count_their_own_padding(tmp_path: Path) -> None:
    path = text_models.write_tiny(tmp_path / "tiny")
    device = ProcessDevice("d0", [path], PATIENT)
    await device.start()
    express = express_of(device)
    long = open_text_model(path).prepare(["rent of the may"] * 40)
    short = open_text_model(path).prepare(["the fee", "salary"])
    found = await asyncio.gather(
        *(slot.answer("tiny@1.0.0", each) for slot, each in ((device, long), (express, short)) for _ in range(20))
    )
    assert [[one.label for one in each] for each in found] == [["rent"] * 40] * 20 + [["fee", "salary"]] * 20
    assert device.padding.tokens == 20 * sum(each.tokens for each in long)
    assert express.padding.tokens == 20 * sum(each.tokens for each in short)
    await device.close()


def test_a_thread_stands_still_no_longer_than_urgent_work_took() -> None:
    urgent = UrgentTime()
    with urgent.counted():
        pass
    still = StoodStill(urgent)
    threading.Event().wait(0.02)  # idle, and nothing urgent is computed
    assert still.seconds() == 0
    with urgent.counted():
        threading.Event().wait(0.02)
        assert 0 < still.seconds() <= urgent.seconds()
