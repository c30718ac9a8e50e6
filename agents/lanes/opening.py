"""From records that wait to work at hand: claim checks opened, texts prepared for the models that have to answer."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import structlog

from agents.inference.text_model import PreparedText, TextModel
from agents.lanes.claims import Erased, OpenedText, open_text
from agents.lanes.desk import InWork, Place
from agents.lanes.infer_setup import InferParts, resolve
from agents.lanes.recording import ERASED, Ending
from agents.platform.data_keys import DataKeyCache
from schemas.errors import Rejection
from schemas.reasons import Reason
from security.key_provider import MAX_TIER, KeyUnavailable
from security.opening import FieldOpener
from streams.endurance import Part
from streams.storage.deferring import Waiting, WaitingRecord

log = structlog.get_logger(__name__)


class Opening:
    """Opens and prepares for one worker.

    Args:
        part: Outlasts outages of the database.
        clock_us: The worker's.
    """

    def __init__(self, parts: InferParts, part: Part, clock_us: Callable[[], int]) -> None:
        self._parts = parts
        self._part = part
        self._clock_us = clock_us

    async def open(
        self, records: Sequence[WaitingRecord], named: Mapping[Waiting, list[Place]]
    ) -> AsyncIterator[tuple[InWork, Ending | None]]:
        """Each record as work, and its end where there is nothing to answer."""
        if not records:
            return
        opener = await self._part.outlast(lambda: self._opener(records))
        now, wall = self._clock_us(), datetime.now(UTC)
        for record in records:
            deadline = now + (record.deadline - wall) // timedelta(microseconds=1)
            work = InWork(record, OpenedText("", "", 0), now, deadline, list(named.get(record.name, ())))
            ending = None
            try:
                try:
                    work.opened = open_text(opener, record)
                except KeyUnavailable:
                    # Sealed under a key that is newer than what we know.
                    await self._part.outlast(self._parts.reload)
                    opener = await self._part.outlast(lambda: self._opener(records))
                    work.opened = open_text(opener, record)
            except KeyUnavailable:
                why = "nobody here holds the key of the document's bytes"
                ending = Ending(record, rejection=Rejection(Reason.INFERENCE_FAILED, why))
            except Erased:
                ending = Ending(record, ERASED)
            except Rejection as rejection:
                ending = Ending(record, rejection=rejection)
            yield work, ending

    async def prepare(self, works: Sequence[InWork]) -> list[tuple[InWork, str]]:
        """Prepare each text for each model that has to answer it; returns those that can't be, and why.

        Tokenizing is work, so a thread does it. A text that can't be prepared costs no other: each is tried alone then.
        """
        wanted: dict[str, list[InWork]] = {}
        for work in works:
            work.wanted, work.missing = resolve(work.record.models.split(), self._parts.answering)
            for each in work.wanted:
                wanted.setdefault(each, []).append(work)
        failed = []
        for name, some in wanted.items():
            model = self._parts.models[name]
            prepared = await asyncio.to_thread(_prepared, model, [work.opened.text for work in some])
            for work, text in zip(some, prepared, strict=True):
                if text is not None:
                    work.prepared[name] = text
                else:
                    failed.append((work, f"the model {name} can't prepare the text"))
        return failed

    async def _opener(self, records: Sequence[WaitingRecord]) -> FieldOpener:
        self._parts.lease.enforce()
        data_keys = DataKeyCache()
        async with self._parts.database.session(clean=True) as connection:
            await data_keys.load(connection, {record.pass_id for record in records})
        return FieldOpener(self._parts.tier_keys, data_keys.get, MAX_TIER)


def _prepared(model: TextModel, texts: Sequence[str]) -> list[PreparedText | None]:
    """Every text prepared; None for one that the model raises on, whatever it raises."""
    try:
        found = model.prepare(texts)
        if len(found) == len(texts):
            return list(found)
    except Exception as exc:
        # Its text may quote the work.
        log.error("lane.preparing_failed", model=model.model.full_name, error=type(exc).__name__, texts=len(texts))
    return [None] if len(texts) == 1 else [each for text in texts for each in _prepared(model, [text])]
