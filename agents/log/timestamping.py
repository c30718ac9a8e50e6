"""Has checkpoints timestamped by an RFC 3161 authority, beside the sequencer and never in its way.

One checkpoint now and then is enough: a timestamp over it dates every leaf below it. What counts as one is
security.timestamp.
"""

import asyncio
import datetime as dt
import random
import time
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import structlog
from cryptography import x509

from agents.log.attestor import LONGEST_PAUSE, Answer, AttestorAway, pause_seconds
from security.timestamp import BadTimestamp, request_timestamp, verify_timestamp
from streams.storage import timestamping
from streams.storage.database import Database
from streams.storage.timestamping import StoredTimestamp, Unstamped

log = structlog.get_logger(__name__)

CLOCKS_APART: Final = dt.timedelta(minutes=5)
"""An authority that tells a time farther from ours has a wrong clock, or we have: neither is worth keeping."""

OK: Final = 200


class AuthorityConnection(Protocol):
    """The way to a timestamp authority."""

    async def stamp(self, request: bytes) -> Answer:
        """Ask it.

        Raises:
            AttestorAway: There is no answer that means anything.
        """
        ...


class Timestamping:
    """Asks one authority about all logs, as one owner.

    Args:
        authorities: Certificates that its signer's chain must end in.
        every: Seconds from one timestamp of a log to the next.
        working: Told after each round, whatever came of it.
        chance: A random number from 0 to 1.
    """

    def __init__(
        self,
        database: Database,
        authority: AuthorityConnection,
        authorities: Sequence[x509.Certificate],
        *,
        every: float,
        working: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._database = database
        self._authority = authority
        self._authorities = authorities
        self._every = every
        self._working = working
        self._clock = clock
        self._now = now
        self._chance = chance
        self._away_since: float | None = None
        self._told = ""

    async def run(self) -> None:
        """Ask until cancelled.

        Raises:
            Unavailable: The database is away.
        """
        while True:
            pause = await self.round()
            self._working()
            await asyncio.sleep(pause)

    async def round(self) -> float:
        """Have each log's newest checkpoint stamped, where none is yet; returns seconds until the next round."""
        async with self._database.session() as connection:
            waiting = await timestamping.unstamped(connection)
        try:
            for each in waiting:
                await self._stamp(each)
        except AttestorAway as exc:
            now = self._clock()
            self._away_since = now if self._away_since is None else self._away_since
            self._tell("timestamp.away", str(exc))
            return pause_seconds(1.0, now - self._away_since, self._chance())
        except BadTimestamp as exc:
            self._tell("timestamp.refused", str(exc))
            return LONGEST_PAUSE * (0.5 + 0.5 * self._chance())
        self._away_since = None
        self._told = ""
        return self._every

    async def _stamp(self, waiting: Unstamped) -> None:
        note = waiting.note.encode()
        request = request_timestamp(note)
        answer = await self._authority.stamp(request.body)
        if answer.status != OK:
            raise BadTimestamp(f"the authority answers {answer.status}")
        seen = verify_timestamp(answer.body, note, self._authorities, request.nonce)
        if abs(seen - self._now()) > CLOCKS_APART:
            raise BadTimestamp(f"the authority's time is {seen:%Y-%m-%dT%H:%M:%SZ}, which is not now")
        async with self._database.session() as connection:
            stamped = StoredTimestamp(waiting.size, answer.body, seen)
            await timestamping.store_timestamp(connection, waiting.log_id, stamped)
        log.info("timestamp.stored", log=waiting.origin, size=waiting.size)

    def _tell(self, event: str, why: str) -> None:
        """Once for each reason, not at each attempt."""
        if self._told != why:
            self._told = why
            tell = log.warning if event == "timestamp.away" else log.error
            tell(event, why=why)
