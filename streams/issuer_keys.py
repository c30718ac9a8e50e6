"""The keys of tokens' issuers: fetched, kept for as long as their server says, fetched again for a key that is new.

What a token is checked for is security.access.tokens.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

import structlog

from security.access.issuer import Issuer, IssuerKey, read_issuer_keys
from security.public_key import InvalidKeyError
from streams.jwks_endpoint import JwksAnswer, JwksUnavailable, fetch_jwks

log = structlog.get_logger(__name__)

MIN_FRESH: Final = 60.0
MAX_FRESH: Final = 3_600.0
KEEP: Final = 24 * 3_600.0
"""How long keys count, in seconds, while their server gives no good answer."""
ASK_AGAIN: Final = 30.0
"""The soonest that tokens with unknown keys make us ask: anybody can write such tokens."""

_NONE: Final[Mapping[str, IssuerKey]] = MappingProxyType({})

Fetch = Callable[[Issuer, str | None], Awaitable[JwksAnswer]]


async def fetch(issuer: Issuer, etag: str | None) -> JwksAnswer:
    """Ask an issuer's server once.

    Raises:
        JwksUnavailable: There is no answer that we take.
    """
    if issuer.jwks_url is None:
        raise JwksUnavailable(f"no URL is configured for the keys of {issuer.url}")
    return await fetch_jwks(issuer.jwks_url, pins=issuer.pins, etag=etag)


@dataclass(slots=True)
class _Held:
    keys: Mapping[str, IssuerKey] = field(default_factory=lambda: _NONE)
    etag: str | None = None
    fresh_until: float = 0.0
    good_until: float = 0.0
    asked: float = float("-inf")
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class IssuerKeys:
    """Holds the keys of issuers.

    Args:
        issuers: Whose.
        fetch: Asks an issuer's server.
        clock: Seconds, monotonic.
    """

    def __init__(
        self, issuers: Iterable[Issuer], fetch: Fetch = fetch, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._issuers = {issuer.url: issuer for issuer in issuers}
        self._held = {url: _Held() for url in self._issuers}
        self._fetch = fetch
        self._clock = clock

    def keys(self, url: str) -> Mapping[str, IssuerKey]:
        """What is held of an issuer's keys; none once they are too old to count."""
        held = self._held.get(url)
        return held.keys if held is not None and self._clock() < held.good_until else _NONE

    async def _keep_fresh(self) -> None:
        """Ask for keys whenever that is due, until cancelled: what an issuer withdrew counts no more then."""
        while True:
            for url in self._issuers:
                await self.refresh(url)
            await asyncio.sleep(ASK_AGAIN)

    @asynccontextmanager
    async def kept_fresh(self) -> AsyncIterator[None]:
        """Keep the keys fresh while the body runs: what a process that takes tokens does as long as it takes them."""
        keeping = asyncio.create_task(self._keep_fresh(), name="issuer keys")
        try:
            yield
        finally:
            keeping.cancel()
            with suppress(asyncio.CancelledError):
                await keeping

    async def refresh(self, url: str, *, unknown_key: bool = False) -> None:
        """Ask for an issuer's keys where that is due. What goes wrong is logged; the former keys then count on.

        Args:
            unknown_key: A token names a key that we don't have.
        """
        held = self._held.get(url)
        if held is None:
            return
        async with held.lock:
            now = self._clock()
            if now - held.asked < ASK_AGAIN or (now < held.fresh_until and not unknown_key):
                return
            held.asked = now
            try:
                answer = await self._fetch(self._issuers[url], held.etag)
                if answer.body is not None:
                    held.keys = read_issuer_keys(self._issuers[url], answer.body)
            except (JwksUnavailable, InvalidKeyError) as exc:
                log.warning("issuer.keys_not_fetched", issuer=url, error=str(exc))
                return
            held.etag = answer.etag
            held.fresh_until = now + min(max(answer.max_age or 0, MIN_FRESH), MAX_FRESH)
            held.good_until = now + KEEP
