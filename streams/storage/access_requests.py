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
