"""Progress of a consumer group: PostgreSQL is the only truth about it. Steps are only ever inserted."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import msgspec

from streams.storage.database import Connection

Partition = tuple[str, int]

NO_POSITION = -1


@dataclass(frozen=True, slots=True)
class WatermarkStep:
    """One partition moved from a position to the next, as part of a commit.

    Attributes:
        first_ever: No position was stored before; the step from -1 to `from_offset` is written with this one.
        last_digest: Keyed digest of the last record, to recognise a recreated topic.
    """

    topic: str
    partition: int
    from_offset: int
    to_offset: int
    first_ever: bool
    last_digest: bytes

    @property
    def place(self) -> Partition:
        """Topic and partition."""
        return self.topic, self.partition

    def spans(self) -> tuple[tuple[int, int], ...]:
        """The rows this step writes: (from, to) pairs."""
        own = (self.from_offset, self.to_offset)
        return ((NO_POSITION, self.from_offset), own) if self.first_ever else (own,)


class WatermarkText(msgspec.Struct, frozen=True):
    """The signed form of a commit's steps; `steps` are (topic, partition, from, to) in sorted order."""

    cluster: str
    group: str
    steps: list[tuple[str, int, int, int]]


def encode_watermark(group: str, cluster: str, steps: Iterable[WatermarkStep]) -> bytes:
    """The bytes that the worker signs and the commit row keeps."""
    rows = sorted((*step.place, start, end) for step in steps for start, end in step.spans())
    return msgspec.json.encode(WatermarkText(cluster=cluster, group=group, steps=rows))


async def read_positions(
    connection: Connection, group: str, cluster: str, places: Collection[Partition]
) -> dict[Partition, int]:
    """The next offset to read for each partition that has one."""
    rows = await connection.fetch(
        """
        SELECT p.topic, p.part, w.to_offset
        FROM unnest($3::text[], $4::int[]) AS p(topic, part)
        CROSS JOIN LATERAL (
            SELECT to_offset FROM watermark_steps
            WHERE grp = $1 AND cluster = $2 AND topic = p.topic AND part = p.part
            ORDER BY from_offset DESC LIMIT 1
        ) AS w
        """,
        group,
        cluster,
        [topic for topic, _ in places],
        [partition for _, partition in places],
    )
    return {(row["topic"], row["part"]): row["to_offset"] for row in rows}


class PartialClaim(Exception):
    """Two workers met on a partition's very first step; the transaction must be tried again without it."""

    def __init__(self, places: set[Partition]) -> None:
        super().__init__("a partition's first step was claimed by two workers at once")
        self.places = places


async def claim_steps(
    connection: Connection, group: str, cluster: str, commit_id: int, steps: Sequence[WatermarkStep]
) -> set[Partition]:
    """Move the watermarks by compare-and-set; locks are taken in (topic, partition) order.

    Returns:
        The partitions that moved. The others stood elsewhere: their frames must be dropped and re-read.

    Raises:
        PartialClaim: A first step was won only in part; roll back and leave the partition out.
    """
    rows = sorted(
        (*step.place, start, end, step.last_digest, step.first_ever) for step in steps for start, end in step.spans()
    )
    if len({step.place for step in steps}) != len(steps):
        raise ValueError("a commit moves each partition's watermark once")
    won = await connection.fetch(
        """
        INSERT INTO watermark_steps (grp, cluster, commit_id, topic, part, from_offset, to_offset, last_digest)
        SELECT $1, $2, $3, s.topic, s.part, s.from_offset, s.to_offset, s.digest
        FROM unnest($4::text[], $5::int[], $6::bigint[], $7::bigint[], $8::bytea[], $9::bool[])
            AS s(topic, part, from_offset, to_offset, digest, first_ever)
        WHERE coalesce(
            (SELECT w.to_offset = s.from_offset FROM watermark_steps w
             WHERE w.grp = $1 AND w.cluster = $2 AND w.topic = s.topic AND w.part = s.part
             ORDER BY w.from_offset DESC LIMIT 1),
            s.first_ever)
        ORDER BY s.topic, s.part, s.from_offset
        ON CONFLICT DO NOTHING
        RETURNING topic, part
        """,
        group,
        cluster,
        commit_id,
        *map(list, zip(*rows, strict=True)),
    )
    counts: dict[Partition, int] = {}
    for row in won:
        place = (row["topic"], row["part"])
        counts[place] = counts.get(place, 0) + 1
    partial = {step.place for step in steps if 0 < counts.get(step.place, 0) < len(step.spans())}
    if partial:
        raise PartialClaim(partial)
    return set(counts)
