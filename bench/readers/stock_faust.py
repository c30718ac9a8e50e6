"""Stock Faust: its own transport, with an agent that counts."""

from collections.abc import Sequence

import faust
from faust.types import TP

from bench.gate import Gate
from bench.readers.probe import Probe
from bench.variants.stock_faust import build_app, run
from sealstream.settings import Settings


async def work(settings: Settings, gate: Gate) -> None:
    """Read until cancelled."""
    probe = Probe(gate.directory)
    app = build_app(settings)

    @app.agent(app.topic(*settings.topics_in, key_type=bytes, value_type=bytes))
    async def count(stream: faust.StreamT[bytes]) -> None:
        async for event in stream.events():
            probe.record(event.message.timestamp * 1000)

    async def anywhere(_: Sequence[TP]) -> None:
        """Where Kafka says: a new group's beginning."""

    await run(app, anywhere, gate)
