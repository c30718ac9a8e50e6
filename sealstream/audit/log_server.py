"""Logs over HTTP as C2SP tlog-tiles, straight from the database: `/<tenant>/checkpoint` and `/<tenant>/tile/…`.

Later shards of a log are at `/<tenant>/<number>/…`.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

import structlog
from aiohttp import web

from agents.log.tree import HeldOutside
from schemas.errors import Unavailable, VerificationFailed
from sealstream.address import Address
from sealstream.audit.log_pages import LogPage, LogPages, NoSuchPage
from sealstream.http_site import listening
from streams.storage.database import Database
from streams.storage.witnessing import EVERYTHING, Showing

log = structlog.get_logger(__name__)

NOT_KEPT: Final = {"Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-store"}


@asynccontextmanager
async def serving_logs(database: Database, address: Address, showing: Showing = EVERYTHING) -> AsyncIterator[Address]:
    """Serve all logs while the body runs; gives where.

    Leaves hold commitments and no field, but they do name sources and records: who may ask is for the operator to
    decide, in front of this server.

    Args:
        showing: Which checkpoints may be shown; tiles reach as far as they do.

    Raises:
        ConfigurationError: The address can't be listened on.
    """
    pages = _Pages(LogPages(database, showing))
    app = web.Application()
    for log_path in ("/{tenant}", "/{tenant}/{shard:[1-9][0-9]*}"):
        app.add_routes([web.get(f"{log_path}/checkpoint", pages.checkpoint)])
        app.add_routes([web.get(f"{log_path}/{{path:tile/.+}}", pages.tile)])
    async with listening(app, address, shutdown_seconds=1.0) as found:
        yield found


class _Pages:
    """The answers."""

    def __init__(self, pages: LogPages) -> None:
        self._pages = pages

    async def checkpoint(self, request: web.Request) -> web.Response:
        with _told(request):
            return _response(await self._pages.checkpoint(*_place(request)))

    async def tile(self, request: web.Request) -> web.Response:
        with _told(request):
            return _response(await self._pages.tile(*_place(request), request.match_info["path"]))


def _place(request: web.Request) -> tuple[str, int]:
    """Tenant and shard."""
    return request.match_info["tenant"], int(request.match_info.get("shard", 0))


def _response(page: LogPage) -> web.Response:
    return web.Response(body=page.body, headers=page.headers)


@contextmanager
def _told(request: web.Request) -> Iterator[None]:
    """Errors as answers that nobody keeps."""
    try:
        yield
    except (NoSuchPage, HeldOutside) as exc:
        raise web.HTTPNotFound(text=f"{exc}\n", headers=NOT_KEPT) from exc
    except Unavailable as exc:
        raise web.HTTPServiceUnavailable(text="the database can't be reached now\n", headers=NOT_KEPT) from exc
    except VerificationFailed as exc:
        # Showing what was not sequenced would only move the alarm to somebody else.
        log.error("logs.damaged", log=request.match_info["tenant"], error=str(exc))
        raise web.HTTPInternalServerError(text=f"{exc}\n", headers=NOT_KEPT) from exc
