"""An HTTP server of our own on one address: started, and ended with the body. What it answers is the application's."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from schemas.errors import ConfigurationError
from sealstream.address import Address


@asynccontextmanager
async def listening(app: web.Application, address: Address, *, shutdown_seconds: float) -> AsyncIterator[Address]:
    """Serve an application while the body runs; gives where.

    Args:
        shutdown_seconds: How long a request under way may take to end.

    Raises:
        ConfigurationError: The address can't be listened on.
    """
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=shutdown_seconds)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, address.host, address.port).start()
        except OSError as exc:
            raise ConfigurationError(
                f"can't listen on {address.host} port {address.port} ({exc.strerror}); name another address"
            ) from exc
        yield Address(address.host, runner.addresses[0][1])
    finally:
        await runner.cleanup()
