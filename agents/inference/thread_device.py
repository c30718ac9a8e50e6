"""A device in this process: one thread that answers one batch after the other.

A thread can't be ended from outside: one that hangs is left behind, and the device fails at once until it comes back.
"""

import asyncio
import queue
import threading
from collections.abc import Mapping, Sequence
from typing import Final

from agents.inference.engine import InferenceFailed
from agents.inference.text_model import DeviceFailed, PreparedText, TextAnswer, TextModel

ANSWER_SECONDS: Final = 30.0
"""A batch is planned to take milliseconds: after so long the device counts as hung."""

_Job = tuple[asyncio.AbstractEventLoop, "asyncio.Future[list[TextAnswer]]", TextModel, Sequence[PreparedText]]


class ThreadDevice:
    """Runs models on a thread of this process.

    Args:
        models: By `name@version`.
        seconds: After which a batch is given up.
    """

    def __init__(self, name: str, models: Mapping[str, TextModel], *, seconds: float = ANSWER_SECONDS) -> None:
        self._name = name
        self._models = models
        self._seconds = seconds
        self._jobs: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        self._hung = 0
        # No executor: the interpreter waits for those at its end, also for one that hangs.
        threading.Thread(target=self._work, name=f"device-{name}", daemon=True).start()

    @property
    def name(self) -> str:
        """Unique in its process."""
        return self._name

    async def answer(self, model: str, texts: Sequence[PreparedText]) -> list[TextAnswer]:
        """Answer a batch; see `InferenceDevice`."""
        found = self._models.get(model)
        if found is None:
            raise DeviceFailed(f"device {self._name} has no model {model}")
        if self._hung:
            raise DeviceFailed(f"device {self._name} still hangs in an earlier batch")
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[list[TextAnswer]] = loop.create_future()
        self._jobs.put((loop, answered, found, texts))
        try:
            async with asyncio.timeout(self._seconds):
                return await asyncio.shield(answered)
        except TimeoutError:
            self._hung += 1
            answered.add_done_callback(self._came_back)
            raise DeviceFailed(f"device {self._name} gave no answer within {self._seconds:g} s") from None

    def _came_back(self, answered: "asyncio.Future[list[TextAnswer]]") -> None:
        self._hung -= 1
        if not answered.cancelled():
            answered.exception()  # too late to matter

    def _work(self) -> None:
        while True:
            loop, answered, model, texts = self._jobs.get()
            result: list[TextAnswer] | None = None
            failure: Exception | None = None
            try:
                result = model.answer(texts)
            except InferenceFailed as exc:
                failure = exc
            except Exception as exc:
                # Its text may quote the work.
                failure = InferenceFailed(f"the model raised {type(exc).__name__}")
            try:
                loop.call_soon_threadsafe(_settle, answered, result, failure)
            except RuntimeError:
                return  # the loop is closed: nobody asks any more


def _settle(
    answered: "asyncio.Future[list[TextAnswer]]", result: list[TextAnswer] | None, failure: Exception | None
) -> None:
    if answered.done():
        return
    if failure is not None:
        answered.set_exception(failure)
    elif result is not None:
        answered.set_result(result)
