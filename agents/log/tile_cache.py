"""What is kept of a log's tiles between proofs: roots of full tiles, and the nodes above the upper tiles' hashes.

A log only grows, so that a tile of a given width never changes. Reading and checking tiles is agents.log.tree.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from security.merkle import HASH_BYTES, packed_root
from security.tiles import TileAddress
from streams.storage import log_tree
from streams.storage.database import Connection

ROOTS_KEPT: Final = 1 << 16
"""Roots of full tiles that are remembered, 32 bytes each: those below the right edge are asked for again and again."""

LAYERS_KEPT_BYTES: Final = 8 << 20
"""Of upper tiles, 16 KB each with all nodes above: those of 33 million leaves, or of the tiles asked for last."""


class TileCache:
    """What is kept of the tiles of many logs. A damaged tile that got in is used until the process ends.

    Args:
        layers_bytes: How much of upper tiles is kept.
    """

    def __init__(self, layers_bytes: int = LAYERS_KEPT_BYTES) -> None:
        self._roots: dict[tuple[int, int, int], bytes] = {}
        self._layers: OrderedDict[tuple[int, TileAddress], list[bytes]] = OrderedDict()
        self._layers_bytes = layers_bytes
        self._free = layers_bytes

    async def roots(self, connection: Connection, log_id: int, level: int, indexes: Sequence[int]) -> bytes:
        """The packed roots of these full tiles, in order; those that are not stored are left out."""
        missing = [index for index in indexes if (log_id, level, index) not in self._roots]
        if missing:
            if len(self._roots) + len(missing) > ROOTS_KEPT:
                self._roots.clear()
                missing = list(indexes)
            found = await log_tree.tile_hashes(connection, log_id, level, missing)
            self._roots |= {(log_id, level, index): packed_root(hashes) for index, hashes in found.items()}
        return b"".join([self._roots.get((log_id, level, index), b"") for index in indexes])

    def layers(self, log_id: int, address: TileAddress) -> list[bytes] | None:
        """A tile's hashes and the layers above them that were asked for so far; None where nothing is kept."""
        found = self._layers.get((log_id, address))
        if found is not None:
            self._layers.move_to_end((log_id, address))
        return found

    def keep(self, log_id: int, address: TileAddress, layers: list[bytes]) -> None:
        """Keep an upper tile's layers; more of them may be added to the list. Tiles of leaves are too many to keep."""
        size = _whole_bytes(address)
        if address.level == 0 or size > self._layers_bytes or (log_id, address) in self._layers:
            return
        self._layers[log_id, address] = layers
        self._free -= size
        while self._free < 0:
            (_, former), _ = self._layers.popitem(last=False)
            self._free += _whole_bytes(former)


def _whole_bytes(address: TileAddress) -> int:
    return 2 * address.width * HASH_BYTES
