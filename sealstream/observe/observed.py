"""Puts the observation of one process together, as its settings want it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager

import structlog
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from agents.commits.observation import Observer
from sealstream.address import parse_address
from sealstream.observe.both import Both
from sealstream.observe.endpoint import serving
from sealstream.observe.lags import Lags, keep_asking
from sealstream.observe.live import Live
from sealstream.observe.metrics import Metrics
from sealstream.observe.told import Told
from sealstream.settings import Settings
from sealstream.wiring import showing
from streams.frames import FrameConsumer
from streams.health import Health
from streams.storage.database import Database

log = structlog.get_logger(__name__)


class Observation:
    """What a process is observed by, and what of it.

    Attributes:
        observer: To be told of the work.
        url: Where metrics and health are served; None when they are not.
        registry: What metrics are served from, for those that are one role's alone.
    """

    def __init__(self) -> None:
        self.observer = Observer()
        self.url: str | None = None
        self.registry: CollectorRegistry | None = None
        self._consumer: FrameConsumer | None = None
        self._database: Database | None = None
        self._lanes: Database | None = None

    @contextmanager
    def consumer(self, consumer: FrameConsumer) -> Iterator[None]:
        """Show this consumer's partitions while the body runs."""
        self._consumer = consumer
        try:
            yield
        finally:
            self._consumer = None

    @contextmanager
    def logs(self, database: Database) -> Iterator[None]:
        """Show how far sequencer and relay are behind while the body runs, by this database."""
        self._database = database
        try:
            yield
        finally:
            self._database = None

    @contextmanager
    def lanes(self, database: Database) -> Iterator[None]:
        """Show what waits in lanes while the body runs, by this database."""
        self._lanes = database
        try:
            yield
        finally:
            self._lanes = None

    def lanes_now(self) -> Database | None:
        """The database that knows the lanes, while there is one."""
        return self._lanes

    def consumer_now(self) -> FrameConsumer | None:
        """The consumer, while there is one."""
        return self._consumer

    def database_now(self) -> Database | None:
        """The database that knows the logs, while there is one."""
        return self._database


@asynccontextmanager
async def observed(settings: Settings, role: str, health: Health) -> AsyncIterator[Observation]:
    """Observe a process while the body runs.

    Args:
        role: Its roles, joined by commas.

    Raises:
        ConfigurationError: The address can't be listened on, or traces are wanted and their libraries are not there.
    """
    observation = Observation()
    address = parse_address(settings.observe_listen)
    async with AsyncExitStack() as stack:
        if address is not None:
            registry = CollectorRegistry()
            for collector in (ProcessCollector, PlatformCollector, GCCollector):
                collector(registry=registry)
            metrics, lags = Metrics(registry), Lags()
            observation.observer, observation.registry = metrics, registry
            registry.register(
                Live(role, settings.group, health, lags, observation.consumer_now, lambda: metrics.registry_age)
            )
            listening = await stack.enter_async_context(serving(address, registry, health))
            observation.url = listening.url
            log.info("observe.listening", url=listening.url)
            asking = asyncio.create_task(
                keep_asking(
                    lags,
                    observation.consumer_now,
                    observation.database_now,
                    showing(settings).witnesses,
                    observation.lanes_now,
                ),
                name="lags",
            )
            stack.push_async_callback(_end, asking)
        if settings.otlp_endpoint is not None:
            from sealstream.observe.exporting import exporting

            traces = await stack.enter_async_context(exporting(settings.otlp_endpoint, role, settings.group))
            observation.observer = traces if address is None else Both(observation.observer, traces)
        if settings.log_level == "debug":
            observation.observer = Both(observation.observer, Told())
        yield observation


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
