"""Logs over HTTP as C2SP tlog-tiles, straight from the database: `/<tenant>/checkpoint` and `/<tenant>/tile/…`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import structlog
from aiohttp import web

from agents.log_tree import NothingSigned, SignedTree, TileRoots
from schemas.errors import Unavailable, VerificationFailed
from sealstream.address import Address
from sealstream.http_site import listening
from security.tiles import BundleAddress, MalformedTilePath, parse_tile_path
from streams.storage.database import Database
from streams.storage.sequencing import list_logs
from streams.storage.witnessing import EVERYTHING, Showing

log = structlog.get_logger(__name__)

CHECKPOINT_HEADERS: Final = {"Content-Type": "text/plain; charset=utf-8", "Cache-Control": "public, max-age=1"}
TILE_HEADERS: Final = {
    "Content-Type": "application/octet-stream",
    "Cache-Control": "public, max-age=31536000, immutable",
    "X-Content-Type-Options": "nosniff",
}
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
    pages = _Pages(database, showing)
    app = web.Application()
    app.add_routes([web.get("/{tenant}/checkpoint", pages.checkpoint), web.get("/{tenant}/{path:tile/.+}", pages.tile)])
    async with listening(app, address, shutdown_seconds=1.0) as found:
        yield found


class _Pages:
    """The answers."""

    def __init__(self, database: Database, showing: Showing) -> None:
        self._database = database
        self._showing = showing
        self._roots = TileRoots()

    async def checkpoint(self, request: web.Request) -> web.Response:
        async with self._tree(request) as tree:
            return web.Response(body=tree.note, headers=CHECKPOINT_HEADERS)

    async def tile(self, request: web.Request) -> web.Response:
        try:
            address = parse_tile_path(request.match_info["path"])
        except MalformedTilePath as exc:
            raise _absent(str(exc)) from exc
        async with self._tree(request) as tree:
            found = await (tree.bundle(address) if isinstance(address, BundleAddress) else tree.tile(address))
        if found is None:
            raise _absent("the newest checkpoint does not reach so far")
        return web.Response(body=found, headers=TILE_HEADERS)

    @asynccontextmanager
    async def _tree(self, request: web.Request) -> AsyncIterator[SignedTree]:
        tenant = request.match_info["tenant"]
        try:
            async with self._database.session() as connection:
                row = next((row for row in await list_logs(connection) if row.tenant == tenant), None)
                if row is None:
                    raise _absent("there is no such log")
                yield await SignedTree.newest(connection, row, self._roots, self._showing)
        except NothingSigned as exc:
            raise _absent(str(exc)) from exc
        except Unavailable as exc:
            raise web.HTTPServiceUnavailable(text="the database can't be reached now\n", headers=NOT_KEPT) from exc
        except VerificationFailed as exc:
            # Showing what was not sequenced would only move the alarm to somebody else.
            log.error("logs.damaged", log=tenant, error=str(exc))
            raise web.HTTPInternalServerError(text=f"{exc}\n", headers=NOT_KEPT) from exc


def _absent(why: str) -> web.HTTPNotFound:
    return web.HTTPNotFound(text=f"{why}\n", headers=NOT_KEPT)
