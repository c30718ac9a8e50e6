"""Group commit of endings: what comes to its end while a commit is under way goes together into the next one."""

import asyncio
import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NoReturn

import structlog

from agents.commits.leaves import LeafBatch
from agents.lanes.desk import InWork
from agents.lanes.infer_setup import InferParts
from agents.lanes.prefix import Prefix
from agents.lanes.recording import Ending, EndingRecorder
from agents.lanes.source import Lanes
from schemas.errors import SealstreamError
from streams.endurance import Part
from streams.outages import describe
from streams.storage.commit_rows import CommitRows
from streams.storage.database import CONNECT_ERRORS
from streams.storage.deferring import EndingRequest, Granted
from streams.storage.registry import RegistryChanged
from streams.storage.watermarks import Mark, Partition, WatermarkStep, encode_watermark

log = structlog.get_logger(__name__)

MOST: Final = 200
"""Records in one commit: some 50 ms of sealing and writing."""


@dataclass(frozen=True, slots=True)
class Ended:
    """Records that have ended, durably: by us, or by somebody else before."""

    works: Sequence[InWork]


class Ender:
    """Ends records in the order in which they come to their ends, as many together as wait.

    Args:
        part: Outlasts outages of the database.
    """

    def __init__(self, parts: InferParts, part: Part) -> None:
        self._parts = parts
        self._part = part
        self._waiting: dict[tuple[object, int], tuple[InWork, Ending]] = {}
        self._filled = asyncio.Event()

    def add(self, work: InWork, ending: Ending) -> bool:
        """A record has come to its end; False when it had already."""
        if self.holds(work):
            return False
        self._waiting[work.record.name] = (work, ending)
        self._filled.set()
        return True

    def holds(self, work: InWork) -> bool:
        """Whether its end is being made durable."""
        return work.record.name in self._waiting

    async def run(self, lanes: Lanes, ended: Callable[[Ended], None]) -> NoReturn:
        """End what is added, until cancelled.

        Args:
            ended: Told what is durable.
        """
        while True:
            await self._filled.wait()
            moved = await self._part.outlast(lambda: self._some(ended))
            await lanes.tell(moved)

    async def last(self, ended: Callable[[Ended], None]) -> None:
        """End what waits, if the database lets us now; otherwise whoever reads the lanes next does it again."""
        try:
            while self._waiting:
                await self._some(ended)
        except (SealstreamError, *CONNECT_ERRORS, TimeoutError) as exc:
            log.warning("lane.endings_left", records=len(self._waiting), why=describe(exc))

    async def _some(self, ended: Callable[[Ended], None]) -> dict[Partition, int]:
        """One commit; returns where the partitions stand that it moved. Asked again, it seals anew."""
        some = list(self._waiting.values())[:MOST]
        parts = self._parts
        await parts.commit_ids.refill(1)
        await parts.pass_ids.refill(len({ending.record.tenant for _, ending in some}))
        parts.lease.enforce()
        recorder = EndingRecorder([each for _, each in some], parts.catalogue, parts.tier_keys, parts.pass_ids.take)
        steps, prefixes = self._steps([work for work, _ in some])
        commit_id = parts.commit_ids.take()

        def finish(granted: Granted) -> CommitRows:
            moved = [step for step in steps if step.place in granted.moved]
            watermark = encode_watermark(parts.store.group, parts.store.cluster, moved) if moved else b""
            batch = LeafBatch(commit_id, parts.worker, watermark)
            return recorder.rows(batch, granted, dt.datetime.now(dt.UTC))

        request = EndingRequest(commit_id, recorder.states, steps, parts.registry, finish)
        try:
            granted = await parts.store.end(request)
        except RegistryChanged:
            await parts.reload()
            return {}
        for work, _ in some:
            self._waiting.pop(work.record.name, None)
        if not self._waiting:
            self._filled.clear()
        for step in steps:
            if step.place in granted.moved:
                prefixes[step.place].stored = step.to_offset
        ended(Ended([work for work, _ in some]))
        await self._catch_up([prefix for place, prefix in prefixes.items() if place not in granted.moved])
        return {step.place: step.to_offset for step in steps if step.place in granted.moved}

    def _steps(self, works: Sequence[InWork]) -> tuple[list[WatermarkStep], dict[Partition, Prefix]]:
        """How the partitions move once these records have ended."""
        ending: dict[Prefix, list[int]] = defaultdict(list)
        for work in works:
            for prefix, offset in work.places:
                ending[prefix].append(offset)
        steps, prefixes = [], {}
        for prefix, offsets in ending.items():
            found = prefix.step(offsets)
            if found is not None:
                start, end = found
                mark = Mark(last_offset=end - 1)
                first_ever = prefix.stored is None
                steps.append(WatermarkStep(prefix.topic, prefix.partition, start, end, first_ever, mark, prefix.era))
                prefixes[steps[-1].place] = prefix
        return steps, prefixes

    async def _catch_up(self, prefixes: Sequence[Prefix]) -> None:
        """Partitions that did not move stand elsewhere: somebody else has had them, or nothing was left to say."""
        if not prefixes:
            return
        stored = await self._parts.store.positions([(each.topic, each.partition) for each in prefixes])
        for each in prefixes:
            if (found := stored.get((each.topic, each.partition))) is not None:
                each.stored, each.era = found.offset, found.era
