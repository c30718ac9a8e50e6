"""Pages of logs as C2SP tlog-tiles, straight from the database, for whatever serves them over HTTP."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from agents.log.tile_cache import TileCache
from agents.log.tree import NothingSigned, SignedTree
from schemas.errors import SealstreamError
from security.tiles import BundleAddress, MalformedTilePath, parse_tile_path
from streams.storage.database import Connection, Database
from streams.storage.sequencing import LogRow
from streams.storage.shards import list_shards
from streams.storage.witnessing import EVERYTHING, Showing, newest_note

CHECKPOINT_HEADERS: Final = {"Content-Type": "text/plain; charset=utf-8", "Cache-Control": "public, max-age=1"}
TILE_HEADERS: Final = {
    "Content-Type": "application/octet-stream",
    "Cache-Control": "public, max-age=31536000, immutable",
    "X-Content-Type-Options": "nosniff",
}


class NoSuchPage(SealstreamError):
    """A log has no such page, or none yet."""


@dataclass(frozen=True, slots=True)
class LogPage:
    """What is answered."""

    body: bytes
    headers: Mapping[str, str]


class LogPages:
    """Makes pages.

    Args:
        showing: Which checkpoints may be shown; tiles reach as far as they do.

    Attributes:
        cache: Of tiles; others of the process that prove something use it too.
    """

    def __init__(self, database: Database, showing: Showing = EVERYTHING) -> None:
        self._database = database
        self._showing = showing
        self.cache = TileCache()

    async def checkpoint(self, tenant: str, shard: int = 0) -> LogPage:
        """The newest checkpoint.

        Raises:
            NoSuchPage: There is no such log, or nothing is signed.
        """
        async with self._database.session() as connection:
            row = await _row(connection, tenant, shard)
            note = await newest_note(connection, row.tree, self._showing)
        if note is None:
            raise NoSuchPage("nothing of it is signed yet, or not cosigned by enough witnesses")
        return LogPage(note.encode(), CHECKPOINT_HEADERS)

    async def tile(self, tenant: str, shard: int, path: str) -> LogPage:
        """A tile or an entry bundle.

        Raises:
            NoSuchPage: There is none at that path.
            HeldOutside: The log's tiles and leaves are not in the database.
            DamagedLog: There is, and what is stored is not what was sequenced.
        """
        try:
            address = parse_tile_path(path)
        except MalformedTilePath as exc:
            raise NoSuchPage(str(exc)) from exc
        async with self.tree(tenant, shard) as tree:
            found = await (tree.bundle(address) if isinstance(address, BundleAddress) else tree.tile(address))
        if found is None:
            raise NoSuchPage("the newest checkpoint does not reach so far")
        return LogPage(found, TILE_HEADERS)

    @asynccontextmanager
    async def tree(self, tenant: str, shard: int = 0) -> AsyncIterator[SignedTree]:
        """A log up to its newest checkpoint that may be shown.

        Raises:
            NoSuchPage: There is no such log, or nothing is signed.
            HeldOutside: Its leaves and tiles are not in the database.
        """
        async with self._database.session() as connection:
            row = await _row(connection, tenant, shard)
            try:
                tree = await SignedTree.newest(connection, row, self.cache, self._showing)
            except NothingSigned as exc:
                raise NoSuchPage(str(exc)) from exc
            yield tree


async def _row(connection: Connection, tenant: str, shard: int) -> LogRow:
    row = next((row for row in await list_shards(connection, tenant) if row.shard == shard), None)
    if row is None:
        raise NoSuchPage("there is no such log")
    return row
