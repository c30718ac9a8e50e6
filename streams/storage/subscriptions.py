"""Subscriptions to producers' JWK Sets: what was agreed, and how the endpoint is doing."""

import datetime as dt
from dataclasses import dataclass
from typing import Final

import asyncpg

from schemas.errors import ConfigurationError
from streams.storage.database import Connection

SUBSCRIPTIONS_LOCK: Final = 0x5EA1_50B5


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionRow:
    """A subscription.

    Attributes:
        pins: The server's key must be one of these; any when empty.
        ca: Whom to trust to name the server, in PEM.
        every: How often it is asked, at least.
        keep: How long its keys count while it gives no good answer.
        mac: Of the platform over all of the above: a row that SQL made has none.
        etag: Of the last good answer.
        good_at: When that was.
        next_at: When it is asked again.
        fault: Why the last answer was not good, or what of it could not be taken.
    """

    url: str
    tenant: str
    domain: str
    sources: list[str]
    pins: list[str]
    ca: str | None
    every: dt.timedelta
    keep: dt.timedelta
    mac: bytes
    good_at: dt.datetime
    next_at: dt.datetime
    etag: str | None = None
    fault: str | None = None


async def list_subscriptions(connection: Connection) -> list[SubscriptionRow]:
    """All subscriptions."""
    rows = await connection.fetch(
        "SELECT url, tenant, domain, sources, pins, ca, every, keep, mac, etag, good_at, next_at, fault "
        "FROM key_subscriptions ORDER BY url"
    )
    return [SubscriptionRow(**row) for row in rows]


async def insert_subscription(connection: Connection, row: SubscriptionRow) -> None:
    """Add a subscription; within `changing_registry`.

    Raises:
        ConfigurationError: There is one to that URL.
    """
    try:
        await connection.execute(
            "INSERT INTO key_subscriptions (url, tenant, domain, sources, pins, ca, every, keep, mac, good_at, "
            "next_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
            row.url,
            row.tenant,
            row.domain,
            row.sources,
            row.pins,
            row.ca,
            row.every,
            row.keep,
            row.mac,
            row.good_at,
            row.next_at,
        )
    except asyncpg.UniqueViolationError as exc:
        raise ConfigurationError(
            "there is a subscription to that URL already; `sealstream keys unsubscribe` it"
        ) from exc


async def write_progress(connection: Connection, row: SubscriptionRow) -> None:
    """Store how the endpoint is doing."""
    await connection.execute(
        "UPDATE key_subscriptions SET etag = $2, good_at = $3, next_at = $4, fault = $5 WHERE url = $1",
        row.url,
        row.etag,
        row.good_at,
        row.next_at,
        row.fault,
    )


async def delete_subscription(connection: Connection, url: str) -> None:
    """Take a subscription away; within `changing_registry`."""
    await connection.execute("DELETE FROM key_subscriptions WHERE url = $1", url)
