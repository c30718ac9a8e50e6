"""Rows to be sealed anew under newer tier keys, page by page, and how far that has come.

A row is exchanged only as it was read: one that was erased or exchanged meanwhile is left alone. Opening and sealing is
agents.upkeep.resealing.
"""

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Final

from security.data_key import WrappedDataKey
from streams.storage.commit_rows import CommitRows, write_rows
from streams.storage.database import Connection
from streams.storage.registry import hold_registry

ROWS_PER_PAGE: Final = 500
BYTES_PER_PAGE: Final = 16 << 20
COMMITS_PER_STEP: Final = 64

_TABLES: Final = {
    "results": ("uuid_send(t.record_id)", "t.created_at", "t.sealed"),
    "messages": ("uuid_send(t.message_id)", "t.created_at", "t.evidence"),
    "reviews": ("uuid_send(t.record_id)", "t.created_at", "t.sealed"),
    # A look's ids are sealed under the number of its commit, 16 bytes.
    "disclosures": ("decode(repeat('00', 8), 'hex') || int8send(t.commit_id)", "t.created_at", "t.sealed"),
}
RECORD_TABLES: Final = ("results", "messages", "reviews")
ACCESS_TABLES: Final = ("disclosures",)


@dataclass(frozen=True, slots=True)
class SealedRow:
    """A row under a former tier key.

    Attributes:
        name: What its fields are bound to, 16 bytes.
        created_at: With the name, commit and ordinal finds the row.
        blob: Its sealed fields.
    """

    name: bytes
    created_at: dt.datetime
    commit_id: int
    leaf: int
    pass_id: int
    blob: bytes


@dataclass(frozen=True, slots=True)
class ResealProgress:
    """How far sealing one domain anew has come.

    Attributes:
        target: Names the tier keys under which it is sealed anew.
        after_commit: Commits of the tenant's log up to this id are done.
        end_commit: The last one of those to be done; later ones are sealed under the target's keys.
        sealed_rows: Rows sealed anew that no leaf counts yet.
    """

    tenant: str
    domain: str
    target: str
    after_commit: int
    end_commit: int
    sealed_rows: int

    @property
    def done(self) -> bool:
        """Whether nothing is left."""
        return self.after_commit >= self.end_commit


async def begin_reseal(connection: Connection, tenant: str, domain: str, target: str) -> bool:
    """Begin sealing a domain anew; returns False where it was begun before."""
    status = await connection.execute(
        "INSERT INTO reseals (tenant, domain, target, after_commit, end_commit, sealed_rows) "
        "VALUES ($1, $2, $3, -1, -1, 0) ON CONFLICT DO NOTHING",
        tenant,
        domain,
        target,
    )
    return status == "INSERT 0 1"


async def go_on(connection: Connection, log_id: int, tenant: str, domain: str, target: str) -> ResealProgress | None:
    """Where to go on, to the last commit that there is now; None where it was not begun."""
    row = await connection.fetchrow(
        """
        UPDATE reseals SET end_commit = (SELECT coalesce(max(commit_id), -1) FROM commits WHERE log_id = $1)
        WHERE tenant = $2 AND domain = $3 AND target = $4
        RETURNING tenant, domain, target, after_commit, end_commit, sealed_rows
        """,
        log_id,
        tenant,
        domain,
        target,
    )
    return None if row is None else ResealProgress(**row)


async def next_commits(connection: Connection, log_id: int, progress: ResealProgress) -> list[int]:
    """The next commits to be looked through."""
    rows = await connection.fetch(
        "SELECT commit_id FROM commits WHERE log_id = $1 AND commit_id > $2 AND commit_id <= $3 "
        "ORDER BY commit_id LIMIT $4",
        log_id,
        progress.after_commit,
        progress.end_commit,
        COMMITS_PER_STEP,
    )
    return [row["commit_id"] for row in rows]


async def former_rows(
    connection: Connection,
    table: str,
    log_id: int,
    domain: str,
    commits: Collection[int],
    former: Collection[str],
    after: tuple[int, int],
) -> list[SealedRow]:
    """Rows of these commits that a pass with one of these tier keys sealed: a page of bounded size.

    Args:
        table: One of this module's tables.
        former: Names of the tier keys.
        after: Commit and ordinal of the last row of the page before.
    """
    name, created_at, blob = _TABLES[table]
    owned = "" if table in ACCESS_TABLES else "AND t.domain = $3"
    rows = await connection.fetch(
        f"""
        SELECT name, created_at, commit_id, leaf, pass_id, blob FROM (
            SELECT {name} AS name, {created_at} AS created_at, t.commit_id, t.leaf, t.pass_id, {blob} AS blob,
                sum(octet_length({blob})) OVER (ORDER BY t.commit_id, t.leaf) AS upto
            FROM {table} t
            WHERE t.log_id = $1 AND t.commit_id = ANY($2::bigint[]) {owned} AND {blob} IS NOT NULL
                AND (t.commit_id, t.leaf) > ($5, $6) AND EXISTS (
                    SELECT 1 FROM data_keys d
                    WHERE d.pass_id = t.pass_id AND d.domain = $3 AND d.tier_key_id = ANY($4::text[]))
            ORDER BY t.commit_id, t.leaf LIMIT $7) AS page
        WHERE upto - octet_length(blob) < $8
        """,  # noqa: S608 our names
        log_id,
        list(commits),
        domain,
        list(former),
        *after,
        ROWS_PER_PAGE,
        BYTES_PER_PAGE,
    )
    return [SealedRow(**row) for row in rows]


async def exchange_rows(
    connection: Connection,
    table: str,
    log_id: int,
    progress: ResealProgress,
    exchanged: Sequence[tuple[SealedRow, int, bytes]],
    data_keys: Sequence[WrappedDataKey],
    revision: int,
) -> ResealProgress:
    """Put what was sealed anew in the place of the rows, in one transaction with the keys.

    Args:
        exchanged: Each row with its new pass and fields.
        revision: Of the key registry: the tier keys that sealed must still be those that seal now.

    Raises:
        RegistryChanged: They may not be; nothing is stored.
    """
    name, created_at, blob = _TABLES[table]
    rows = CommitRows()
    rows.data_keys += [
        (key.pass_id, key.tenant, key.domain, key.tier, key.tier_key_id, key.wrapped) for key in data_keys
    ]
    async with connection.transaction():
        await hold_registry(connection, revision)
        await write_rows(connection, rows)
        status = await connection.execute(
            f"""
            UPDATE {table} t SET {blob.removeprefix("t.")} = n.blob, pass_id = n.pass_id
            FROM unnest(
                $2::bytea[], $3::timestamptz[], $4::bigint[], $5::int[], $6::bigint[], $7::bigint[], $8::bytea[]
            ) AS n(name, created_at, commit_id, leaf, former, pass_id, blob)
            WHERE t.log_id = $1 AND {_key(table)} AND {created_at} = n.created_at AND t.commit_id = n.commit_id
                AND t.leaf = n.leaf AND t.pass_id = n.former AND {blob} IS NOT NULL AND {name} = n.name
            """,  # noqa: S608 our names
            log_id,
            [row.name for row, _, _ in exchanged],
            [row.created_at for row, _, _ in exchanged],
            [row.commit_id for row, _, _ in exchanged],
            [row.leaf for row, _, _ in exchanged],
            [row.pass_id for row, _, _ in exchanged],
            [pass_id for _, pass_id, _ in exchanged],
            [fields for _, _, fields in exchanged],
        )
        count = int(status.removeprefix("UPDATE "))
        return await _move(connection, replace(progress, sealed_rows=progress.sealed_rows + count))


async def passed(connection: Connection, progress: ResealProgress, commit_id: int) -> ResealProgress:
    """Commits up to this one are done."""
    return await _move(connection, replace(progress, after_commit=commit_id))


async def said(connection: Connection, progress: ResealProgress) -> ResealProgress:
    """A leaf counts what was sealed anew so far."""
    return await _move(connection, replace(progress, sealed_rows=0))


def _key(table: str) -> str:
    """By what a table's index finds a row."""
    match table:
        case "results":
            return "t.record_id = encode(n.name, 'hex')::uuid"
        case "reviews":
            return "t.record_id = encode(n.name, 'hex')::uuid"
        case "messages":
            return "t.message_id = encode(n.name, 'hex')::uuid"
    return "true"


async def _move(connection: Connection, progress: ResealProgress) -> ResealProgress:
    await connection.execute(
        "UPDATE reseals SET after_commit = $4, sealed_rows = $5 WHERE tenant = $1 AND domain = $2 AND target = $3",
        progress.tenant,
        progress.domain,
        progress.target,
        progress.after_commit,
        progress.sealed_rows,
    )
    return progress
