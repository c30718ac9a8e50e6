"""Running the API and the console: their socket, their server, and ending both with what is under way."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import uvicorn

from schemas.errors import ConfigurationError, SealstreamError
from sealstream.address import Address
from sealstream.api.application import create_app
from sealstream.api.guard import HEAD_BYTES
from sealstream.api.parts import Parts, opened_parts
from sealstream.api.peers import PeerNaming
from sealstream.console.application import attach_console
from sealstream.settings import Settings
from streams.loopback import is_loopback

SHUTDOWN_SECONDS: Final = 10
BACKLOG: Final = 1_024
CONNECTIONS: Final = 2_000


@dataclass(frozen=True, slots=True)
class Certificate:
    """What TLS shows and asks for: PEM files.

    Attributes:
        clients: Authorities of the certificates that every client must show (mutual TLS); None asks for none.
    """

    chain: Path
    key: Path
    clients: Path | None = None


class _Server(uvicorn.Server):
    """Leaves signals to who started it: they end what is around it too."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(
    settings: Settings, address: Address, certificate: Certificate | None, on_ready: Callable[[str], None]
) -> None:
    """Serve until cancelled.

    Raises:
        ConfigurationError: The address can't be listened on, or the certificate is none; or in production it would go
            over the network in the clear.
    """
    if settings.env == "production" and certificate is None and not is_loopback(address.host):
        raise ConfigurationError("in production credentials go over TLS: give --tls-cert and --tls-key")
    # Where the console is by default depends on it.
    settings = settings.model_copy(update={"api_listen": address.url.removeprefix("http://")})
    async with (
        opened_parts(settings, tls=certificate is not None) as parts,
        serving(parts, address, certificate) as url,
    ):
        on_ready(url)
        await asyncio.Event().wait()


@asynccontextmanager
async def serving(parts: Parts, address: Address, certificate: Certificate | None = None) -> AsyncIterator[str]:
    """Serve while the body runs; gives the URL. Requests that are under way at the end are answered."""
    listener = _listener(address)
    clients = certificate.clients if certificate is not None else None
    config = uvicorn.Config(
        create_app(parts, attach_console),
        http=PeerNaming,
        h11_max_incomplete_event_size=HEAD_BYTES,
        lifespan="off",
        ws="none",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=CONNECTIONS,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        ssl_certfile=certificate.chain if certificate is not None else None,
        ssl_keyfile=certificate.key if certificate is not None else None,
        ssl_ca_certs=str(clients) if clients is not None else None,
        ssl_cert_reqs=ssl.CERT_REQUIRED if clients is not None else ssl.CERT_NONE,
    )
    try:
        config.load()
    except (OSError, ssl.SSLError) as exc:
        listener.close()
        why = "--tls-cert and --tls-key name no certificate and its key"
        if clients is not None:
            why += ", or --client-ca no certificates of authorities"
        why += f" ({type(exc).__name__})"
        raise ConfigurationError(why) from exc
    server = _Server(config)
    running = asyncio.create_task(server.serve([listener]), name="api")
    try:
        while not server.started:
            if running.done():
                running.result()
                raise SealstreamError("the API's server ended by itself")
            await asyncio.sleep(0.01)
        found = Address(address.host, listener.getsockname()[1])
        yield found.url if certificate is None else found.url.replace("http://", "https://", 1)
    finally:
        server.should_exit = True
        await running
        listener.close()


def _listener(address: Address) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address.host, address.port))
        listener.listen(BACKLOG)
    except OSError as exc:
        listener.close()
        raise ConfigurationError(
            f"can't listen on {address.host} port {address.port} ({exc.strerror}); name another address"
        ) from exc
    listener.setblocking(False)
    return listener
