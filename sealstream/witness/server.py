"""A witness over HTTP: `POST /add-checkpoint`, and `GET /<hex SHA-256 of an origin>/checkpoint` for monitors."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import structlog
from aiohttp import web

from sealstream.address import Address
from sealstream.http_site import listening
from sealstream.witness.witness import DamagedState, Witness
from security.witness import MAX_REQUEST_BYTES, SIZE_CONTENT_TYPE, MalformedRequest, Refusal, StaleRequest

log = structlog.get_logger(__name__)

TEXT: Final = "text/plain; charset=utf-8"
NOT_KEPT: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
REQUEST_SECONDS: Final = 10.0
"""A client that sends its few kilobytes more slowly is not waited for."""


@asynccontextmanager
async def serving_witness(witness: Witness, address: Address) -> AsyncIterator[Address]:
    """Serve while the body runs; gives where.

    Raises:
        ConfigurationError: The address can't be listened on.
    """
    pages = _Pages(witness)
    app = web.Application()
    app.add_routes(
        [web.post("/add-checkpoint", pages.add_checkpoint), web.get("/{log:[0-9a-f]{64}}/checkpoint", pages.cosigned)]
    )
    async with listening(app, address, shutdown_seconds=5.0) as found:
        yield found


class _Pages:
    """The answers."""

    def __init__(self, witness: Witness) -> None:
        self._witness = witness

    async def add_checkpoint(self, request: web.Request) -> web.Response:
        try:
            body = await _read(request)
            # In a thread: a client that goes away can't stop what is half done, and syncing blocks nobody else.
            line = await asyncio.to_thread(self._witness.add_checkpoint, body)
        except StaleRequest as exc:
            return _answer(exc.status, f"{exc.size}\n", SIZE_CONTENT_TYPE)
        except Refusal as exc:
            return _answer(exc.status, f"{exc}\n")
        except (DamagedState, OSError) as exc:
            log.error("witness.state_unusable", why=str(exc) if isinstance(exc, DamagedState) else exc.strerror)
            return _answer(500, "this witness can't use its state; it cosigns nothing\n")
        return _answer(200, line)

    async def cosigned(self, request: web.Request) -> web.Response:
        note = await asyncio.to_thread(self._witness.cosigned, request.match_info["log"])
        return _answer(404, "nothing of such a log was cosigned\n") if note is None else _answer(200, note.decode())


async def _read(request: web.Request) -> bytes:
    """The body, as long as it is small and comes soon."""
    body = bytearray()
    try:
        async with asyncio.timeout(REQUEST_SECONDS):
            async for part in request.content.iter_chunked(1 << 14):
                body += part
                if len(body) > MAX_REQUEST_BYTES:
                    raise MalformedRequest(f"the request is larger than {MAX_REQUEST_BYTES} bytes")
    except TimeoutError as exc:
        raise MalformedRequest("the request did not come to its end in time") from exc
    return bytes(body)


def _answer(status: int, text: str, content_type: str = TEXT) -> web.Response:
    return web.Response(body=text.encode(), status=status, headers=NOT_KEPT | {"Content-Type": content_type})
