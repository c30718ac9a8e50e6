"""Fills a database as the product would have: by the product's own commits, of records that were processed once.

Each copy of a frame gets new record ids, sealing passes and blind terms; its ciphertexts are those of the first one, so
that they have the right size and do not open. Everything else is real: claims, leaves, signatures, watermarks.
"""

import asyncio
import hashlib
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from aiokafka import ConsumerRecord

from agents.commits.outcomes import FrameOutcome, Item, MessageOutcome
from agents.commits.record_batch import RecordBatch
from bench.intake import IntakeBench
from bench.records import SignedRecord
from streams.storage.ids import IdBlock

TOPIC: Final = "filled"
PARTITIONS: Final = 8
IN_FLIGHT: Final = 2
UNIQUE: Final = frozenset({"end_to_end_id"})
"""Searchable fields whose value no two records share; the others' values come again."""

SPREAD: Final = 100
"""Different values of a shared field for each one in the frame that is copied."""


@dataclass(frozen=True, slots=True)
class Filled:
    """What committing came to.

    Attributes:
        client_microseconds: CPU of this process for each record: rows, leaves and COPY, without making the copies.
        milliseconds: From a commit's begin to its end, by commit; two are under way at a time.
    """

    records: int
    client_microseconds: float
    milliseconds: Sequence[float]


class Filler:
    """Commits copies of one processed frame, partition after partition."""

    def __init__(self, intake: IntakeBench, pass_ids: IdBlock, frame: FrameOutcome) -> None:
        self._intake = intake
        self._pass_ids = pass_ids
        self._frame = frame
        self._copies = 0
        self._copying = 0.0

    @property
    def records_a_commit(self) -> int:
        """As many as the frame has."""
        return len(self._frame.messages)

    async def fill(self, records: int) -> Filled:
        """Commit so many more records, in whole commits."""
        count = self.records_a_commit
        commits = max(1, records // count)
        used, copying, took = time.process_time(), self._copying, []
        todo = iter(range(commits))

        async def commit_some() -> None:
            for _ in todo:
                frame = await self._next()
                started = time.perf_counter()
                won = await self._intake.committer.commit([frame])
                assert won == {frame.step.place}, "nobody else commits here"
                took.append((time.perf_counter() - started) * 1000)

        await asyncio.gather(*(commit_some() for _ in range(IN_FLIGHT)))
        cpu = time.process_time() - used - (self._copying - copying)
        return Filled(commits * count, cpu / (commits * count) * 1e6, took)

    async def _next(self) -> FrameOutcome:
        """A copy: the next frame of the next partition."""
        old = {message.pass_id for message in self._frame.messages} | {key.pass_id for key in self._frame.data_keys}
        await self._pass_ids.refill(len(old))
        started = time.process_time()
        passes = {pass_id: self._pass_ids.take() for pass_id in sorted(old)}
        turn, partition = divmod(self._copies, PARTITIONS)
        count = len(self._frame.messages)
        step = replace(
            self._frame.step,
            partition=partition,
            from_offset=turn * count,
            to_offset=(turn + 1) * count,
            first_ever=turn == 0,
        )
        shared = bytes([self._copies % SPREAD])
        self._copies += 1
        messages = [_copied(message, passes[message.pass_id], shared) for message in self._frame.messages]
        keys = [replace(key, pass_id=passes[key.pass_id]) for key in self._frame.data_keys]
        self._copying += time.process_time() - started
        return FrameOutcome(step, messages, keys, self._frame.registry)


async def processed_frame(intake: IntakeBench, records: Sequence[SignedRecord], first: int = 0) -> FrameOutcome:
    """Records through all stages, as one frame of partition 0."""
    raw = [
        ConsumerRecord(
            TOPIC, 0, offset, 0, 0, each.key, each.value, None, len(each.key), len(each.value), tuple(each.headers)
        )
        for offset, each in enumerate(records, start=first)
    ]
    return await intake.pipeline.run(RecordBatch(TOPIC, 0, first, first + len(raw), first == 0, raw))


def _copied(message: MessageOutcome, pass_id: int, shared: bytes) -> MessageOutcome:
    name = os.urandom(len(message.message_id))
    items = [replace(item, record_id=name, terms=_terms(item, name, shared)) for item in message.items]
    return replace(message, message_id=name, pass_id=pass_id, items=items)


def _terms(item: Item, name: bytes, shared: bytes) -> list[tuple[str, bytes]]:
    return [
        (field, hashlib.blake2b(token, digest_size=len(token), key=name if field in UNIQUE else shared).digest())
        for field, token in item.terms
    ]
