"""A closed shard held outside the database, as `audit export` wrote it: read and checked as a whole.

Writing such a folder is agents.log.export.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from agents.log.export import CHECKPOINT
from schemas.errors import VerificationFailed
from security.checkpoint import Checkpoint, parse_checkpoint, verify_checkpoint
from security.merkle import HASH_BYTES, packed_leaf_hashes
from security.note import Verifier, parse_note
from security.tiles import TILE_WIDTH, BundleAddress, RightEdge, TileAddress, parse_bundle, partial_tiles

_WHOLE: Final = TILE_WIDTH * HASH_BYTES


class NotWhole(VerificationFailed):
    """A folder does not hold the whole of a shard."""


@dataclass(slots=True)
class HeldExport:
    """The folder of one shard. Nothing of it is believed before `check`, or before what is read is hashed.

    Attributes:
        checkpoint: Parsed only.
    """

    folder: Path
    checkpoint: Checkpoint
    note: bytes
    _kept: tuple[int, list[bytes]] = field(default=(-1, []))

    @classmethod
    def open(cls, folder: Path, origin: str) -> Self:
        """Read a folder's checkpoint.

        Raises:
            NotWhole: There is none, or it is of another log.
            VerificationFailed: It is none.
        """
        try:
            note = (folder / CHECKPOINT).read_bytes()
        except OSError as exc:
            raise NotWhole(f"{folder} holds no exported log: its checkpoint can't be read") from exc
        checkpoint = parse_checkpoint(parse_note(note).text)
        if checkpoint.origin != origin:
            raise NotWhole(f"{folder} holds log {checkpoint.origin}, and not {origin}")
        return cls(folder, checkpoint, note)

    def check(self, verifier: Verifier) -> Iterator[tuple[int, int, bytes]]:
        """Check the whole folder against its signed root; gives the full tiles, as (level, index, hashes).

        It is checked once all are taken.

        Raises:
            NotWhole: A tile or an entry is missing, or not what was signed.
            VerificationFailed: The checkpoint is not signed by the shard's key.
        """
        signed = verify_checkpoint(self.note, verifier.name, [verifier])
        edge = RightEdge()
        for index in range(-(-signed.size // TILE_WIDTH)):
            hashes = packed_leaf_hashes(self._bundle(index))
            tiles, edge = edge.advance(hashes)
            for tile in tiles:
                if len(tile.hashes) == _WHOLE:
                    self._same(TileAddress(tile.level, tile.index), tile.hashes)
                    yield tile.level, tile.index, tile.hashes
        if (edge.size, edge.root()) != (signed.size, signed.root):
            raise NotWhole(f"the entries in {self.folder} don't give the root that was signed at {signed.size}")
        for address in partial_tiles(signed.size):
            self._same(address, edge.tails[address.level])

    def leaves(self, first: int, end: int) -> list[bytes]:
        """The entries from an index to before another, unchecked.

        Raises:
            NotWhole: Some are missing.
        """
        found: list[bytes] = []
        while first < end:
            index, at = divmod(first, TILE_WIDTH)
            some = self._bundle(index)[at : at + end - first]
            if not some:
                raise NotWhole(f"{self.folder} has no entry {first}")
            found += some
            first += len(some)
        return found

    def _bundle(self, index: int) -> list[bytes]:
        if self._kept[0] != index:
            width = min(TILE_WIDTH, self.checkpoint.size - index * TILE_WIDTH)
            entries = parse_bundle(self._read(BundleAddress(index, width).path)) if width > 0 else []
            self._kept = index, entries
        return self._kept[1]

    def _same(self, address: TileAddress, hashes: bytes) -> None:
        if self._read(address.path) != hashes:
            raise NotWhole(f"{self.folder / address.path} is not the tile that the entries give")

    def _read(self, path: str) -> bytes:
        try:
            return (self.folder / path).read_bytes()
        except OSError as exc:
            raise NotWhole(
                f"{self.folder / path} can't be read ({type(exc).__name__}); export the shard again"
            ) from exc
