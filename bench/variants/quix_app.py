"""A Quix Streams application in a worker process: held behind the gate, on a thread beside the event loop."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Final

from confluent_kafka import TopicPartition
from quixstreams import Application

from bench.gate import Gate
from sealstream.settings import Settings
from sealstream.wiring import required_bootstrap

_POLL_SECONDS: Final = 0.002
_JOIN_SECONDS: Final = 60.0

Assigned = Callable[[Collection[tuple[str, int]]], None]


class GatedApplication(Application):
    """Assigned partitions stay paused until the gate is open."""

    def behind(self, gate: Gate, on_assigned: Assigned = lambda _: None) -> None:
        """Stay behind this gate.

        Args:
            on_assigned: Told every assignment, on the application's thread.
        """
        self._gate = gate
        self._on_assigned = on_assigned
        self._released = False

    def _on_assign(self, consumer: Any, partitions: list[TopicPartition]) -> None:
        super()._on_assign(consumer, partitions)
        if not self._released:
            self._consumer.pause(partitions)
        self._on_assigned([(each.topic, each.partition) for each in partitions])
        self._gate.assigned(len(partitions))

    def _process_message(self, dataframe_composed: Any) -> None:
        if self._released:
            super()._process_message(dataframe_composed)  # type: ignore[no-untyped-call]  # of quixstreams
        elif self._gate.is_open:
            self._consumer.resume(self._consumer.assignment())
            self._released = True
        else:
            self._consumer.poll_row(timeout=_POLL_SECONDS)  # takes part in rebalances; everything is paused

    def _setup_signal_handlers(self) -> None:
        """The worker's process has its own."""


def build_application(settings: Settings, **options: Any) -> GatedApplication:
    """An application that reads committed records from their beginning, with whatever else is given."""
    session_ms = int(settings.session_timeout.total_seconds() * 1000)
    extra = {
        "isolation.level": "read_committed",
        "session.timeout.ms": session_ms,
        "heartbeat.interval.ms": session_ms // 3,
        "fetch.wait.max.ms": int(settings.fetch_max_wait.total_seconds() * 1000),
    }
    return GatedApplication(
        broker_address=required_bootstrap(settings),
        consumer_group=settings.group,
        auto_offset_reset="earliest",
        consumer_extra_config=extra,
        auto_create_topics=False,
        use_changelog_topics=False,
        state_dir=Path(mkdtemp(prefix="quix-", dir=".")),  # the worker's own directory goes with the run
        loglevel=logging.WARNING,
        **options,
    )


async def run(application: GatedApplication) -> None:
    """Run it on a thread until cancelled; what is in its sinks is then flushed."""
    running = asyncio.create_task(asyncio.to_thread(application.run))
    try:
        await asyncio.shield(running)
    finally:
        application.stop()
        await asyncio.wait_for(running, _JOIN_SECONDS)


class LoopThread:
    """Awaits on the event loop what the application's thread needs, and gives the result there."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()

    def wait(self, work: Awaitable[Any]) -> Any:
        """Block this thread until it is done."""
        return asyncio.run_coroutine_threadsafe(_coroutine(work), self._loop).result()


async def _coroutine(work: Awaitable[Any]) -> Any:
    return await work
