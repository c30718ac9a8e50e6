"""The HTTP endpoint of one process: /metrics for Prometheus, /healthz and /readyz for whoever keeps it running."""

import errno
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import msgspec
from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from schemas.errors import ConfigurationError
from sealstream.address import Address
from streams.health import Health

PORTS_TRIED: Final = 64


@asynccontextmanager
async def serving(address: Address, registry: CollectorRegistry, health: Health) -> AsyncIterator[Address]:
    """Serve while the body runs; gives where. A port that is taken makes way for the next free one.

    Raises:
        ConfigurationError: The address can't be listened on.
    """
    pages = _Pages(registry, health)
    app = web.Application()
    app.add_routes(
        [web.get("/metrics", pages.metrics), web.get("/healthz", pages.alive), web.get("/readyz", pages.ready)]
    )
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
    await runner.setup()
    try:
        yield await _listen(runner, address)
    finally:
        await runner.cleanup()


async def _listen(runner: web.AppRunner, address: Address) -> Address:
    last = address.port + PORTS_TRIED if address.port else 0
    for port in range(address.port, min(last, 65_535) + 1):
        site = web.TCPSite(runner, address.host, port)
        try:
            await site.start()
        except OSError as exc:
            if exc.errno == errno.EADDRINUSE and port < last:
                continue
            raise ConfigurationError(
                f"SEALSTREAM_OBSERVE_LISTEN: can't listen on {address.host} port {port} ({exc.strerror}); "
                "name another address, or off"
            ) from exc
        return Address(address.host, runner.addresses[0][1])
    raise AssertionError("the last port either works or raises")


class _Pages:
    """The answers."""

    def __init__(self, registry: CollectorRegistry, health: Health) -> None:
        self._registry = registry
        self._health = health

    async def metrics(self, request: web.Request) -> web.Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(self._registry), headers={"Content-Type": content_type})

    async def alive(self, request: web.Request) -> web.Response:
        return self._state(ok=self._health.alive)

    async def ready(self, request: web.Request) -> web.Response:
        return self._state(ok=self._health.ready)

    def _state(self, *, ok: bool) -> web.Response:
        body = msgspec.json.encode(self._health.snapshot())
        return web.Response(body=body, status=200 if ok else 503, content_type="application/json")
