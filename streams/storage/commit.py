"""The one transaction that makes work durable: watermarks, identities, then everything else.

Lock order, always: watermarks by (topic, partition), identities by record id, entry keys by token, rows.
Two workers with overlapping ids deadlock in any other order.
"""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

import asyncpg

from streams.storage.commit_rows import CommitRows, are_few, usual_tables, write_rows
from streams.storage.database import Connection, Database
from streams.storage.erasing import Erased, find_erased
from streams.storage.one_statement import claim_and_write, rehearse
from streams.storage.recovered import Recovered, any_recovered, find_recovered, forget_recovered
from streams.storage.registry import RegistryChanged, hold_registry
from streams.storage.stalled import end_stalled_sessions
from streams.storage.watermarks import (
    PartialClaim,
    Partition,
    Step,
    WatermarkStep,
    claim_steps,
    step_arguments,
    stored_steps,
)

SMALL_COMMIT: Final = 32
"""Messages up to which a commit is one statement, where all that it claims looks free."""


@dataclass(frozen=True, slots=True)
class IdentityClaim:
    """A verified message asks for its record id; only one message ever gets it, the first one in commit order."""

    record_id: UUID
    digest: bytes
    place: Partition


@dataclass(frozen=True, slots=True)
class EntryClaim:
    """A booked statement entry asks for its entry key, to link repeats in other messages.

    Attributes:
        message_id: The message it came in, which must get its own id first.
        digest: That message's digest: another message of the same id, with other content, gets nothing.
    """

    log_id: int
    token: bytes
    record_id: UUID
    message_id: UUID
    digest: bytes


@dataclass(frozen=True, slots=True)
class Claims:
    """What the database granted.

    Attributes:
        won: Partitions whose watermark moved; the other frames' records are not part of the commit.
        taken: Record id to the digest stored for it, for ids that an earlier commit holds.
        first_entries: (log id, token) to the record that held the entry key first, for keys already held.
        recovered: Leaves of these records that were brought back from the audit topic.
        erased: What was erased before their rows were lost: nothing of it is kept again.
    """

    won: set[Partition]
    taken: Mapping[UUID, bytes]
    first_entries: Mapping[tuple[int, bytes], UUID]
    recovered: Recovered = field(default_factory=lambda: Recovered({}))
    erased: Erased = field(default_factory=Erased)


@dataclass(frozen=True, slots=True)
class CommitRequest:
    """What one commit wants: steps and claims first, rows once the claims are known.

    Attributes:
        finish: Called inside the transaction with what was granted; builds the rows. Must not wait. Called a second
            time where the first was only a hope: a small commit asks for the rows that it writes if all is granted.
        names: Every record and message that may get a leaf; looked up after a recovery only.
        registry: Revision of the key registry by which the records were judged; None when none was.
        before: Called inside the transaction before anything is claimed or written, to do what has to hold with it.
    """

    commit_id: int
    steps: Sequence[Step]
    identities: Sequence[IdentityClaim]
    entries: Sequence[EntryClaim]
    finish: Callable[[Claims], CommitRows]
    registry: int | None = None
    names: Callable[[], Collection[UUID]] = tuple
    before: Callable[[Connection], Awaitable[None]] | None = None


class CommitStore:
    """Writes commits for one consumer group on one cluster."""

    def __init__(self, database: Database, *, group: str, cluster: str) -> None:
        self._database = database
        self.group = group
        self.cluster = cluster
        self._after_recovery: bool | None = None

    async def commit(self, request: CommitRequest) -> set[Partition]:
        """Commit, durably when it returns.

        Returns:
            The partitions that moved. A partition that is missing lost its compare-and-set: seek it to its stored
            position and read again.

        Raises:
            RegistryChanged: The records have to be judged anew; nothing is stored.
        """
        steps = list(request.steps)
        async with self._database.session(clean=True) as connection:
            while True:
                try:
                    return await self._attempt(connection, request, steps)
                except PartialClaim as claim:
                    steps = [step for step in steps if step.place not in claim.places]
                except asyncpg.LockNotAvailableError:
                    await end_stalled_sessions(connection)
                    raise

    async def rehearse(self) -> None:
        """Commit nothing, so that the first small commit is as fast as later ones."""
        async with self._database.session(clean=True) as connection:
            await rehearse(connection, usual_tables())

    async def committed(self, steps: Collection[WatermarkStep], commit_ids: Collection[int]) -> set[Partition]:
        """Which of these steps one of these commits has stored: the answer to a commit whose outcome is unknown."""
        async with self._database.session() as connection:
            return await stored_steps(connection, self.group, self.cluster, steps, commit_ids)

    async def _attempt(self, connection: Connection, request: CommitRequest, steps: Sequence[Step]) -> set[Partition]:
        if _only_writes(request):
            await _write_alone(connection, request.finish(Claims(set(), {}, {})))
            return set()
        after_recovery = await self._is_after_recovery(connection)
        if steps and not after_recovery and _is_plain(request) and await self._at_once(connection, request, steps):
            return {step.place for step in steps}
        async with connection.transaction():
            if request.registry is not None:
                await hold_registry(connection, request.registry)
            if request.before is not None:
                await request.before(connection)
            won: set[Partition] = set()
            if steps:
                won = await claim_steps(connection, self.group, self.cluster, request.commit_id, steps)
            if request.steps and not won:
                return won
            wanted: dict[UUID, IdentityClaim] = {}
            for claim in request.identities:
                if claim.place in won:
                    wanted.setdefault(claim.record_id, claim)
            taken = await claim_identities(connection, request.commit_id, wanted.values())
            digests = {name: claim.digest for name, claim in wanted.items() if name not in taken}
            entries = [claim for claim in request.entries if digests.get(claim.message_id) == claim.digest]
            first = await claim_entries(connection, entries)
            recovered = await find_recovered(connection, request.names()) if after_recovery else Recovered({})
            erased = await find_erased(connection, request.names()) if after_recovery else Erased()
            await write_rows(connection, request.finish(Claims(won, taken, first, recovered, erased)))
            if recovered.taken:
                await forget_recovered(connection, recovered.taken)
        return won

    async def _is_after_recovery(self, connection: Connection) -> bool:
        """Whether there are recovered leaves; a recovery runs while no worker does, so one look tells."""
        if self._after_recovery is None:
            self._after_recovery = await any_recovered(connection)
        return self._after_recovery

    async def _at_once(self, connection: Connection, request: CommitRequest, steps: Sequence[Step]) -> bool:
        """Claim and write everything in one statement, in the hope that all is granted; returns whether it was.

        Raises:
            RegistryChanged: See `commit`.
        """
        tables = request.finish(Claims({step.place for step in steps}, {}, {})).tables()
        if not are_few(tables):
            return False
        arguments = step_arguments(self.group, self.cluster, request.commit_id, steps)
        identities = {claim.record_id: claim.digest for claim in sorted(request.identities, key=_by_id)}
        try:
            claimed = await claim_and_write(connection, arguments, identities, request.registry, tables)
        except asyncpg.UniqueViolationError:
            # Another commit took some of it at the same moment: which, is seen one claim after the other.
            return False
        if not claimed.held:
            raise RegistryChanged
        return claimed.done


async def _write_alone(connection: Connection, rows: CommitRows) -> None:
    """Write the rows of a commit that claims nothing; few of them are one statement, a transaction without a frame."""
    if are_few(rows.tables()):
        await write_rows(connection, rows)
        return
    async with connection.transaction():
        await write_rows(connection, rows)


def _only_writes(request: CommitRequest) -> bool:
    """Whether a commit has rows to write, and asks for nothing that another may hold."""
    claims = request.steps or request.identities or request.entries or request.names()
    return not claims and request.registry is None and request.before is None


def _is_plain(request: CommitRequest) -> bool:
    """Whether a commit is small, and only earlier commits can keep it from getting all that it claims."""
    return (
        len(request.identities) <= SMALL_COMMIT
        and not request.entries
        and request.before is None
        and len({claim.record_id for claim in request.identities}) == len(request.identities)
    )


def _by_id(claim: IdentityClaim) -> bytes:
    return claim.record_id.bytes


async def claim_identities(
    connection: Connection, commit_id: int, claims: Iterable[IdentityClaim]
) -> dict[UUID, bytes]:
    """Take ids, each at most once in `claims`; returns the digests of those that an earlier commit holds."""
    ordered = sorted(claims, key=_by_id)
    if not ordered:
        return {}
    ids = [claim.record_id for claim in ordered]
    won = await connection.fetch(
        """
        INSERT INTO identities (record_id, digest, commit_id)
        SELECT i.record_id, i.digest, $3 FROM unnest($1::uuid[], $2::bytea[]) WITH ORDINALITY AS i(record_id, digest, n)
        ORDER BY i.n
        ON CONFLICT DO NOTHING RETURNING record_id
        """,
        ids,
        [claim.digest for claim in ordered],
        commit_id,
    )
    if len(won) == len(ids):
        return {}
    granted = {row["record_id"] for row in won}
    rows = await connection.fetch(
        "SELECT record_id, digest FROM identities WHERE record_id = ANY($1::uuid[])",
        [record_id for record_id in ids if record_id not in granted],
    )
    return {row["record_id"]: row["digest"] for row in rows}


async def claim_entries(connection: Connection, claims: Iterable[EntryClaim]) -> dict[tuple[int, bytes], UUID]:
    """Take entry keys; returns who holds each of them."""
    ordered = sorted(claims, key=lambda claim: (claim.log_id, claim.token))
    if not ordered:
        return {}
    logs, tokens = [claim.log_id for claim in ordered], [claim.token for claim in ordered]
    await connection.execute(
        """
        INSERT INTO entry_keys (log_id, token, record_id)
        SELECT e.log_id, e.token, e.record_id
        FROM unnest($1::int[], $2::bytea[], $3::uuid[]) WITH ORDINALITY AS e(log_id, token, record_id, n)
        ORDER BY e.n ON CONFLICT DO NOTHING
        """,
        logs,
        tokens,
        [claim.record_id for claim in ordered],
    )
    rows = await connection.fetch(
        """
        SELECT k.log_id, k.token, k.record_id FROM entry_keys k
        JOIN unnest($1::int[], $2::bytea[]) AS e(log_id, token) USING (log_id, token)
        """,
        logs,
        tokens,
    )
    return {(row["log_id"], row["token"]): row["record_id"] for row in rows}
