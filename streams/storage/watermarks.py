"""Progress of a consumer group: PostgreSQL is the only truth about it. Steps are only ever inserted.

Whether a stored position still fits what the broker holds is agents.intake.continuity's question.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec

from streams.storage.database import Connection

Partition = tuple[str, int]

NO_POSITION: Final = -1


class Mark(NamedTuple):
    """What identifies the log that a position belongs to; whatever is not known is None.

    Attributes:
        topic_id: The broker's id of the topic: a topic created again by the same name has another.
        leader_epoch: Epoch of the leader that appended the last record's batch.
        last_offset: Where the last record before the position stands: gaps may follow it.
        last_digest: Keyed digest of that record.
    """

    topic_id: UUID | None = None
    leader_epoch: int | None = None
    last_offset: int | None = None
    last_digest: bytes | None = None


@dataclass(frozen=True, slots=True)
class StoredPosition:
    """Where a partition is to be read on.

    Attributes:
        era: How often somebody moved the watermark deliberately.
        offset: The next offset to read.
    """

    era: int
    offset: int
    mark: Mark


class StepRow(NamedTuple):
    """One row of watermark_steps, without what all rows of a commit share."""

    topic: str
    partition: int
    era: int
    from_offset: int
    to_offset: int
    mark: Mark


@dataclass(frozen=True, slots=True)
class WatermarkStep:
    """One partition moved from a position to the next, as part of a commit.

    Attributes:
        first_ever: No position was stored before; the step from -1 to `from_offset` is written with this one.
    """

    topic: str
    partition: int
    from_offset: int
    to_offset: int
    first_ever: bool
    mark: Mark
    era: int = 0

    @property
    def place(self) -> Partition:
        """Topic and partition."""
        return self.topic, self.partition

    @property
    def expected(self) -> tuple[int, int] | None:
        """Era and position that must be stored; None when none may be."""
        return None if self.first_ever else (self.era, self.from_offset)

    def rows(self) -> list[StepRow]:
        """What this step writes."""
        own = StepRow(*self.place, self.era, self.from_offset, self.to_offset, self.mark)
        if not self.first_ever:
            return [own]
        return [StepRow(*self.place, self.era, NO_POSITION, self.from_offset, Mark(self.mark.topic_id)), own]


@dataclass(frozen=True, slots=True)
class WatermarkMove:
    """Somebody moved a watermark deliberately, forwards or backwards.

    A step of no length closes the era in which the position was stored, so that whoever still works in it loses its
    compare-and-set; the next era begins at the new position.

    Attributes:
        stored: The position before; None where there was none.
        topic_id: The topic that the new position belongs to.
    """

    topic: str
    partition: int
    stored: StoredPosition | None
    to_offset: int
    topic_id: UUID | None

    @property
    def place(self) -> Partition:
        """Topic and partition."""
        return self.topic, self.partition

    @property
    def expected(self) -> tuple[int, int] | None:
        """Era and position that must be stored; None when none may be."""
        return None if self.stored is None else (self.stored.era, self.stored.offset)

    def rows(self) -> list[StepRow]:
        """What this move writes."""
        mark = Mark(self.topic_id)
        if self.stored is None:
            return [StepRow(*self.place, 0, NO_POSITION, self.to_offset, mark)]
        era, offset = self.stored.era, self.stored.offset
        return [
            StepRow(*self.place, era, offset, offset, self.stored.mark),
            StepRow(*self.place, era + 1, NO_POSITION, self.to_offset, mark),
        ]


Step = WatermarkStep | WatermarkMove

SignedMark = tuple[int, UUID | None, int | None, int | None, bytes | None]
"""Era, topic id, leader epoch, last offset, last digest."""


class WatermarkText(msgspec.Struct, frozen=True):
    """The signed form of a commit's steps.

    Attributes:
        steps: (topic, partition, from, to) of each row, in order of topic, partition, era and from.
        marks: The rest of each row, in the same order; absent in commits of the first version.
    """

    cluster: str
    group: str
    steps: list[tuple[str, int, int, int]]
    marks: list[SignedMark] | None = None


def encode_watermark(group: str, cluster: str, steps: Iterable[Step]) -> bytes:
    """The bytes that the worker signs and the commit row keeps."""
    rows = _sorted_rows(steps)
    return msgspec.json.encode(
        WatermarkText(
            cluster=cluster,
            group=group,
            steps=[(row.topic, row.partition, row.from_offset, row.to_offset) for row in rows],
            marks=[(row.era, *row.mark) for row in rows],
        )
    )


def _sorted_rows(steps: Iterable[Step]) -> list[StepRow]:
    return sorted((row for step in steps for row in step.rows()), key=lambda row: row[:4])


async def read_positions(
    connection: Connection, group: str, cluster: str, places: Collection[Partition]
) -> dict[Partition, StoredPosition]:
    """The position of each partition that has one."""
    rows = await connection.fetch(
        """
        SELECT p.topic, p.part, w.era, w.to_offset, w.topic_id, w.leader_epoch, w.last_offset, w.last_digest
        FROM unnest($3::text[], $4::int[]) AS p(topic, part)
        CROSS JOIN LATERAL (
            SELECT * FROM watermark_steps
            WHERE grp = $1 AND cluster = $2 AND topic = p.topic AND part = p.part
            ORDER BY era DESC, from_offset DESC LIMIT 1
        ) AS w
        """,
        group,
        cluster,
        [topic for topic, _ in places],
        [partition for _, partition in places],
    )
    return {
        (row["topic"], row["part"]): StoredPosition(
            row["era"],
            row["to_offset"],
            Mark(_plain(row["topic_id"]), row["leader_epoch"], row["last_offset"], row["last_digest"]),
        )
        for row in rows
    }


def _plain(found: UUID | None) -> UUID | None:
    """The driver's own class, which the encoder of the signed text doesn't know, as Python's."""
    return None if found is None else UUID(bytes=found.bytes)


class PartialClaim(Exception):
    """Two workers met on a partition's very first step, or one on a move; try again without that partition."""

    def __init__(self, places: set[Partition]) -> None:
        super().__init__("a partition's rows were claimed by two at once")
        self.places = places


# The arrays come through subqueries, for the reason that streams.storage.one_statement gives.
_WANTED: Final = """
    unnest((SELECT $4::text[]), (SELECT $5::int[]), (SELECT $6::int[]), (SELECT $7::bigint[]), (SELECT $8::bigint[]),
        (SELECT $9::uuid[]), (SELECT $10::int[]), (SELECT $11::bigint[]), (SELECT $12::bytea[]),
        (SELECT $13::int[]), (SELECT $14::bigint[])) AS s(topic, part, era, from_offset, to_offset,
        topic_id, leader_epoch, last_offset, last_digest, stored_era, stored_offset)
    """
_AND_STORED: Final = f"""
    {_WANTED} LEFT JOIN LATERAL (
        SELECT w.era, w.to_offset FROM watermark_steps w
        WHERE w.grp = $1 AND w.cluster = $2 AND w.topic = s.topic AND w.part = s.part
        ORDER BY w.era DESC, w.from_offset DESC LIMIT 1
    ) AS last ON true
    """  # noqa: S608  our own texts
_AS_EXPECTED: Final = "(last.era, last.to_offset) IS NOT DISTINCT FROM (s.stored_era, s.stored_offset)"
_INSERT: Final = """
    INSERT INTO watermark_steps (grp, cluster, commit_id, topic, part, era, from_offset, to_offset,
        topic_id, leader_epoch, last_offset, last_digest)
    SELECT $1, $2, $3, s.topic, s.part, s.era, s.from_offset, s.to_offset,
        s.topic_id, s.leader_epoch, s.last_offset, s.last_digest
    """
_IN_ORDER: Final = "ORDER BY s.topic, s.part, s.era, s.from_offset"

STEPS_STAND: Final = f"SELECT bool_and({_AS_EXPECTED}) FROM {_AND_STORED}"  # noqa: S608  our own texts
"""Whether every partition stands where its step begins. Arguments are those of `step_arguments`."""

MOVE_STEPS: Final = f"{_INSERT} FROM {_WANTED} WHERE {{condition}} {_IN_ORDER} RETURNING 1"
"""Writes all steps where a condition holds, and fails where one is there already; the same arguments."""

_CLAIM_STEPS: Final = (
    f"{_INSERT} FROM {_AND_STORED} WHERE {_AS_EXPECTED} {_IN_ORDER} ON CONFLICT DO NOTHING RETURNING topic, part"
)


def step_arguments(group: str, cluster: str, commit_id: int, steps: Sequence[Step]) -> list[Any]:
    """The arguments of the statements that move watermarks, numbered from 1: `STEP_ARGUMENTS` of them."""
    expected = {step.place: step.expected or (None, None) for step in steps}
    if len(expected) != len(steps):
        raise ValueError("a commit moves each partition's watermark once")
    rows = [(*row[:-1], *row.mark, *expected[row.topic, row.partition]) for row in _sorted_rows(steps)]
    return [group, cluster, commit_id, *map(list, zip(*rows, strict=True))]


STEP_ARGUMENTS: Final = 14


def moved(steps: Sequence[Step], written: Iterable[Partition]) -> set[Partition]:
    """The partitions that moved. The others stood elsewhere: their frames must be dropped and re-read.

    Args:
        written: The partition of each row that was written.

    Raises:
        PartialClaim: A step of two rows was won only in part; roll back and leave the partition out.
    """
    counts = Counter(written)
    partial = {step.place for step in steps if 0 < counts[step.place] < len(step.rows())}
    if partial:
        raise PartialClaim(partial)
    return set(counts)


async def stored_steps(
    connection: Connection, group: str, cluster: str, steps: Collection[WatermarkStep], commit_ids: Collection[int]
) -> set[Partition]:
    """The partitions among `steps` whose step is stored as part of one of these commits."""
    rows = await connection.fetch(
        """
        SELECT w.topic, w.part
        FROM unnest($3::text[], $4::int[], $5::int[], $6::bigint[]) AS s(topic, part, era, from_offset)
        JOIN watermark_steps w ON w.grp = $1 AND w.cluster = $2
            AND w.topic = s.topic AND w.part = s.part AND w.era = s.era AND w.from_offset = s.from_offset
        WHERE w.commit_id = ANY ($7::bigint[])
        """,
        group,
        cluster,
        [step.topic for step in steps],
        [step.partition for step in steps],
        [step.era for step in steps],
        [step.from_offset for step in steps],
        list(commit_ids),
    )
    return {(row["topic"], row["part"]) for row in rows}


async def claim_steps(
    connection: Connection, group: str, cluster: str, commit_id: int, steps: Sequence[Step]
) -> set[Partition]:
    """Move the watermarks by compare-and-set, locked in (topic, partition) order; returns the partitions that moved.

    Raises:
        PartialClaim: See `moved`.
    """
    arguments = step_arguments(group, cluster, commit_id, steps)
    return moved(steps, [(row["topic"], row["part"]) for row in await connection.fetch(_CLAIM_STEPS, *arguments)])
