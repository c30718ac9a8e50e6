"""What a commit writes, in one statement: rows of several tables, and for a small commit its claims before them.

Which commits are written this way is streams.storage.commit's choice. Rows come as an array for each column, and arrays
through subqueries: for the arrays themselves the server expects so few rows that it plans the statement anew each time.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from typing import Any, Final
from uuid import UUID

from streams.storage.database import Connection
from streams.storage.watermarks import Partition, Statement

Columns = tuple[tuple[str, str], ...]
"""Name and type of each."""


@dataclass(frozen=True, slots=True)
class TableRows:
    """Rows for one table."""

    table: str
    columns: Columns
    rows: Sequence[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Claimed:
    """What the database granted of a small commit's claims.

    Attributes:
        steps: Topic and partition of each row of watermarks that was written.
        identities: The record ids that were granted; none where a step is missing or the registry is another.
        revision: Of the key registry.
    """

    steps: list[Partition]
    identities: set[UUID]
    revision: int


_CLAIMS: Final = """
    WITH held AS (SELECT coalesce(max(revision), 0) AS revision FROM registry_changes),
    moved AS ({steps}),
    granted AS (
        INSERT INTO identities (record_id, digest, commit_id)
        SELECT i.record_id, i.digest, ${commit_id}
        FROM unnest((SELECT ${ids}::uuid[]), (SELECT ${digests}::bytea[])) WITH ORDINALITY AS i(record_id, digest, n)
        WHERE (SELECT count(*) FROM moved) = ${step_rows}
            AND (${revision}::bigint IS NULL OR ${revision} = (SELECT revision FROM held))
        ORDER BY i.n ON CONFLICT DO NOTHING RETURNING record_id
    ){rows}
    SELECT topic, part, NULL::uuid AS record_id, NULL::bigint AS revision FROM moved
    UNION ALL SELECT NULL, NULL, record_id, NULL FROM granted
    UNION ALL SELECT NULL, NULL, NULL, revision FROM held
    """


async def claim_and_write(
    connection: Connection,
    steps: Statement,
    step_rows: int,
    identities: Mapping[UUID, bytes],
    *,
    commit_id: int,
    revision: int | None,
    tables: Sequence[TableRows],
) -> Claimed:
    """Move watermarks, claim record ids, and write rows if all of it is granted.

    Each part waits for the one before it by counting what that returned: locks are taken in the order of every commit.

    Args:
        steps: Writes the watermarks, and returns topic and partition of each row.
        step_rows: How many rows that is if all of them move.
        identities: Record ids with their digests, in the order of the ids' bytes.
        revision: What the registry's revision has to be, whose lock is held; None when any will do.
        tables: The rows.
    """
    text, values = steps
    numbers = count(len(values) + 1)
    names = ("commit_id", "ids", "digests", "step_rows", "revision", "identities")
    at = {name: next(numbers) for name in names}
    shape = tuple([(each.table, each.columns) for each in tables])
    granted = f"(SELECT count(*) FROM granted) = ${at['identities']}"  # noqa: S608  our own texts
    # Without an id to claim, nothing would ask for the part that compares.
    condition = f"{granted} AND (SELECT count(*) FROM moved) = ${at['step_rows']}"  # noqa: S608
    rows = "".join([f", {part}" for part in _insertions(shape, next(numbers), condition)])
    found = await connection.fetch(
        _CLAIMS.format(steps=text, rows=rows, **at),
        *values,
        commit_id,
        list(identities),
        list(identities.values()),
        step_rows,
        revision,
        len(identities),
        *_arguments(tables),
    )
    return Claimed(
        [(row["topic"], row["part"]) for row in found if row["topic"] is not None],
        {row["record_id"] for row in found if row["record_id"] is not None},
        next(row["revision"] for row in found if row["revision"] is not None),
    )


async def write(connection: Connection, tables: Sequence[TableRows]) -> None:
    """Write rows of these tables, of which there is at least one."""
    shape = tuple([(each.table, each.columns) for each in tables])
    await connection.execute(f"WITH {', '.join(_insertions(shape, 1, 'true'))} SELECT", *_arguments(tables))


@lru_cache(maxsize=512)
def _insertions(tables: tuple[tuple[str, Columns], ...], first: int, condition: str) -> list[str]:
    """Common table expressions that insert the rows where a condition holds; their arguments begin with this number."""
    parts = []
    numbers = count(first)
    for table, columns in tables:
        names = ", ".join([name for name, _ in columns])
        # There are no arrays of arrays: those come as text.
        arrays = [f"(SELECT ${next(numbers)}::{'text' if _is_array(kind) else kind}[])" for _, kind in columns]
        chosen = ", ".join([f"r.{name}::{kind}" for name, kind in columns])
        query = f"SELECT {chosen} FROM unnest({', '.join(arrays)}) AS r({names}) WHERE {condition}"  # noqa: S608
        parts.append(f"{table}_rows AS (INSERT INTO {table} ({names}) {query})")
    return parts


def _arguments(tables: Sequence[TableRows]) -> Iterator[Sequence[Any]]:
    for each in tables:
        for (_, kind), values in zip(each.columns, zip(*each.rows, strict=True), strict=True):
            yield list(map(_array_text, values)) if _is_array(kind) else values


def _is_array(kind: str) -> bool:
    return kind.endswith("[]")


def _array_text(numbers: Sequence[int]) -> str:
    return f"{{{','.join(map(str, numbers))}}}"
