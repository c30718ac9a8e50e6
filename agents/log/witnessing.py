"""Has checkpoints cosigned by witnesses, beside the sequencer and never in its way.

Each witness has a task of its own: one that is away, slow or refuses holds up no other. It is asked about each log's
newest checkpoint, with the proof from the size that it cosigned last. One that has cosigned what this log is not is an
alarm: either this database was put back, or the log has two histories. What is asked and answered is security.witness.
"""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

import structlog

from agents.log.attestor import LONGEST_PAUSE, Answer, AttestorAway, pause_seconds
from agents.log.tile_cache import TileCache
from agents.log.tree import NothingSigned, SignedTree
from schemas.errors import VerificationFailed
from security.checkpoint import parse_decimal
from security.note import Verifier
from security.witness import SIZE_CONTENT_TYPE, AddCheckpoint, format_add_checkpoint, verify_cosignatures
from streams.storage import witnessing
from streams.storage.database import Database
from streams.storage.sequencing import LogRow
from streams.storage.shards import list_shards
from streams.storage.witnessing import Cosignature

log = structlog.get_logger(__name__)

ATTEMPTS: Final = 3
"""Requests for one checkpoint: one may learn where the witness is, and another asker may have been quicker."""


class Standing(StrEnum):
    """How a witness stands with a log."""

    COSIGNED = "cosigned"
    AWAY = "away"
    REFUSED = "refused"
    """It does not know the log or its key, or what it answers is not what its protocol says."""
    UNPROVED = "unproved"
    """What is stored of the log is damaged, so that nothing can be proved of it."""
    CONFLICT = "conflict"
    """It has cosigned another history of this log, or a larger log than we have."""


class WitnessConnection(Protocol):
    """The way to one witness."""

    async def add_checkpoint(self, body: bytes) -> Answer:
        """Ask it to cosign.

        Raises:
            AttestorAway: There is no answer that means anything.
        """
        ...


@dataclass(slots=True)
class AskedWitness:
    """A witness with what is known of it.

    Attributes:
        verifier: Its key; what it signs is believed by this alone.
        said: How it last stood with each log, to tell when that changes.
        due: When it may be asked about a log again, where that is later than now.
    """

    verifier: Verifier
    connection: WitnessConnection
    said: dict[int, tuple[Standing, str]] = field(default_factory=dict)
    due: dict[int, float] = field(default_factory=dict)
    away_since: float | None = None


class Witnessing:
    """Asks all witnesses about all logs, as one owner.

    Args:
        every: Seconds from round to round.
        working: Told after each round of a witness, whatever came of it.
        chance: A random number from 0 to 1.
    """

    def __init__(
        self,
        database: Database,
        witnesses: Sequence[AskedWitness],
        *,
        every: float,
        working: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._database = database
        self._witnesses = witnesses
        self._every = every
        self._working = working
        self._clock = clock
        self._chance = chance
        self._cache = TileCache()

    async def run(self) -> None:
        """Ask until cancelled.

        Raises:
            Unavailable: The database is away.
        """
        try:
            async with asyncio.TaskGroup() as group:
                for witness in self._witnesses:
                    group.create_task(self._attend(witness), name=f"witness {witness.verifier.name}")
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from None

    async def _attend(self, witness: AskedWitness) -> None:
        while True:
            pause = await self.round(witness)
            self._working()
            await asyncio.sleep(pause)

    async def round(self, witness: AskedWitness) -> float:
        """Ask one witness about every log for which it is time; returns seconds until it may be asked again."""
        async with self._database.session() as connection:
            rows = [row for row in await list_shards(connection) if not row.is_dropped]
        now = self._clock()
        try:
            for row in rows:
                if witness.due.get(row.tree, 0) <= now:
                    standing, why = await self._ask(witness, row)
                    await self._say(witness, row, standing, why)
                    if standing is not Standing.COSIGNED:
                        witness.due[row.tree] = now + LONGEST_PAUSE * (0.5 + 0.5 * self._chance())
        except AttestorAway as exc:
            for row in rows:
                await self._say(witness, row, Standing.AWAY, str(exc))
            witness.away_since = now if witness.away_since is None else witness.away_since
            return pause_seconds(self._every, now - witness.away_since, self._chance())
        witness.away_since = None
        return self._every * (0.5 + 0.5 * self._chance())

    async def _ask(self, witness: AskedWitness, row: LogRow) -> tuple[Standing, str]:
        """Have the newest checkpoint of one log cosigned, if it is not yet."""
        old = None
        for _ in range(ATTEMPTS):
            try:
                request = await self._request(witness, row, old)
            except VerificationFailed as exc:
                return Standing.UNPROVED, str(exc)
            if request is None:
                return Standing.COSIGNED, ""
            size, body = request
            if body is None:
                return Standing.CONFLICT, f"it has cosigned {old} leaves, and this database holds {size}"
            answer = await witness.connection.add_checkpoint(format_add_checkpoint(body))
            match answer.status:
                case 200:
                    return await self._keep(witness, row, size, body.note, answer.body)
                case 409 if (told := _size_in(answer)) is not None:
                    old = told
                case 422:
                    return Standing.CONFLICT, f"it does not accept that {size} leaves extend {body.old_size}"
                case status:
                    return Standing.REFUSED, f"it answers {status}"
        return Standing.REFUSED, "it names another size each time"

    async def _request(
        self, witness: AskedWitness, row: LogRow, old: int | None
    ) -> tuple[int, AddCheckpoint | None] | None:
        """What to send, with the log's size; None where there is nothing to cosign, no body where the log is shorter.

        Args:
            old: Where the witness says it is; None to go by what is stored.
        """
        async with self._database.session() as connection:
            try:
                tree = await SignedTree.newest(connection, row, self._cache)
            except NothingSigned:
                return None
            size = tree.checkpoint.size
            stored = await witnessing.cosigned_size(connection, row.tree, witness.verifier.name)
            if old is None and stored >= size:
                return None
            start = stored if old is None else old
            if start > size:
                return size, None
            proof = await tree.consistency(start) if start else []
            return size, AddCheckpoint(start, tuple(proof), tree.note)

    async def _keep(
        self, witness: AskedWitness, row: LogRow, size: int, note: bytes, answer: bytes
    ) -> tuple[Standing, str]:
        name = witness.verifier.name
        try:
            (line,) = verify_cosignatures(answer, note, witness.verifier)
        except VerificationFailed as exc:
            return Standing.REFUSED, f"its answer does not verify: {exc}"
        async with self._database.session() as connection:
            await witnessing.store_cosignature(connection, row.tree, Cosignature(size, name, line))
        return Standing.COSIGNED, ""

    async def _say(self, witness: AskedWitness, row: LogRow, standing: Standing, why: str) -> None:
        """Tell a change to whoever reads logs, metrics or `doctor`."""
        if witness.said.get(row.tree) == (standing, why):
            return
        tell = log.error if standing in (Standing.CONFLICT, Standing.UNPROVED) else log.warning
        if standing is Standing.COSIGNED:
            tell = log.info
        tell(f"witness.{standing}", log=row.origin, witness=witness.verifier.name, why=why)
        async with self._database.session() as connection:
            await witnessing.store_state(connection, row.tree, witness.verifier.name, standing, why)
        witness.said[row.tree] = standing, why


def _size_in(answer: Answer) -> int | None:
    """The size that a witness tells with status 409."""
    if answer.content_type != SIZE_CONTENT_TYPE or not answer.body.endswith(b"\n"):
        return None
    return parse_decimal(answer.body[:-1].decode("ascii", "replace"))
