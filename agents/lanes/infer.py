"""The infer worker: takes what waits in lanes, has it answered on devices, ends it. The scheduler decides the order.

Nothing here is trusted but the table: a lane's message only says which row to look at, and a record ends by the one
update that finds it waiting. So a message that comes twice, late or forged costs a look, and a worker that dies loses
nothing: its partitions' next owner looks at everything beyond the watermark again.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final, NoReturn

import structlog

from agents.inference.engine import InferenceFailed
from agents.inference.text_model import DeviceFailed
from agents.lanes.answers import Answered, check_answers, merge
from agents.lanes.desk import Desk, InWork
from agents.lanes.device_health import BatchWatch, stood_still
from agents.lanes.ender import Ended, Ender
from agents.lanes.infer_setup import InferParts
from agents.lanes.opening import Opening
from agents.lanes.reading import LaneReading, Named, finish
from agents.lanes.recording import Ending
from agents.lanes.shadowing import Shadowing
from agents.lanes.source import Lanes
from agents.scheduling.scheduler import Fault, Started
from agents.scheduling.work import WorkItem
from schemas.errors import Rejection
from schemas.reasons import Reason
from streams.endurance import Part
from streams.storage.deferring import WaitingRecord

log = structlog.get_logger(__name__)

GRACE: Final = timedelta(minutes=10)
"""A record is given up so long after its deadline, and never sooner than so long after it was taken: a lane that stood
still for a day is worked off all the same."""

MOST_AT_ONCE: Final = 64
"""Messages taken in one look."""

TICK_SECONDS: Final = 0.05
SWEEP_EVERY: Final = 5.0
SWEEP_AGE: Final = timedelta(seconds=30)
"""What has waited so long while the lanes are empty is taken without a message: a broker may have lost it."""

ANSWER_SECONDS: Final = 60.0
"""Beyond the time limit that a device keeps itself: after so long it counts as lost whatever it does."""

WIND_UP_SECONDS: Final = 10.0


def _now_us() -> int:
    return time.monotonic_ns() // 1_000


class InferWorker:
    """One worker's work on its lanes.

    Args:
        part: Outlasts outages of the database.
        grace: See `GRACE`.
        sweep_age: See `SWEEP_AGE`.
        answer_seconds: See `ANSWER_SECONDS`.
        clock_us: Microseconds, never going back.

    Attributes:
        reading: Of its lanes.
    """

    def __init__(
        self,
        parts: InferParts,
        part: Part,
        *,
        grace: timedelta = GRACE,
        sweep_age: timedelta = SWEEP_AGE,
        answer_seconds: float = ANSWER_SECONDS,
        clock_us: Callable[[], int] = _now_us,
    ) -> None:
        self._parts = parts
        self._part = part
        self._grace_us = int(grace.total_seconds() * 1e6)
        self._sweep_age = sweep_age
        self._answer_seconds = answer_seconds
        self._clock_us = clock_us
        self._scheduler = parts.scheduler
        self._desk = Desk()
        self.reading = LaneReading(parts.database, parts.store, part, self._desk)
        self._items: dict[str, tuple[InWork, str]] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._opening = Opening(parts, part, clock_us)
        self._ender = Ender(parts, part)
        self._shadowing = Shadowing(parts, answer_seconds, clock_us)
        self._busy_at = time.monotonic()
        self._call: asyncio.TimerHandle | None = None
        self._winding_up = False

    async def run(self, lanes: Lanes) -> NoReturn:
        """Work until cancelled; what runs then is awaited and what is complete is ended.

        Raises:
            Exception: What no waiting helps against.
        """
        try:
            async with asyncio.TaskGroup() as group:
                for work in (self._read(lanes), self._tick(), self._ender.run(lanes, self._ended)):
                    group.create_task(work)
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from None
        finally:
            await self._wind_up()
        raise RuntimeError("endless work has ended")

    async def _wind_up(self) -> None:
        self._winding_up = True
        if self._call is not None:
            self._call.cancel()
        self._parts.device_health.forget()
        if self._running:
            await asyncio.wait(self._running, timeout=WIND_UP_SECONDS)
        for task in self._running:
            task.cancel()
        await self._ender.last(self._ended)

    async def _read(self, lanes: Lanes) -> NoReturn:
        while True:
            records = await lanes.take(min(self._scheduler.room(), MOST_AT_ONCE), self.reading.is_held)
            self._part.working()
            if records:
                self._busy_at = time.monotonic()
                await self._open(*await self.reading.waiting(records))
                self._schedule()

    async def _open(self, records: Sequence[WaitingRecord], named: Named) -> None:
        """Open claim checks, prepare their texts, and offer them."""
        taken: list[InWork] = []
        async for work, ending in self._opening.open(records, named):
            self._desk.add(work)
            if ending is not None:
                self._end(work, ending)
            else:
                taken.append(work)
        for work, why in await self._opening.prepare(taken):
            self._fail(work, why)
        for work in taken:
            self._offer(work)

    def _offer(self, work: InWork) -> None:
        """Offer a record for each model that it is not offered for yet; what is refused for now is offered again."""
        if work.record.name not in self._desk:
            return
        now = self._clock_us()
        for model in work.to_offer():
            item = work.item(model, now)
            admission = self._scheduler.offer(item, now)
            if admission.reason == "too_long":
                self._fail(work, f"the text has more tokens than any device takes for {model}")
                return
            if admission.item is not None:
                work.offered.add(model)
                self._items[item.id] = (work, model)

    def _schedule(self) -> None:
        now = self._clock_us()
        for started in self._scheduler.assign(now):
            task = asyncio.create_task(self._run(started), name=f"batch-{started.number}")
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        if self._call is not None:
            self._call.cancel()
        call = None if self._winding_up else self._scheduler.next_call(now)
        self._call = None
        if call is not None:
            self._call = asyncio.get_running_loop().call_later((call - now) / 1e6, self._schedule)

    async def _run(self, started: Started) -> None:
        """Have one batch answered, and tell the scheduler what became of it."""
        if self._shadowing.owns(started):
            await self._shadowing.run(started)
            self._schedule()
            return
        assignment = started.assignment
        began = self._clock_us()
        model = assignment.items[0].model
        held = [self._items.get(item.id) for item in assignment.items]
        texts = [each[0].prepared[model] for each in held if each is not None]
        if not texts:
            self._scheduler.completed(started.number, 0)
            return
        identity = self._parts.models[model].model
        device = self._parts.slot_of(assignment)
        sources = [each[0].opened.traceparent for each in held if each is not None]
        watch = BatchWatch(self._parts.observer, device, model, texts, sources)
        try:
            async with asyncio.timeout(self._answer_seconds):
                answers = await device.answer(model, texts)
            check_answers(answers, texts, identity)
        except Exception as exc:
            watch.failed(self._failed(started, exc), self._clock_us() - began)
        else:
            took = self._clock_us() - began
            self._scheduler.completed(started.number, took - stood_still(device))
            watch.answered(answers, took)
            explanation = assignment.explanation.text()
            works = [each[0] for each in held if each is not None]
            for work, answer in zip(works, answers, strict=True):
                if self._desk.get(work.record.name) is not work:
                    continue  # given up meanwhile
                work.answers[model] = Answered(identity, answer, explanation)
                self._items.pop(work.item(model, 0).id, None)
                if work.complete:
                    self._complete(work)
            self._schedule()
            await self._shadowing.offer(model, texts, answers)
        self._schedule()

    def _failed(self, started: Started, error: Exception) -> Fault:
        """Have it tried elsewhere, or give it up; returns what it is put down to."""
        is_works = isinstance(error, InferenceFailed) and not isinstance(error, DeviceFailed)
        fault, device = Fault.WORK if is_works else Fault.DEVICE, started.assignment.device
        log.warning("device.batch_failed", device=device, fault=fault, error=type(error).__name__)
        for item in self._scheduler.failed(started.number, fault, self._clock_us()):
            self._give_up(item)
        return fault

    def _give_up(self, item: WorkItem) -> None:
        held = self._items.pop(item.id, None)
        if held is not None:
            self._fail(held[0], f"{item.attempts} batches with it failed, the last one with it alone")

    def _complete(self, work: InWork) -> None:
        merged = merge(work.opened.text, [work.answers[model] for model in sorted(work.answers)])
        ending = Ending(
            work.record,
            merged.outcome,
            source=work.opened.source,
            values=merged.values,
            model=merged.model,
            decision=merged.decision,
        )
        self._end(work, ending)

    def _fail(self, work: InWork, detail: str) -> None:
        rejection = Rejection(Reason.INFERENCE_FAILED, detail)
        self._end(work, Ending(work.record, rejection=rejection, source=work.opened.source or None))

    def _end(self, work: InWork, ending: Ending) -> None:
        """A record has come to its end; it stays in work until that is durable."""
        if not self._ender.add(work, ending):
            return
        for model in work.prepared:
            item_id = work.item(model, 0).id
            self._items.pop(item_id, None)
            self._scheduler.withdraw(item_id)

    def _ended(self, ended: Ended) -> None:
        for work in ended.works:
            self._desk.remove(work)
            finish(work.places)

    async def _tick(self) -> NoReturn:
        swept = time.monotonic()
        while True:
            await asyncio.sleep(TICK_SECONDS)
            now = self._clock_us()
            for work in self._desk.all():
                if self._ender.holds(work):
                    continue
                if now > max(work.deadline_us, work.taken_us) + self._grace_us:
                    missing = "; a model it needs is not active here" if work.missing else ""
                    self._fail(work, f"no answer came in time after its deadline{missing}")
                elif work.to_offer():
                    self._offer(work)
            self._schedule()
            self._parts.device_health.tell(self._scheduler.fleet.devices)
            idle = time.monotonic() - self._busy_at > SWEEP_EVERY and not len(self._desk)
            if idle and time.monotonic() - swept > SWEEP_EVERY:
                swept = time.monotonic()
                await self._open(await self.reading.left_over(self._sweep_age, MOST_AT_ONCE), {})
