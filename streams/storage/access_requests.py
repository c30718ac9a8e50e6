"""Requests for access, and the signed acts over them, in their order. What they come to is security.access.approval."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from streams.storage.database import Connection


@dataclass(frozen=True, slots=True)
class ActRow:
    """An act as stored: who is said to have done it, and the leaf's `access` member."""

    person: str
    act: bytes


@dataclass(frozen=True, slots=True)
class ReleasedUse:
    """A record that a look read by a request, once."""

    request_id: UUID
    log_id: int
    commit_id: int
    leaf: int
    record_id: UUID


@dataclass(frozen=True, slots=True)
class RequestRow:
    """A request as stored, with the acts over it.

    Attributes:
        tenant: Whose log has the acts.
        used: How many records were read by it.
    """

    request_id: UUID
    tenant: str
    body: bytes
    used: int
    acts: Sequence[ActRow]


async def list_requests(connection: Connection, request_id: UUID | None = None) -> list[RequestRow]:
    """All requests, or the one of an id, oldest first."""
    rows = await connection.fetch(
        """
        SELECT r.request_id, r.tenant, r.body, r.used,
            array(SELECT a.person FROM access_acts a WHERE a.request_id = r.request_id ORDER BY a.n) AS people,
            array(SELECT a.act FROM access_acts a WHERE a.request_id = r.request_id ORDER BY a.n) AS acts
        FROM access_requests r WHERE $1::uuid IS NULL OR r.request_id = $1 ORDER BY r.created_at, r.request_id
        """,
        request_id,
    )
    return [
        RequestRow(
            row["request_id"],
            row["tenant"],
            row["body"],
            row["used"],
            [ActRow(person, act) for person, act in zip(row["people"], row["acts"], strict=True)],
        )
        for row in rows
    ]


async def insert_request(connection: Connection, request_id: UUID, tenant: str, body: bytes) -> None:
    """Add a request; within `changing_access`."""
    await connection.execute(
        "INSERT INTO access_requests (request_id, tenant, body) VALUES ($1, $2, $3)", request_id, tenant, body
    )


async def append_act(connection: Connection, request_id: UUID, n: int, act: ActRow) -> None:
    """Add an act after `n` others; within `changing_access`, where those were read."""
    await connection.execute(
        "INSERT INTO access_acts (request_id, n, person, act) VALUES ($1, $2, $3, $4)",
        request_id,
        n,
        act.person,
        act.act,
    )


async def hold_used(connection: Connection, request_ids: Collection[UUID]) -> dict[UUID, int]:
    """How many records were read by each of these requests; nobody else counts until the caller's transaction ends."""
    rows = await connection.fetch(
        "SELECT request_id, used FROM access_requests WHERE request_id = ANY($1::uuid[]) "
        "ORDER BY request_id FOR UPDATE",
        list(request_ids),
    )
    return {row["request_id"]: row["used"] for row in rows}


async def count_used(connection: Connection, records: Mapping[UUID, int]) -> None:
    """Count records that are read by requests, in the transaction that says so; after `hold_used`."""
    await connection.executemany(
        "UPDATE access_requests SET used = used + $2 WHERE request_id = $1", list(records.items())
    )


async def count_released(connection: Connection, uses: Collection[ReleasedUse]) -> dict[UUID, int]:
    """Note what is opened by requests, and say how much that is by each, in one transaction, after `hold_used`.

    What a look opened before is no more than it was.
    """
    await connection.execute(
        """
        INSERT INTO released_uses (request_id, log_id, commit_id, leaf, record_id)
        SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::int[], $5::uuid[]) ON CONFLICT DO NOTHING
        """,
        *map(list, zip(*((u.request_id, u.log_id, u.commit_id, u.leaf, u.record_id) for u in uses), strict=True)),
    )
    rows = await connection.fetch(
        "SELECT request_id, count(*) AS records FROM released_uses WHERE request_id = ANY($1::uuid[]) "
        "GROUP BY request_id",
        list({each.request_id for each in uses}),
    )
    return {row["request_id"]: row["records"] for row in rows}
