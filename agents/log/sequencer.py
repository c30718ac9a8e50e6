"""Gives committed leaves their place in the log, keeps tree and tiles, signs checkpoints. One owner for all logs.

A commit is checked before it gets a place: its root must be the root of its hashes, and its worker's key, certified
by the authority, must have signed it. One that fails is left without a place and reported; the log goes on. A log
whose stored tree contradicts what was signed stops; the others go on.
"""

import datetime as dt
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Protocol

import structlog

from agents.log.commit_checker import CommitChecker
from agents.log.log_sequencer import COMMITS_PER_STEP, NEVER, LogSequencer
from agents.log.publication_check import refuse_if_behind
from schemas.errors import VerificationFailed
from security.note import Signer
from streams.pacing import Pacing
from streams.probe import Probe, no_probe
from streams.storage import sequencing
from streams.storage.database import Connection, Database
from streams.storage.ownership import owned
from streams.storage.relaying import RelayPosition
from streams.storage.sequencing import LogRow
from streams.storage.shards import NextShard
from streams.storage.snapshots import current_snapshot

__all__ = ["COMMITS_PER_STEP", "CommitChecker", "Sequencer"]

log = structlog.get_logger(__name__)

LOGS_EVERY: Final = dt.timedelta(seconds=1)
BEHIND_EVERY: Final = dt.timedelta(milliseconds=500)


class ShardOpening(Protocol):
    """Begins the shard that follows a closed one; see agents.shards.closing."""

    async def open(self, connection: Connection, closed: LogSequencer, following: NextShard) -> None:
        """Begin it."""
        ...


class Sequencer:
    """Runs every log of the platform while it holds the sequencer's lock.

    Args:
        signer_for: Gives the note signer of a log; its key never reaches the database.
        authority: Public key that certifies workers.
        published: Tells how far each log is published, by the broker's word.
        working: Told after each round, and while another process holds the lock.
        behind: What is done behind the commits, twice a second, or at once where it
                returns that there is more to do: keeping the sources' order.
        opener: Opens the next shard of a log where one is closed; without it, such a log waits for a sequencer that
            has one.
        probe: Is told each point that is passed.
    """

    def __init__(
        self,
        database: Database,
        signer_for: Callable[[LogRow], Signer],
        authority: bytes,
        published: Callable[[], Awaitable[Mapping[str, RelayPosition]]],
        *,
        checkpoint_every: dt.timedelta = dt.timedelta(seconds=1),
        clock: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
        working: Callable[[], None] = lambda: None,
        behind: Callable[[], Awaitable[bool]] | None = None,
        opener: "ShardOpening | None" = None,
        probe: Probe = no_probe,
    ) -> None:
        self._database = database
        self._working = working
        self._behind = behind
        self._opener = opener
        self._behind_at = NEVER
        self._signer_for = signer_for
        self._checker = CommitChecker(authority)
        self._published = published
        self._checkpoint_every = checkpoint_every
        self._clock = clock
        self._probe = probe
        self._logs: dict[int, LogSequencer] = {}
        self._stopped: set[int] = set()
        self._listed_at = NEVER
        self._at_rest = False

    async def run(self) -> None:
        """Sequence until cancelled; waits while another process holds the lock. May be called again after an error.

        Raises:
            Unavailable: The lock was lost, another sequencer has taken over, or a server is away: run again.
            BehindPublication: The database holds less than what is published.
        """
        async with (
            owned(self._database, sequencing.SEQUENCER_LOCK, self._working),
            self._database.session() as connection,
        ):
            self._logs.clear()
            self._stopped.clear()
            self._listed_at = NEVER
            await refuse_if_behind(connection, await self._published())
            pacing = Pacing()
            while True:
                placed = await self.step(connection)
                self._working()
                more = self.more
                if self._behind is not None and self._clock() - self._behind_at >= BEHIND_EVERY:
                    # Placing goes first: what is left to do waits for the next round.
                    left = await self._behind()
                    self._behind_at = NEVER if left else self._clock()
                    more = more or left
                await pacing.rest(found=placed > 0, more=more)

    @property
    def more(self) -> bool:
        """Whether the last round stopped at its limit in some log."""
        return any(each.more for each in self._logs.values())

    async def step(self, connection: Connection) -> int:
        """One round over all logs; returns how many leaves got a place."""
        now = self._clock()
        if now - self._listed_at >= LOGS_EVERY:
            await self._take_over_new(connection)
            self._listed_at = now
        # At rest, one question says that there is none for any log; at work, it would only come before the others.
        snapshot = await current_snapshot(connection) if self._at_rest else None
        placed = 0
        for each in list(self._logs.values()):
            try:
                placed += await each.step(connection, self._checker, now, self._checkpoint_every, snapshot)
                if each.is_final:
                    placed += await self._go_on(connection, each)
            except VerificationFailed as exc:
                self._stop(each.row, exc)
        self._at_rest = not placed
        return placed

    async def _take_over_new(self, connection: Connection) -> None:
        for row in await sequencing.list_logs(connection):
            if row.log_id not in self._logs and row.log_id not in self._stopped:
                try:
                    self._logs[row.log_id] = await LogSequencer.take_over(
                        connection, row, self._signer_for, self._probe
                    )
                except VerificationFailed as exc:
                    self._stop(row, exc)

    async def _go_on(self, connection: Connection, closed: LogSequencer) -> int:
        """Open the shard that follows a final one; returns how many leaves got a place."""
        if self._opener is None or closed.following is None:
            return 0
        await self._opener.open(connection, closed, closed.following)
        self._probe("opened")
        log.info("sequencer.shard_opened", log=closed.following.origin, after=closed.shard.origin)
        self._logs[closed.row.log_id] = await LogSequencer.take_over(
            connection, closed.row, self._signer_for, self._probe
        )
        return 1

    def _stop(self, row: LogRow, error: VerificationFailed) -> None:
        """Building on it would sign the damage; the other logs go on."""
        log.error("sequencer.log_stopped", log=row.origin, error=str(error))
        self._stopped.add(row.log_id)
        self._logs.pop(row.log_id, None)
