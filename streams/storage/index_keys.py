"""Versions of the keys that blind terms are made with, and the exchange of one version's terms for the next one's.

A row of the table `index_keys` is one rotation; a tenant's field without any has version 0. Making terms is
security.blind_terms, rotating is agents.upkeep.reindexing.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from schemas.errors import StorageError
from streams.storage.database import Connection

ROWS_PER_PAGE: Final = 500
_COLUMNS: Final = "tenant, field, version, after_commit, after_leaf, end_commit, exchanged, finished"


class SomebodyElseRotates(StorageError):
    """Another process exchanges the same terms; nothing of this page is stored."""

    def __init__(self) -> None:
        super().__init__("another process rotates this index key as well; let it go on, or stop it and try again")


@dataclass(frozen=True, slots=True)
class IndexRotation:
    """A rotation of the index key of one tenant's field, and how far the exchange of terms has come.

    Attributes:
        version: The version that makes terms from its beginning on.
        after_commit: Results up to this commit of the tenant's log and `after_leaf` in it are done.
        end_commit: The last commit from before; later ones bring terms of this version.
        exchanged: Terms so far.
        finished: Whether no term of the former version is left.
    """

    tenant: str
    field: str
    version: int
    after_commit: int
    after_leaf: int
    end_commit: int
    exchanged: int
    finished: bool


@dataclass(frozen=True, slots=True)
class IndexedRow:
    """A result whose terms may have to be exchanged."""

    record_id: UUID
    commit_id: int
    leaf: int
    domain: str
    type: str
    pass_id: int
    sealed: bytes | None


@dataclass(frozen=True, slots=True)
class ExchangedTerm:
    """A record's term under the former version of a key, and under the new one."""

    record_id: UUID
    former: bytes
    current: bytes


async def list_rotations(connection: Connection) -> list[IndexRotation]:
    """The newest rotation of each tenant and field."""
    rows = await connection.fetch(
        f"SELECT DISTINCT ON (tenant, field) {_COLUMNS} FROM index_keys "  # noqa: S608 a constant
        "ORDER BY tenant, field, version DESC"
    )
    return [IndexRotation(**row) for row in rows]


def current_versions(rotations: Iterable[IndexRotation]) -> Mapping[tuple[str, str], int]:
    """The version that makes terms now, by tenant and field; 0 where there is none."""
    return {(each.tenant, each.field): each.version for each in rotations}


def former_versions(rotations: Iterable[IndexRotation]) -> Mapping[tuple[str, str], int]:
    """The version whose terms are being exchanged, by tenant and field; nothing where none are."""
    return {(each.tenant, each.field): each.version - 1 for each in rotations if not each.finished}


async def begin_rotation(connection: Connection, log_id: int, tenant: str, field: str, version: int) -> IndexRotation:
    """Make this version the one that terms are made with; within `changing_registry`, which no commit overlaps."""
    row = await connection.fetchrow(
        f"""
        INSERT INTO index_keys (tenant, field, version, end_commit)
        VALUES ($2, $3, $4, (SELECT coalesce(max(commit_id), -1) FROM commits WHERE log_id = $1))
        ON CONFLICT DO NOTHING RETURNING {_COLUMNS}
        """,  # noqa: S608 a constant
        log_id,
        tenant,
        field,
        version,
    )
    if row is None:
        raise SomebodyElseRotates
    return IndexRotation(**row)


async def next_rows(connection: Connection, log_id: int, rotation: IndexRotation) -> list[IndexedRow]:
    """The next page of results from before the rotation."""
    rows = await connection.fetch(
        """
        SELECT record_id, commit_id, leaf, domain, type, pass_id, sealed FROM results
        WHERE log_id = $1 AND (commit_id, leaf) > ($2, $3) AND commit_id <= $4
        ORDER BY commit_id, leaf LIMIT $5
        """,
        log_id,
        rotation.after_commit,
        rotation.after_leaf,
        rotation.end_commit,
        ROWS_PER_PAGE,
    )
    return [IndexedRow(**row) for row in rows]


async def exchange_terms(
    connection: Connection, log_id: int, rotation: IndexRotation, terms: Sequence[ExchangedTerm], last: IndexedRow
) -> IndexRotation:
    """Put new terms in the place of former ones, where they still are: what was erased meanwhile stays so.

    Args:
        last: The page's last row.

    Raises:
        SomebodyElseRotates: The rotation is not where it was.
    """
    async with connection.transaction():
        status = await connection.execute(
            """
            UPDATE terms t SET token = n.current FROM unnest($3::bytea[], $4::bytea[], $5::uuid[])
                AS n(former, current, record_id)
            WHERE t.token = n.former AND t.record_id = n.record_id AND t.log_id = $1 AND t.field = $2
            """,
            log_id,
            rotation.field,
            [each.former for each in terms],
            [each.current for each in terms],
            [each.record_id for each in terms],
        )
        moved = replace(
            rotation,
            after_commit=last.commit_id,
            after_leaf=last.leaf,
            exchanged=rotation.exchanged + int(status.removeprefix("UPDATE ")),
        )
        await _move(connection, rotation, moved)
    return moved


async def finish_rotation(connection: Connection, rotation: IndexRotation) -> IndexRotation:
    """No term of the former version is left.

    Raises:
        SomebodyElseRotates: The rotation is not where it was.
    """
    finished = replace(rotation, finished=True)
    await _move(connection, rotation, finished)
    return finished


async def present_terms(connection: Connection, tokens: Collection[bytes]) -> set[tuple[int, str, bytes, UUID]]:
    """Which of these terms are stored: log, field, term and record."""
    rows = await connection.fetch(
        "SELECT log_id, field, token, record_id FROM terms WHERE token = ANY($1::bytea[])", list(tokens)
    )
    return {(row["log_id"], row["field"], row["token"], row["record_id"]) for row in rows}


async def _move(connection: Connection, former: IndexRotation, moved: IndexRotation) -> None:
    status = await connection.execute(
        """
        UPDATE index_keys SET after_commit = $6, after_leaf = $7, exchanged = $8, finished = $9
        WHERE (tenant, field, version, after_commit, after_leaf) = ($1, $2, $3, $4, $5) AND NOT finished
        """,
        former.tenant,
        former.field,
        former.version,
        former.after_commit,
        former.after_leaf,
        moved.after_commit,
        moved.after_leaf,
        moved.exchanged,
        moved.finished,
    )
    if status != "UPDATE 1":
        raise SomebodyElseRotates
