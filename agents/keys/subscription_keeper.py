"""Follows producers' JWK Sets: asks each endpoint again and again, and does to the registry what its set says.

One owner at a time, beside the sequencer. An endpoint that gives no good answer changes nothing: its keys count for as
long as was agreed, and the health and `doctor` say so. What a set changes is agents.keys.subscription.
"""

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final, NoReturn, Protocol

import structlog

from agents.keys.registrar import Registrar
from agents.keys.subscription import active, difference, is_authentic, read_set
from agents.platform.identity import Identity
from schemas.errors import ConfigurationError
from security.public_key import InvalidKeyError
from streams.health import Health
from streams.jwks_endpoint import JwksAnswer, JwksUnavailable
from streams.storage.database import Database
from streams.storage.keys import list_signing_keys
from streams.storage.ownership import owned
from streams.storage.subscriptions import SUBSCRIPTIONS_LOCK, SubscriptionRow, list_subscriptions, write_progress

log = structlog.get_logger(__name__)

LEAST_EVERY: Final = dt.timedelta(minutes=1)
"""An endpoint is asked no more often, whatever its max-age says."""

LOOK_SECONDS: Final = 1.0


class Fetch(Protocol):
    """Asks an endpoint; streams.jwks_endpoint.fetch_jwks."""

    def __call__(self, url: str, *, pins: tuple[str, ...], ca: str | None, etag: str | None) -> Awaitable[JwksAnswer]:
        """See there."""


class SubscriptionKeeper:
    """Keeps all subscriptions of the platform.

    Args:
        health: Is told of each endpoint that fails.
        fetch: Asks an endpoint.
        working: Told after each round, and while another process has the job.
    """

    def __init__(
        self,
        database: Database,
        identity: Identity,
        health: Health,
        fetch: Fetch,
        clock: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
        *,
        working: Callable[[], None] = lambda: None,
    ) -> None:
        self._database = database
        self._identity = identity
        self._health = health
        self._fetch = fetch
        self._clock = clock
        self._working = working
        self._told: set[str] = set()

    async def run(self) -> NoReturn:
        """Follow them until cancelled; waits while another process does.

        Raises:
            Unavailable: The lock was lost, or the database is away: run again.
        """
        try:
            async with owned(self._database, SUBSCRIPTIONS_LOCK, self._working):
                while True:
                    await self.step()
                    self._working()
                    await asyncio.sleep(LOOK_SECONDS)
        finally:
            self._tell({})

    async def step(self) -> None:
        """Ask every endpoint whose time has come."""
        async with self._database.session() as connection:
            rows = await list_subscriptions(connection)
        after = [await self._refresh(row) if row.next_at <= self._clock() else row for row in rows]
        self._tell({f"subscription {row.url}": row.fault for row in after if row.fault is not None})

    async def _refresh(self, row: SubscriptionRow) -> SubscriptionRow:
        now = self._clock()
        try:
            if not is_authentic(row, self._identity.keyring):
                raise ConfigurationError("the platform did not make this subscription; it is not followed")
            answer = await self._fetch(row.url, pins=tuple(row.pins), ca=row.ca, etag=row.etag)
            fault = row.fault if answer.body is None else await self._take(row, answer.body)
        except (JwksUnavailable, InvalidKeyError, ConfigurationError) as exc:
            done = await self._failed(row, now, str(exc))
        else:
            wait = row.every if answer.max_age is None else dt.timedelta(seconds=min(answer.max_age, 1 << 31))
            wait = min(row.every, max(LEAST_EVERY, wait))
            # The tag of a set that could not be taken whole is forgotten, so that it is looked at again.
            tag = None if fault is not None else answer.etag or (row.etag if answer.body is None else None)
            done = replace(row, etag=tag, good_at=now, next_at=now + wait, fault=fault)
        async with self._database.session() as connection:
            await write_progress(connection, done)
        return done

    async def _take(self, row: SubscriptionRow, body: bytes) -> str | None:
        found = read_set(body)
        async with self._database.session() as connection:
            what = difference(await list_signing_keys(connection), row, found, self._clock())
        faults = list(what.faults)
        if what.new or what.gone:
            faults = await self._registrar(row).follow(row, found)
            log.info("subscription.changed", url=row.url, new=len(what.new), gone=len(what.gone))
        return "; ".join(faults) or None

    async def _failed(self, row: SubscriptionRow, now: dt.datetime, why: str) -> SubscriptionRow:
        until = row.good_at + row.keep
        async with self._database.session() as connection:
            counting = active(await list_signing_keys(connection), row.url, now)
        if now >= until and counting and is_authentic(row, self._identity.keyring):
            await self._registrar(row).withdraw(row.url)
            counting = []
        fate = f"its {len(counting)} keys count until {until:%Y-%m-%dT%H:%M:%SZ}" if counting else "no key of it counts"
        log.warning("subscription.failed", url=row.url, why=why)
        return replace(row, next_at=now + min(row.every, LEAST_EVERY), fault=f"{why}; {fate}")

    def _registrar(self, row: SubscriptionRow) -> Registrar:
        return Registrar(self._database, self._identity, actor=f"subscription:{row.url}")

    def _tell(self, faults: dict[str, str | None]) -> None:
        for name, why in faults.items():
            self._health.degraded(name, why or "")
        for name in self._told - faults.keys():
            self._health.forget(name)
        self._told = set(faults)
