"""The device in this process: answers, failures, and a batch that hangs."""

import asyncio
import threading
from collections.abc import Sequence

import pytest

from agents.inference.engine import InferenceFailed, ModelIdentity
from agents.inference.text_model import DeviceFailed, PreparedText, TextAnswer
from agents.inference.thread_device import ThreadDevice
from tests.support.text_family import LABELS, WordModel

IDENTITY = ModelIdentity("letters", "1", "aa" * 32, LABELS)
TEXTS = [PreparedText("I complain", b"", 2)]


class Held(WordModel):
    """Answers once it is let go."""

    def __init__(self) -> None:
        super().__init__(IDENTITY, extracts=False)
        self.go = threading.Event()

    def answer(self, texts: Sequence[PreparedText]) -> list[TextAnswer]:
        self.go.wait(60)
        return super().answer(texts)


class Broken(WordModel):
    """Raises what no model should, quoting the text."""

    def answer(self, texts: Sequence[PreparedText]) -> list[TextAnswer]:
        raise ValueError(texts[0].text)


async def test_it_answers_with_the_model_that_is_named() -> None:
    device = ThreadDevice("cpu0", {"letters@1": WordModel(IDENTITY, extracts=False)})
    assert await device.answer("letters@1", TEXTS) == [TextAnswer("complaint", 0.95)]
    with pytest.raises(DeviceFailed):
        await device.answer("letters@2", TEXTS)


async def test_a_batch_that_hangs_fails_the_device_until_its_thread_comes_back() -> None:
    model = Held()
    device = ThreadDevice("cpu0", {"letters@1": model}, seconds=0.05)
    with pytest.raises(DeviceFailed, match="no answer"):
        await device.answer("letters@1", TEXTS)
    with pytest.raises(DeviceFailed, match="still hangs"):
        await device.answer("letters@1", TEXTS)
    model.go.set()
    for _ in range(1_000):
        try:
            assert await device.answer("letters@1", TEXTS) == [TextAnswer("complaint", 0.95)]
            break
        except DeviceFailed:
            await asyncio.sleep(0.01)
    else:
        raise AssertionError("the device did not come back")


async def test_what_a_model_raises_is_put_down_to_the_work_and_not_quoted() -> None:
    device = ThreadDevice("cpu0", {"letters@1": Broken(IDENTITY, extracts=False)})
    with pytest.raises(InferenceFailed) as failure:
        await device.answer("letters@1", TEXTS)
    assert not isinstance(failure.value, DeviceFailed)
    assert "complain" not in str(failure.value)
