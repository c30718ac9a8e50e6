"""Stock Faust with what its documentation does not show: the commit of a batch runs while the next one is processed."""

import asyncio
from typing import cast

import faust

from bench.gate import Gate
from bench.variants import FAUST_OVERLAPPED
from bench.variants.stages import open_stages
from bench.variants.stock_faust import build_app, commit, crashing, process, run
from bench.variants.tuned import tuned_for
from sealstream.settings import Settings


async def work(settings: Settings, gate: Gate) -> None:
    """Run the app."""
    tuned = tuned_for(gate.directory, FAUST_OVERLAPPED)
    async with open_stages(settings) as stages:
        app = build_app(settings)

        @app.agent(app.topic(*settings.topics_in, key_type=bytes, value_type=bytes))
        async def intake(stream: faust.StreamT[bytes]) -> None:
            committing: asyncio.Task[None] | None = None
            async with crashing(app):
                async for events in cast(faust.Stream[bytes], stream).take_events(tuned.batch, tuned.within_seconds):
                    outcomes = await process(stages, events)
                    if committing is not None:
                        await committing
                    committing = asyncio.create_task(commit(app, stages, outcomes))

        await run(app, stages.watermarks.read, gate)
