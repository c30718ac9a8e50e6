"""Models in a process of their own: whatever it does, the owner goes on, and nothing is left behind."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from agents.inference.engine import InferenceFailed
from agents.inference.families import open_text_model
from agents.inference.process_device import ProcessDevice
from agents.inference.text_model import DeviceFailed, PreparedText, TextAnswer
from schemas.errors import ConfigurationError
from tests.support import text_models
from tests.support.misbehaving_models import MANIFEST, PROGRAM, write_odd
from tests.support.processes import ROOT

ODD = "odd@1"
PATIENT = timedelta(minutes=2)
IMPATIENT = timedelta(milliseconds=300)
GOOD = TextAnswer("a", 0.75)


def texts(*given: str) -> list[PreparedText]:
    return [PreparedText(text, b"", 1) for text in given]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def there(pid: int) -> bool:
    """Also as a zombie."""
    return Path(f"/proc/{pid}").exists()


async def gone(pid: int) -> None:
    while there(pid):  # noqa: ASYNC110  (a process that is not ours to wait for)
        await asyncio.sleep(0.02)


async def answered(device: ProcessDevice) -> list[TextAnswer]:
    """As a scheduler does: try until the device is back."""
    while True:
        try:
            return await device.answer(ODD, texts("fine"))
        except DeviceFailed:
            await asyncio.sleep(0.05)


@pytest_asyncio.fixture
async def device(tmp_path: Path) -> AsyncIterator[ProcessDevice]:
    made = ProcessDevice("d0", [write_odd(tmp_path / "odd")], PATIENT, program=PROGRAM)
    assert await made.start() == (MANIFEST.identity,)
    yield made
    await made.close()


async def test_a_batch_is_answered_in_order(device: ProcessDevice):
    assert await device.answer(ODD, texts("fine", "fine")) == [GOOD, GOOD]
    assert await device.answer(ODD, []) == []


@pytest.mark.parametrize("what", ["die", "exit", "nonsense", "nan", "unknown label", "nothing", "blame the device"])
async def test_a_device_that_fails_is_killed_and_comes_back(device: ProcessDevice, what: str):
    first = device.pid
    assert first is not None
    with pytest.raises(DeviceFailed):
        await device.answer(ODD, texts("fine", what))
    await asyncio.wait_for(gone(first), 60)
    assert await asyncio.wait_for(answered(device), 60) == [GOOD]
    assert device.pid != first


@pytest.mark.parametrize("what", ["hang", "hang and ignore signals"])
async def test_a_device_that_hangs_is_killed_when_its_time_is_over(tmp_path: Path, what: str):
    device = ProcessDevice("d0", [write_odd(tmp_path / "odd")], IMPATIENT, program=PROGRAM)
    await device.start()
    first = device.pid
    assert first is not None
    with pytest.raises(DeviceFailed, match="hung"):
        await device.answer(ODD, texts(what))
    assert not there(first)
    assert await asyncio.wait_for(answered(device), 60) == [GOOD]
    await device.close()


@pytest.mark.parametrize("what", ["blame the work", "bug"])
async def test_work_that_fails_leaves_the_device_as_it_is(device: ProcessDevice, what: str):
    first = device.pid
    with pytest.raises(InferenceFailed) as caught:
        await device.answer(ODD, texts(what))
    assert not isinstance(caught.value, DeviceFailed)
    assert await device.answer(ODD, texts("fine")) == [GOOD]
    assert device.pid == first


async def test_a_model_it_does_not_have_is_the_works_fault(device: ProcessDevice):
    with pytest.raises(InferenceFailed, match="no model"):
        await device.answer("other@1", texts("fine"))
    assert await device.answer(ODD, texts("fine")) == [GOOD]


async def test_while_it_is_down_it_fails_at_once(device: ProcessDevice):
    with pytest.raises(DeviceFailed):
        await device.answer(ODD, texts("die"))
    with pytest.raises(DeviceFailed, match="down"):
        await device.answer(ODD, texts("fine"))


async def test_a_process_killed_between_batches_costs_one_batch(device: ProcessDevice):
    assert device.pid is not None
    os.kill(device.pid, signal.SIGKILL)
    with pytest.raises(DeviceFailed, match="died"):
        await device.answer(ODD, texts("fine"))
    assert await asyncio.wait_for(answered(device), 60) == [GOOD]


async def test_batches_given_at_the_same_time_each_get_their_own_answers(device: ProcessDevice):
    many = await asyncio.gather(*(device.answer(ODD, texts(*["fine"] * count)) for count in range(1, 20)))
    assert [len(each) for each in many] == list(range(1, 20))


async def test_a_cancelled_batch_is_never_the_answer_of_the_next(device: ProcessDevice):
    waiting = asyncio.create_task(device.answer(ODD, texts("hang")))
    while not device._ordinary.turn.locked():  # noqa: ASYNC110  (it has no event for it)
        await asyncio.sleep(0.02)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert await asyncio.wait_for(answered(device), 60) == [GOOD]


async def test_closing_leaves_no_process(device: ProcessDevice):
    pid = device.pid
    assert pid is not None
    await device.close()
    assert not there(pid)
    with pytest.raises(DeviceFailed):
        await device.answer(ODD, texts("fine"))


async def test_a_model_that_cannot_be_loaded_is_said_and_leaves_no_process(tmp_path: Path):
    device = ProcessDevice("d0", [tmp_path / "nothing"], PATIENT, program=PROGRAM)
    with pytest.raises(ConfigurationError, match=r"model\.json"):
        await device.start()
    assert device.pid is None


async def test_a_program_that_ends_at_once_is_a_failed_device(tmp_path: Path):
    device = ProcessDevice("d0", [write_odd(tmp_path / "odd")], PATIENT, program=(sys.executable, "-c", "pass"))
    with pytest.raises(DeviceFailed, match="died"):
        await device.start()


async def test_a_real_model_answers_from_its_process_and_its_padding_is_counted(tmp_path: Path):
    path = text_models.write_tiny(tmp_path / "tiny")
    device = ProcessDevice("d0", [path], PATIENT)
    await device.start()
    prepared = open_text_model(path).prepare(["the fee", "salary", "rent of the may"])
    found = await device.answer("tiny@1.0.0", prepared)
    assert [each.label for each in found] == ["fee", "salary", "rent"]
    assert device.padding.tokens == sum(each.tokens for each in prepared)
    await device.close()


OWNER = """
import asyncio, sys
from datetime import timedelta
from pathlib import Path
from agents.inference.families import open_text_model
from agents.inference.process_device import ProcessDevice
from agents.inference.text_model import PreparedText

async def main():
    device = ProcessDevice("d0", [Path(sys.argv[1])], timedelta(hours=1), program=sys.argv[2:])
    await device.start()
    print(device.pid, flush=True)
    await device.answer("odd@1", [PreparedText("hang and ignore signals", b"", 1)])

asyncio.run(main())
"""


async def test_a_killed_owner_leaves_no_orphan_even_in_a_call_that_hangs(tmp_path: Path):
    command = [sys.executable, "-c", OWNER, str(write_odd(tmp_path / "odd")), *PROGRAM]
    owner = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, cwd=ROOT)
    assert owner.stdout is not None
    child = int(await owner.stdout.readline())
    assert alive(child)
    await asyncio.sleep(0.2)  # most likely in the call by now; it must end either way
    owner.kill()
    await owner.wait()
    for _ in range(3_000):
        if not alive(child):
            break
        await asyncio.sleep(0.02)
    assert not alive(child)
