"""Quix Streams: an application whose one step counts."""

from typing import Any, Final

from bench.gate import Gate
from bench.readers.probe import Probe
from bench.variants.quix_app import build_application, run
from sealstream.settings import Settings

COMMIT_SECONDS: Final = 5.0
POLL_SECONDS: Final = 1.0
"""Both are Quix's defaults: nothing waits for them here."""


async def work(settings: Settings, gate: Gate) -> None:
    """Read until cancelled."""
    probe = Probe(gate.directory)
    application = build_application(settings, commit_interval=COMMIT_SECONDS, consumer_poll_timeout=POLL_SECONDS)
    application.behind(gate)

    def count(value: bytes, key: Any, timestamp: int, headers: Any) -> None:
        probe.record(timestamp)

    for name in settings.topics_in:
        topic = application.topic(name, key_deserializer="bytes", value_deserializer="bytes")
        application.dataframe(topic).update(count, metadata=True)
    await run(application)
