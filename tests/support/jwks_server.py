"""An HTTPS server on loopback that gives whatever a test wants it to."""

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from streams.jwks_endpoint import pin_of
from tests.support.certificates import Authority, Certificate

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(slots=True)
class JwksServer:
    """Serves `answer`; `asked` are the requests' headers."""

    url: str
    ca: str
    certificate: Certificate
    answer: Handler
    asked: list[dict[str, str]] = field(default_factory=list)

    @property
    def pin(self) -> str:
        """Of the server's key."""
        certificate = x509.load_pem_x509_certificate(self.certificate.certificate.read_bytes())
        return pin_of(certificate.public_bytes(Encoding.DER))

    def gives(self, body: bytes, status: int = 200, **headers: str) -> None:
        """Answer with this from now on; underscores in names of headers are dashes."""

        async def answer(_: web.Request) -> web.StreamResponse:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            return web.Response(body=body, status=status, headers=named)

        self.answer = answer


@asynccontextmanager
async def jwks_server(directory: Path, host: str = "localhost") -> AsyncIterator[JwksServer]:
    """The server, with a certificate of an authority of its own.

    Args:
        host: What the certificate is for; the server is always at localhost.
    """
    authority = Authority(directory / "authority")
    certificate = authority.sign("server", hosts=(host,))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate.certificate, certificate.key)
    app = web.Application()
    runner = web.AppRunner(app, shutdown_timeout=0.1)

    async def handle(request: web.Request) -> web.StreamResponse:
        server.asked.append(dict(request.headers))
        return await server.answer(request)

    app.router.add_get("/{tail:.*}", handle)
    await runner.setup()
    site = web.TCPSite(runner, "localhost", 0, ssl_context=context)
    await site.start()
    port = runner.addresses[0][1]
    server = JwksServer(f"https://localhost:{port}/jwks", authority.file.read_text(), certificate, handle)
    server.gives(b"{}")
    try:
        yield server
    finally:
        await runner.cleanup()
