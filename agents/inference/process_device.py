"""A device whose models run in a process of their own: it may hang or die, and costs no more than the batch.

After any failure of the device the process is killed and, after a pause that doubles, started again in the background;
until then the device fails at once, and the scheduler takes it for degraded. Where the operating system can do it, the
device has an express slot: both slots are threads of the process, so that what fails one of them fails both.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final

import structlog

from agents.inference.answer_check import check_answers
from agents.inference.engine import InferenceFailed, ModelIdentity
from agents.inference.families import CPU
from agents.inference.giving_way import SUPPORTED
from agents.inference.hosted_models import PROGRAM, HostedModels, start_process
from agents.inference.padding import Padding
from agents.inference.process_messages import Done, Failed, Work
from agents.inference.text_model import DeviceFailed, PreparedText, TextAnswer
from schemas.errors import ConfigurationError

FIRST_PAUSE: Final = timedelta(milliseconds=100)
LONGEST_PAUSE: Final = timedelta(seconds=30)
START_LIMIT: Final = timedelta(minutes=2)
"""For loading all models; a machine that is busy needs a while."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Slot:
    """One batch at a time.

    Attributes:
        padding: Of everything that was answered here.
        held_us: Microseconds that the last batch stood still.
    """

    is_express: bool
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    padding: Padding = field(default_factory=Padding)
    held_us: int = 0


class ProcessDevice:
    """An `InferenceDevice`, and another one that is its express slot.

    Attributes:
        express: For urgent batches, which are computed before the one that has begun here; None where there is none.
    """

    def __init__(
        self,
        name: str,
        directories: Sequence[Path],
        time_limit: timedelta,
        provider: str = CPU,
        program: Sequence[str] = PROGRAM,
    ) -> None:
        """Describe it; `start` starts it.

        Args:
            name: Unique in this process.
            directories: Of the models to load.
            time_limit: For one batch; a process that takes longer is taken for hung.
            provider: Execution provider that must be in force.
            program: What hosts the models.
        """
        self._name = name
        self._directories = tuple(directories)
        self._time_limit = time_limit
        self._provider = provider
        self._program = tuple(program)
        self._process: HostedModels | None = None
        self._pause = FIRST_PAUSE
        self._revival: asyncio.Task[None] | None = None
        self._closed = False
        self._ordinary = _Slot(is_express=False)
        self.express = ExpressSlot(self, _Slot(is_express=True)) if SUPPORTED else None

    @property
    def name(self) -> str:
        """As the scheduler's decisions call it."""
        return self._name

    @property
    def padding(self) -> Padding:
        """Of everything that was answered here, and not in the express slot."""
        return self._ordinary.padding

    @property
    def held_us(self) -> int:
        """Microseconds that the last batch stood still for urgent ones."""
        return self._ordinary.held_us

    @property
    def pid(self) -> int | None:
        """Of the process; None while there is none."""
        return None if self._process is None else self._process.pid

    async def start(self) -> Sequence[ModelIdentity]:
        """Start the process and load its models.

        Raises:
            ConfigurationError: A model can't be loaded.
            DeviceFailed: The process died, or took too long.
        """
        process = await start_process(self._program, express=self.express is not None)
        try:
            async with asyncio.timeout(START_LIMIT.total_seconds()):
                await process.load(self._directories, self._provider)
        except TimeoutError as exc:
            await process.end()
            raise DeviceFailed(f"device {self._name} did not load its models in time") from exc
        except BaseException:
            await process.end()
            raise
        self._process = process
        return tuple(process.models.values())

    async def answer(self, model: str, texts: Sequence[PreparedText]) -> list[TextAnswer]:
        """Answer a batch of one model, named `name@version`; same length and order. One batch at a time.

        Raises:
            DeviceFailed: It hung past its time limit, died, gave nonsense, or has not been started again yet.
            InferenceFailed: The work may be to blame.
        """
        return await self._answer(self._ordinary, model, texts)

    async def _answer(self, slot: _Slot, model: str, texts: Sequence[PreparedText]) -> list[TextAnswer]:
        async with slot.turn:
            process = self._process
            if process is None:
                raise DeviceFailed(f"device {self._name} is down; it is started again")
            try:
                answers = await self._asked(process, slot, model, texts)
            except TimeoutError as exc:
                await self._retire(process, "hung")
                raise DeviceFailed(f"device {self._name} hung for more than {self._time_limit}") from exc
            except DeviceFailed as exc:
                await self._retire(process, str(exc))
                raise
            except asyncio.CancelledError:
                # Its answer would be read as that of the next batch.
                await self._retire(process, "cancelled")
                raise
            self._pause = FIRST_PAUSE
            return answers

    async def close(self) -> None:
        """End the process for good; nothing of it is left."""
        self._closed = True
        if self._revival is not None:
            self._revival.cancel()
            with suppress(asyncio.CancelledError):
                await self._revival
            self._revival = None
        process, self._process = self._process, None
        if process is not None:
            await process.end()

    async def _asked(
        self, process: HostedModels, slot: _Slot, model: str, texts: Sequence[PreparedText]
    ) -> list[TextAnswer]:
        if model not in process.models:
            raise InferenceFailed(f"device {self._name} has no model {model[:100]!r}")
        async with asyncio.timeout(self._time_limit.total_seconds()):
            reply = await process.ask(Work(model, tuple(texts)), express=slot.is_express)
        if isinstance(reply, Failed):
            raise DeviceFailed(reply.why) if reply.device else InferenceFailed(reply.why)
        if not isinstance(reply, Done):
            raise DeviceFailed(f"device {self._name} answered something else than it was asked")
        check_answers(reply.answers, texts, process.models[model])
        slot.padding += Padding(reply.tokens, reply.padded)
        slot.held_us = reply.held_us
        return list(reply.answers)

    async def _retire(self, process: HostedModels, why: str) -> None:
        if self._process is process:  # the other slot may have told of it before
            self._process = None
            log.warning("device.failed", device=self._name, why=why)
            if not self._closed:
                self._revival = asyncio.create_task(self._revive())
        await process.end()

    async def _revive(self) -> None:
        while self._process is None:
            await asyncio.sleep(self._pause.total_seconds())
            self._pause = min(self._pause * 2, LONGEST_PAUSE)
            try:
                await self.start()
            except (DeviceFailed, ConfigurationError) as exc:
                log.warning("device.not_restarted", device=self._name, why=str(exc), pause=self._pause.total_seconds())
        log.info("device.restarted", device=self._name)


class ExpressSlot:
    """An `InferenceDevice`: the express slot of another one."""

    def __init__(self, device: ProcessDevice, slot: _Slot) -> None:
        self._device = device
        self._slot = slot

    @property
    def name(self) -> str:
        """The device's."""
        return self._device.name

    @property
    def padding(self) -> Padding:
        """Of everything that was answered here."""
        return self._slot.padding

    async def answer(self, model: str, texts: Sequence[PreparedText]) -> list[TextAnswer]:
        """Answer an urgent batch, before the one that the device has begun; see `ProcessDevice.answer`."""
        return await self._device._answer(self._slot, model, texts)
