"""A log's tree as stored: its tiles, entry bundles and proofs, for who appends to it, serves, exports or proves it.

Only full tiles are stored (decision 4); the right edge is computed from them and from the commits' leaf hashes. Nothing
beyond a signed checkpoint is shown. The forms are security.tiles and security.proof.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Self

from agents.log.tile_cache import TileCache
from schemas.errors import SealstreamError, VerificationFailed
from security.checkpoint import Checkpoint, parse_checkpoint
from security.merkle import HASH_BYTES, packed_leaf_hashes
from security.note import parse_note
from security.proof import (
    NoSuchProofError,
    TlogProof,
    consistency_proof,
    consistency_tiles,
    inclusion_proof,
    inclusion_tiles,
)
from security.tiles import (
    TILE_HEIGHT,
    TILE_WIDTH,
    BundleAddress,
    HashReader,
    RightEdge,
    TileAddress,
    encode_bundle,
    partial_tiles,
)
from streams.storage import log_tree
from streams.storage.database import Connection
from streams.storage.sequencing import LogRow
from streams.storage.witnessing import EVERYTHING, Showing, newest_note

_NO_MORE: Final[Mapping[TileAddress, bytes]] = MappingProxyType({})
"""Tiles that a reader may still fetch once it was given all that it needs."""


class DamagedLog(VerificationFailed):
    """What is stored of a log is not what was sequenced."""


class HeldOutside(SealstreamError):
    """The leaves and tiles of a shard are not in the database any more; its checkpoints are."""

    def __init__(self, row: LogRow) -> None:
        super().__init__(
            f"the leaves of {row.origin} are held outside this database; use the export of that shard (it has all "
            f"tiles and entries), or bring it back: `sealstream audit restore-shard {row.folder} --export FOLDER`"
        )


class NothingSigned(SealstreamError):
    """A log without a checkpoint has nothing that could be shown or proved."""


async def stored_tile(connection: Connection, row: LogRow, address: TileAddress, cache: TileCache) -> bytes:
    """A tile's packed hashes, full or partial; fewer than its width where something is missing.

    Raises:
        ValueError: A stored tile is cut off.
    """
    first = address.index * TILE_WIDTH
    if address.width == TILE_WIDTH:
        return (await log_tree.tile_hashes(connection, row.tree, address.level, [address.index])).get(
            address.index, b""
        )
    if address.level == 0:
        at = row.start + first
        return await log_tree.leaf_hashes(connection, row.log_id, at, at + address.width)
    return await cache.roots(connection, row.tree, address.level - 1, range(first, first + address.width))


async def load_edge(connection: Connection, row: LogRow, size: int) -> RightEdge:
    """Rebuild the right edge that a log's tree had at a size, from full tiles and the last commits' hashes.

    Raises:
        VerificationFailed: Tiles or hashes are missing, or not as long as they must be.
    """
    cache = TileCache()
    try:
        partial = {address: await stored_tile(connection, row, address, cache) for address in partial_tiles(size)}
        return RightEdge.from_tiles(size, partial.get)
    except ValueError as exc:
        raise VerificationFailed(f"log {row.origin}: its stored hashes are cut off ({exc})") from exc


@dataclass(frozen=True, slots=True)
class SignedTree:
    """A log up to a signed checkpoint. Good for as long as its connection is held.

    Attributes:
        note: The checkpoint as it was signed and cosigned; whoever hands it on lets the receiver verify it.
    """

    connection: Connection
    row: LogRow
    checkpoint: Checkpoint
    note: bytes
    cache: TileCache = field(default_factory=TileCache)

    @classmethod
    async def newest(
        cls, connection: Connection, row: LogRow, cache: TileCache | None = None, showing: Showing = EVERYTHING
    ) -> Self:
        """The log up to its newest checkpoint that may be shown.

        Raises:
            HeldOutside: Its leaves and tiles are not in the database.
            NothingSigned: There is none.
            VerificationFailed: What is stored as the newest is no checkpoint.
        """
        if row.is_dropped:
            raise HeldOutside(row)
        note = await newest_note(connection, row.tree, showing)
        if note is None:
            missing = f"checkpoint cosigned by {showing.least} witnesses" if showing.least else "signed checkpoint"
            raise NothingSigned(f"log {row.origin} has no {missing} yet; a sequencer has one made within seconds")
        return cls(
            connection, row, parse_checkpoint(parse_note(note.encode()).text), note.encode(), cache or TileCache()
        )

    async def tile(self, address: TileAddress) -> bytes | None:
        """A tile's packed hashes; None where a tree of this size has no such tile.

        Raises:
            DamagedLog: The tree has it, and the database does not.
        """
        count = self.checkpoint.size >> TILE_HEIGHT * address.level
        if address.index * TILE_WIDTH + address.width > count:
            return None
        try:
            hashes = await stored_tile(self.connection, self.row, address, self.cache)
        except ValueError as exc:
            raise self._damaged(f"{address.path} is cut off") from exc
        if len(hashes) != address.width * HASH_BYTES:
            raise self._damaged(f"{address.path} is not stored whole")
        return hashes

    async def bundle(self, address: BundleAddress) -> bytes | None:
        """An entry bundle, each entry being what was sequenced; None where a tree of this size has none there.

        Raises:
            DamagedLog: An entry is missing, or hashes to something else.
        """
        first = address.index * TILE_WIDTH
        at = self.row.start + first
        hashes = await self.tile(TileAddress(0, address.index, address.width))
        if hashes is None:
            return None
        entries = await log_tree.leaf_bodies(self.connection, self.row.log_id, at, at + address.width)
        found = packed_leaf_hashes(entries)
        if found != hashes:
            wrong = next(
                n
                for n in range(address.width)
                if found[n * HASH_BYTES : (n + 1) * HASH_BYTES] != hashes[n * HASH_BYTES : (n + 1) * HASH_BYTES]
            )
            raise self._damaged(f"the leaf at index {first + wrong} is not the one that was sequenced")
        return encode_bundle(entries)

    async def entry(self, index: int) -> bytes:
        """One leaf, unchecked: hash it, and verify a proof.

        Raises:
            NoSuchProofError: The signed tree has no leaf with that index.
            DamagedLog: It has, and the database does not.
        """
        if not 0 <= index < self.checkpoint.size:
            raise NoSuchProofError(
                f"log {self.row.origin} has {self.checkpoint.size} leaves under its newest checkpoint, "
                f"and none with index {index}; ask for a lower one, or wait for the next checkpoint"
            )
        at = self.row.start + index
        entries = await log_tree.leaf_bodies(self.connection, self.row.log_id, at, at + 1)
        if not entries:
            raise self._damaged(f"the leaf at index {index} is gone")
        return entries[0]

    async def inclusion(self, indexes: Sequence[int]) -> list[TlogProof]:
        """Proofs that these leaves stand in the tree, from tiles that are read once for all of them.

        Raises:
            NoSuchProofError: The signed tree has no leaf with such an index.
            DamagedLog: Tiles are missing.
        """
        size = self.checkpoint.size
        reader = await self._reader([tile for index in indexes for tile in inclusion_tiles(index, size)])
        return [TlogProof(index, tuple(inclusion_proof(index, size, reader)), self.note) for index in indexes]

    async def consistency(self, old_size: int) -> list[bytes]:
        """Proof that this tree extends the one of its first `old_size` leaves.

        Raises:
            NoSuchProofError: `old_size` is 0 or larger than the tree.
            DamagedLog: Tiles are missing.
        """
        reader = await self._reader(consistency_tiles(old_size, self.checkpoint.size))
        return consistency_proof(old_size, self.checkpoint.size, reader)

    async def _reader(self, addresses: Sequence[TileAddress]) -> HashReader:
        layers: dict[tuple[int, int], list[bytes]] = {}
        for address in dict.fromkeys(addresses):
            found = self.cache.layers(self.row.tree, address)
            if found is None:
                found = [await self.tile(address) or b""]
                self.cache.keep(self.row.tree, address, found)
            layers[address.level, address.index] = found
        return HashReader(self.checkpoint.size, _NO_MORE.get, layers)

    def _damaged(self, what: str) -> DamagedLog:
        return DamagedLog(f"log {self.row.origin}: {what}; run `sealstream audit verify`")
