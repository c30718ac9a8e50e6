"""Stock Faust as its documentation shows it: an agent that takes one event after another and commits each."""

from typing import Final

import faust

from bench.gate import Gate
from bench.variants.stages import open_stages
from bench.variants.stock_faust import build_app, commit, crashing, process, run
from sealstream.settings import Settings

STOCK_LOOP: Final = True
"""On asyncio's own loop."""


async def work(settings: Settings, gate: Gate) -> None:
    """Run the app."""
    async with open_stages(settings) as stages:
        app = build_app(settings)

        @app.agent(app.topic(*settings.topics_in, key_type=bytes, value_type=bytes))
        async def intake(stream: faust.StreamT[bytes]) -> None:
            async with crashing(app):
                async for event in stream.events():
                    await commit(app, stages, await process(stages, [event]))

        await run(app, stages.watermarks.read, gate)
