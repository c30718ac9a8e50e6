"""Stock Faust at its best as its documentation shows it: batches by `take`, a commit for each, then the next.

`take_events` is `take` that keeps the messages: the stages need headers and offsets.
"""

from typing import cast

import faust

from bench.gate import Gate
from bench.variants import FAUST_TAKE
from bench.variants.stages import open_stages
from bench.variants.stock_faust import build_app, commit, crashing, process, run
from bench.variants.tuned import tuned_for
from sealstream.settings import Settings


async def work(settings: Settings, gate: Gate) -> None:
    """Run the app."""
    tuned = tuned_for(gate.directory, FAUST_TAKE)
    async with open_stages(settings) as stages:
        app = build_app(settings)

        @app.agent(app.topic(*settings.topics_in, key_type=bytes, value_type=bytes))
        async def intake(stream: faust.StreamT[bytes]) -> None:
            async with crashing(app):
                async for events in cast(faust.Stream[bytes], stream).take_events(tuned.batch, tuned.within_seconds):
                    await commit(app, stages, await process(stages, events))

        await run(app, stages.watermarks.read, gate)
