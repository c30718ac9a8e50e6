"""Stock Faust at its best: batches by `take_events`, a commit for each batch that overlaps with the next one."""

import asyncio
from collections.abc import Sequence
from itertools import groupby
from typing import Final, cast

import faust
from faust.types import EventT

from agents.outcomes import FrameOutcome
from agents.pipeline import RecordBatch
from bench.gate import Gate
from bench.variants.stages import Stages, open_stages
from bench.variants.stock_faust import FaustRecord, build_app, crashing, raw_record, run
from sealstream.settings import Settings

BATCH: Final = 1_000
WITHIN_SECONDS: Final = 0.2
"""500 to 2,000 within 0.1 to 0.5 s were tried: small batches cost commits, a long wait costs time at the end."""


async def work(settings: Settings, gate: Gate) -> None:
    """Run the app."""
    async with open_stages(settings) as stages:
        app = build_app(settings)

        @app.agent(app.topic(*settings.topics_in, key_type=bytes, value_type=bytes))
        async def intake(stream: faust.StreamT[bytes]) -> None:
            committing: asyncio.Task[object] | None = None
            async with crashing(app):
                async for events in cast(faust.Stream[bytes], stream).take_events(BATCH, within=WITHIN_SECONDS):
                    outcomes = await _process(stages, events)
                    if committing is not None:
                        await committing
                    committing = asyncio.create_task(stages.committer.commit(outcomes))

        await run(app, stages.watermarks, gate)


async def _process(stages: Stages, events: Sequence[EventT[bytes]]) -> list[FrameOutcome]:
    records = sorted([raw_record(event.message) for event in events], key=_position)
    outcomes = []
    for place, group in groupby(records, key=_place):
        batch = list(group)
        await stages.pipeline.prepare()
        outcomes.append(
            stages.pipeline.process(
                RecordBatch(*place, batch[0].offset, batch[-1].offset + 1, place in stages.watermarks.fresh, batch)
            )
        )
        stages.watermarks.fresh.discard(place)
        await asyncio.sleep(0)  # lets the commit of the last batch move on
    return outcomes


def _place(record: FaustRecord) -> tuple[str, int]:
    return record.topic, record.partition


def _position(record: FaustRecord) -> tuple[str, int, int]:
    return record.topic, record.partition, record.offset
