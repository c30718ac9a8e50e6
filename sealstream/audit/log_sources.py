"""Where a monitor reads a log from: a server of tlog-tiles, or this installation's database."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Final

import aiohttp

from agents.log.tile_cache import TileCache
from agents.log.tree import SignedTree
from schemas.errors import ConfigurationError, Unavailable
from security.merkle import HASH_BYTES
from security.note import MAX_NOTE_BYTES
from security.tiles import TILE_WIDTH, BundleAddress, TileAddress, encode_bundle, parse_bundle
from streams.storage.database import Database
from streams.storage.shards import list_shards

ANSWER_SECONDS: Final = 30.0
MAX_BUNDLE_BYTES: Final = TILE_WIDTH * (2 + 0xFFFF)


class ServedLog:
    """A log at a URL: its checkpoint is at `<url>/checkpoint`."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url.rstrip("/")

    async def checkpoint(self) -> bytes:
        """The newest checkpoint.

        Raises:
            Unavailable: There is none, or no answer.
        """
        note = await self._get("checkpoint", MAX_NOTE_BYTES)
        if note is None:
            raise Unavailable(f"{self._url} has no checkpoint")
        return note

    async def tile(self, address: TileAddress) -> bytes | None:
        """A tile; the full one serves for a partial one that is gone."""
        hashes = await self._get(address.path, TILE_WIDTH * HASH_BYTES)
        if hashes is None and address.width < TILE_WIDTH:
            full = await self._get(TileAddress(address.level, address.index).path, TILE_WIDTH * HASH_BYTES)
            hashes = full[: address.width * HASH_BYTES] if full is not None else None
        return hashes

    async def bundle(self, address: BundleAddress) -> bytes | None:
        """A bundle; likewise."""
        bundle = await self._get(address.path, MAX_BUNDLE_BYTES)
        if bundle is None and address.width < TILE_WIDTH:
            full = await self._get(BundleAddress(address.index).path, MAX_BUNDLE_BYTES)
            bundle = encode_bundle(parse_bundle(full)[: address.width]) if full is not None else None
        return bundle

    async def _get(self, path: str, limit: int) -> bytes | None:
        timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
        try:
            async with self._session.get(f"{self._url}/{path}", timeout=timeout) as answer:
                if answer.status == HTTPStatus.NOT_FOUND:
                    return None
                if answer.status != HTTPStatus.OK:
                    raise Unavailable(f"{self._url}/{path} answers {answer.status}")
                content = bytearray()
                async for part in answer.content.iter_any():
                    content += part
                    if len(content) > limit:
                        break
                return bytes(content[: limit + 1])
        except (aiohttp.ClientError, TimeoutError, OSError) as exc:
            raise Unavailable(f"no answer from {self._url} ({type(exc).__name__})") from exc


class StoredLog:
    """A log in our own database, by its origin."""

    def __init__(self, database: Database, origin: str) -> None:
        self._database = database
        self._origin = origin
        self._cache = TileCache()

    async def checkpoint(self) -> bytes:
        """The newest checkpoint."""
        async with self._tree() as tree:
            return tree.note

    async def tile(self, address: TileAddress) -> bytes | None:
        """A tile."""
        async with self._tree() as tree:
            return await tree.tile(address)

    async def bundle(self, address: BundleAddress) -> bytes | None:
        """A bundle."""
        async with self._tree() as tree:
            return await tree.bundle(address)

    @asynccontextmanager
    async def _tree(self) -> AsyncIterator[SignedTree]:
        async with self._database.session() as connection:
            row = next((row for row in await list_shards(connection) if row.origin == self._origin), None)
            if row is None:
                raise ConfigurationError(f"this database has no log {self._origin}, as the vkey names it")
            yield await SignedTree.newest(connection, row, self._cache)
