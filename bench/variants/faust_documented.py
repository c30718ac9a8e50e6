"""Stock Faust as its documentation shows it: an agent that takes one event after another and commits each."""

import faust

from agents.pipeline import RecordBatch
from bench.gate import Gate
from bench.variants.stages import open_stages
from bench.variants.stock_faust import build_app, data_directory, raw_record, running
from sealstream.settings import Settings


async def work(settings: Settings, gate: Gate) -> None:
    """Run the app."""
    async with open_stages(settings) as stages, data_directory() as directory:
        app = build_app(settings, directory)

        @app.agent(app.topic(*settings.topics_in, key_type=bytes, value_type=bytes))
        async def intake(stream: faust.StreamT[bytes]) -> None:
            async for event in stream.events():
                record = raw_record(event.message)
                place = record.topic, record.partition
                first_ever = place in stages.watermarks.fresh
                batch = RecordBatch(*place, record.offset, record.offset + 1, first_ever, [record])
                await stages.pipeline.prepare()
                await stages.committer.commit([stages.pipeline.process(batch)])
                stages.watermarks.fresh.discard(place)

        async with running(app, stages.watermarks, gate):
            await app.wait_until_stopped()
