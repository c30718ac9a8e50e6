"""What a commit writes, in one statement: rows of several tables, and for a small commit its claims before them.

Which commits are written this way is streams.storage.commit's choice. Rows come as an array for each column, and arrays
through subqueries: for the arrays themselves the server expects so few rows that it plans the statement anew each time.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import count, repeat
from typing import Any, Final, NamedTuple
from uuid import UUID

from streams.storage.database import Connection
from streams.storage.watermarks import MOVE_STEPS, STEP_ARGUMENTS, STEPS_STAND

Columns = tuple[tuple[str, str], ...]
"""Name and type of each."""


@dataclass(frozen=True, slots=True)
class TableRows:
    """Rows for one table."""

    table: str
    columns: Columns
    rows: Sequence[tuple[Any, ...]]


_UNTIL_PLANNED: Final = 6
"""The server plans a statement anew five times, before it keeps a plan."""


class Claimed(NamedTuple):
    """What came of a small commit.

    Attributes:
        held: The registry was at the revision that was asked for.
        done: Everything was granted and is written; otherwise nothing is.
    """

    held: bool
    done: bool


async def claim_and_write(
    connection: Connection,
    steps: Sequence[Any],
    identities: Mapping[UUID, bytes],
    revision: int | None,
    tables: Sequence[TableRows],
) -> Claimed:
    """Move watermarks, claim record ids and write rows, all or nothing, in one round trip without a transaction.

    Each part waits for the one before it by counting what that returned: locks are taken in the order of every commit.
    What is claimed must look free; where another commit takes some of it just then, the statement fails.

    Args:
        steps: What `step_arguments` gives.
        identities: Record ids with their digests, in the order of the ids' bytes.
        revision: What the registry's revision has to be; None when any will do.
        tables: The rows.

    Raises:
        asyncpg.UniqueViolationError: Another commit was faster; nothing is written.
    """
    found = await connection.fetchrow(
        _claims(tuple([(each.table, each.columns) for each in tables])),
        *steps,
        list(identities),
        list(identities.values()),
        revision,
        *_arguments(tables),
    )
    assert found is not None
    return Claimed(found[0], bool(found[1]))


async def rehearse(connection: Connection, tables: Sequence[TableRows]) -> None:
    """Have a connection ready for commits of rows in these tables: no rows are claimed and written, as often as needed.

    Args:
        tables: Without rows.
    """
    nothing: list[Any] = ["", "", 0, *repeat([], STEP_ARGUMENTS - 3)]
    for _ in range(_UNTIL_PLANNED):
        await claim_and_write(connection, nothing, {}, None, tables)


@lru_cache(maxsize=512)
def _claims(shape: tuple[tuple[str, Columns], ...]) -> str:
    """The statement of `claim_and_write` for rows of these tables."""
    ids, digests, revision, first = range(STEP_ARGUMENTS + 1, STEP_ARGUMENTS + 5)
    all_moved = "(SELECT count(*) FROM moved) = cardinality((SELECT $4::text[]))"
    # Without an id to claim, nothing would ask for the part that moves.
    granted = f"(SELECT count(*) FROM granted) = cardinality((SELECT ${ids}::uuid[])) AND {all_moved}"  # noqa: S608
    rows = ", ".join(_insertions(shape, first, granted))
    return f"""
        WITH held AS MATERIALIZED (
            SELECT CASE WHEN wanted IS NULL THEN true ELSE sealstream_hold_registry() = wanted END AS ok
            FROM (SELECT (SELECT ${revision}::bigint)) AS r(wanted)
        ),
        free AS MATERIALIZED (
            SELECT CASE WHEN (SELECT ok FROM held) THEN ({STEPS_STAND}) AND NOT EXISTS (
                SELECT FROM identities WHERE record_id = ANY ((SELECT ${ids}::uuid[])::uuid[])
            ) ELSE false END AS ok
        ),
        moved AS ({MOVE_STEPS.format(condition="(SELECT ok FROM free)")}),
        granted AS (
            INSERT INTO identities (record_id, digest, commit_id)
            SELECT i.record_id, i.digest, $3
            FROM unnest((SELECT ${ids}::uuid[]), (SELECT ${digests}::bytea[]))
                WITH ORDINALITY AS i(record_id, digest, n)
            WHERE {all_moved} ORDER BY i.n RETURNING 1
        ),
        {rows}
        SELECT held.ok, free.ok FROM held, free
        """  # noqa: S608  our own texts


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
        by_column = zip(*each.rows, strict=True) if each.rows else repeat(())
        for (_, kind), values in zip(each.columns, by_column, strict=bool(each.rows)):
            yield list(map(_array_text, values)) if _is_array(kind) else values


def _is_array(kind: str) -> bool:
    return kind.endswith("[]")


def _array_text(numbers: Sequence[int]) -> str:
    return f"{{{','.join(map(str, numbers))}}}"
