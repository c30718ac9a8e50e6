"""The one transaction that makes work durable: watermarks, identities, then COPY of everything else.

Lock order, always: watermarks by (topic, partition), identities by record id, entry keys by token, rows.
Two workers with overlapping ids deadlock in any other order.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, Final
from uuid import UUID

import asyncpg

from streams.storage.database import Connection, Database
from streams.storage.recovered import Recovered, any_recovered, find_recovered, forget_recovered
from streams.storage.registry import hold_registry
from streams.storage.stalled import end_stalled_sessions
from streams.storage.watermarks import PartialClaim, Partition, Step, WatermarkStep, claim_steps, stored_steps

Row = tuple[Any, ...]

_COPIES: Final[Mapping[str, tuple[str, ...]]] = {
    "messages": (
        "message_id", "log_id", "tenant", "domain", "commit_id", "leaf", "type", "outcome", "topic", "part",
        "kafka_offset", "stamped_at", "received_at", "pass_id", "evidence",
    ),
    "results": (
        "record_id", "message_id", "n", "log_id", "tenant", "domain", "commit_id", "leaf", "type", "outcome", "note",
        "linked", "pass_id", "sealed",
    ),
    "terms": ("log_id", "field", "token", "record_id"),
    "dead_letters": (
        "dead_letter_id", "message_id", "log_id", "tenant", "commit_id", "leaf", "reason", "detail", "topic", "part",
        "kafka_offset",
    ),
    "replays": ("log_id", "commit_id", "leaf", "dead_letter_id", "tenant", "outcome", "reason"),
    "disclosures": ("log_id", "commit_id", "leaf", "tenant", "pass_id", "sealed"),
    "data_keys": ("pass_id", "tenant", "domain", "tier", "tier_key_id", "wrapped"),
    "commits": (
        "log_id", "commit_id", "leaf_count", "leaves_root", "hashes", "watermark", "worker_id", "signature",
    ),
    "bundles": ("log_id", "commit_id", "ends", "body"),
}  # fmt: skip


_RESULT_OUTCOME: Final = itemgetter(_COPIES["results"].index("outcome"))
_RESULT_NUMBER: Final = itemgetter(_COPIES["results"].index("n"))
_LETTER_REASON: Final = itemgetter(_COPIES["dead_letters"].index("reason"))
_MESSAGE_OUTCOME: Final = itemgetter(_COPIES["messages"].index("outcome"))


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
    """

    won: set[Partition]
    taken: Mapping[UUID, bytes]
    first_entries: Mapping[tuple[int, bytes], UUID]
    recovered: Recovered = field(default_factory=lambda: Recovered({}))


@dataclass(slots=True)
class CommitRows:
    """Rows to copy, by table, in the column order of this module."""

    messages: list[Row] = field(default_factory=list)
    results: list[Row] = field(default_factory=list)
    terms: list[Row] = field(default_factory=list)
    dead_letters: list[Row] = field(default_factory=list)
    replays: list[Row] = field(default_factory=list)
    disclosures: list[Row] = field(default_factory=list)
    data_keys: list[Row] = field(default_factory=list)
    commits: list[Row] = field(default_factory=list)
    bundles: list[Row] = field(default_factory=list)

    def outcomes(self, messages: int) -> Counter[tuple[str, str, str]]:
        """How many records there are of each (kind of leaf, outcome, reason).

        Statements are counted as accepted, beside their entries.

        Args:
            messages: How many messages went into the commit; one that repeats another has no row.
        """
        counts = Counter(("result", outcome, "") for outcome in map(_RESULT_OUTCOME, self.results))
        counts.update(("rejected", "rejected", reason) for reason in map(_LETTER_REASON, self.dead_letters))
        alone = sum(number is None for number in map(_RESULT_NUMBER, self.results))
        if statements := sum(outcome == "accepted" for outcome in map(_MESSAGE_OUTCOME, self.messages)) - alone:
            counts["accepted", "accepted", ""] = statements
        if repeats := messages - len(self.messages):
            counts["duplicate", "duplicate", ""] = repeats
        return counts


@dataclass(frozen=True, slots=True)
class CommitRequest:
    """What one commit wants: steps and claims first, rows once the claims are known.

    Attributes:
        finish: Called inside the transaction with what was granted; builds the rows. Must not wait.
        names: Every record and message that may get a leaf; looked up after a recovery only.
        registry: Revision of the key registry by which the records were judged; None when none was.
    """

    commit_id: int
    steps: Sequence[Step]
    identities: Sequence[IdentityClaim]
    entries: Sequence[EntryClaim]
    finish: Callable[[Claims], CommitRows]
    registry: int | None = None
    names: Callable[[], Collection[UUID]] = tuple


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
        async with self._database.session() as connection:
            while True:
                try:
                    return await self._attempt(connection, request, steps)
                except PartialClaim as claim:
                    steps = [step for step in steps if step.place not in claim.places]
                except asyncpg.LockNotAvailableError:
                    await end_stalled_sessions(connection)
                    raise

    async def committed(self, steps: Collection[WatermarkStep], commit_ids: Collection[int]) -> set[Partition]:
        """Which of these steps one of these commits has stored: the answer to a commit whose outcome is unknown."""
        async with self._database.session() as connection:
            return await stored_steps(connection, self.group, self.cluster, steps, commit_ids)

    async def _attempt(self, connection: Connection, request: CommitRequest, steps: Sequence[Step]) -> set[Partition]:
        async with connection.transaction():
            if request.registry is not None:
                await hold_registry(connection, request.registry)
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
            granted = {name: claim.digest for name, claim in wanted.items() if name not in taken}
            entries = [claim for claim in request.entries if granted.get(claim.message_id) == claim.digest]
            first = await claim_entries(connection, entries)
            recovered = await self._recovered(connection, request)
            await copy_rows(connection, request.finish(Claims(won, taken, first, recovered)))
            if recovered.taken:
                await forget_recovered(connection, recovered.taken)
        return won

    async def _recovered(self, connection: Connection, request: CommitRequest) -> Recovered:
        """Recovered leaves of this commit's records; a recovery runs while no worker does, so one look tells."""
        if self._after_recovery is None:
            self._after_recovery = await any_recovered(connection)
        if not self._after_recovery:
            return Recovered({})
        return await find_recovered(connection, request.names())


async def claim_identities(
    connection: Connection, commit_id: int, claims: Iterable[IdentityClaim]
) -> dict[UUID, bytes]:
    """Take ids, each at most once in `claims`; returns the digests of those that an earlier commit holds."""
    ordered = sorted(claims, key=lambda claim: claim.record_id.bytes)
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


async def copy_rows(connection: Connection, rows: CommitRows) -> None:
    """Write the rows of a commit."""
    for table, columns in _COPIES.items():
        records = getattr(rows, table)
        if records:
            await connection.copy_records_to_table(table, records=records, columns=columns)
