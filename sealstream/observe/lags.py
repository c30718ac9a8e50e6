"""How far the platform is behind, asked now and then: partitions' ends from the broker, logs from the database."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import structlog
from faust.types import TP

from streams.frames import FrameConsumer
from streams.storage.database import Database
from streams.storage.deferring import LaneDepth, lane_depths
from streams.storage.progress import LogLag, log_lag
from streams.storage.witnessing import WitnessState, witness_states

log = structlog.get_logger(__name__)

EVERY_SECONDS: Final = 5.0
PATIENCE_SECONDS: Final = 5.0


@dataclass(slots=True)
class Lags:
    """The last answers.

    Attributes:
        ends: Where each assigned partition ended; empty when the broker did not answer.
        log: How far sequencer and relay are behind; None when this process does not ask, or got no answer.
        witnesses: How each witness stands with each log; likewise.
        lanes: What waits in each lane; None when this process does not ask, or got no answer.
    """

    ends: Mapping[TP, int] = field(default_factory=dict)
    log: LogLag | None = None
    witnesses: Sequence[WitnessState] = ()
    lanes: Sequence[LaneDepth] | None = None


async def keep_asking(
    lags: Lags,
    consumer: Callable[[], FrameConsumer | None],
    database: Callable[[], Database | None],
    witnesses: Sequence[str] = (),
    lanes: Callable[[], Database | None] = lambda: None,
) -> None:
    """Ask until cancelled; an outage empties the answers and ends nothing.

    Args:
        consumer: Gives the consumer, while there is one.
        database: Gives the database, if this process has to do with the log and while there is one.
        witnesses: Names of those that are asked to cosign.
        lanes: Gives the database, if this process works lanes off and while there is one.
    """
    while True:
        lags.ends = await _ends(consumer())
        lags.log, lags.witnesses = await _log_lags(database(), witnesses)
        lags.lanes = await _lane_depths(lanes())
        await asyncio.sleep(EVERY_SECONDS)


async def _ends(consumer: FrameConsumer | None) -> Mapping[TP, int]:
    if consumer is None:
        return {}
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await consumer.reader.ends(consumer.assignment())
    except Exception as exc:  # whatever it is: no answer is no lag, and the health says what is away
        log.debug("lags.ends_unknown", error=type(exc).__name__)
        return {}


async def _lane_depths(database: Database | None) -> Sequence[LaneDepth] | None:
    if database is None:
        return None
    try:
        async with asyncio.timeout(PATIENCE_SECONDS), database.session() as connection:
            return await lane_depths(connection)
    except Exception as exc:  # likewise
        log.debug("lags.lanes_unknown", error=type(exc).__name__)
        return None


async def _log_lags(
    database: Database | None, witnesses: Sequence[str]
) -> tuple[LogLag | None, Sequence[WitnessState]]:
    if database is None:
        return None, ()
    try:
        async with asyncio.timeout(PATIENCE_SECONDS), database.session() as connection:
            return await log_lag(connection), await witness_states(connection, witnesses) if witnesses else ()
    except Exception as exc:  # likewise
        log.debug("lags.log_unknown", error=type(exc).__name__)
        return None, ()
