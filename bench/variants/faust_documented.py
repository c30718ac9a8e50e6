"""Stock Faust as its documentation shows it: an agent that takes one event after another and commits each."""

import faust

from agents.pipeline import RecordBatch
from bench.gate import Gate
from bench.variants.stages import Stages, open_stages
from bench.variants.stock_faust import FaustRecord, build_app, crashing, raw_record, run
from sealstream.settings import Settings


async def work(settings: Settings, gate: Gate) -> None:
    """Run the app."""
    async with open_stages(settings) as stages:
        app = build_app(settings)

        @app.agent(app.topic(*settings.topics_in, key_type=bytes, value_type=bytes))
        async def intake(stream: faust.StreamT[bytes]) -> None:
            async with crashing(app):
                async for event in stream.events():
                    await _process(stages, raw_record(event.message))

        await run(app, stages.watermarks, gate)


async def _process(stages: Stages, record: FaustRecord) -> None:
    place = record.topic, record.partition
    first_ever = place in stages.watermarks.fresh
    await stages.pipeline.prepare()
    batch = RecordBatch(*place, record.offset, record.offset + 1, first_ever, [record])
    await stages.committer.commit([stages.pipeline.process(batch)])
    stages.watermarks.fresh.discard(place)
