"""The log's tree as C2SP tlog-tiles: paths, growing by batches, and reading nodes back; also entry bundles.

A tile holds up to 256 packed hashes (`security.merkle`) of one level; level l+1 holds the roots of level l's full
tiles. Storing and serving tiles is left to the caller: tiles come in through a function and go out as values. Proofs
made from them are security.proof.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Self

from schemas.errors import VerificationFailed
from security.merkle import EMPTY_ROOT, HASH_BYTES, MAX_TREE_SIZE, packed_parents, packed_root

TILE_WIDTH = 256
TILE_HEIGHT = 8
MAX_LEVEL = 63
MAX_TILE_INDEX = MAX_TREE_SIZE // TILE_WIDTH
MAX_ENTRY_BYTES = 65_535
"""Entries carry a 16-bit length in a bundle, so a larger one could never be served."""

_TILE_BYTES = TILE_WIDTH * HASH_BYTES
_PATH = re.compile(r"tile/(0|[1-9][0-9]?|entries)/((?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?")


class MalformedTilePath(VerificationFailed):
    """A path that names no tile and no bundle: wrong digits, level, width, or a second spelling of a path."""


class MissingTile(VerificationFailed):
    """A tile that a tree of this size must have is absent or too short."""


class MalformedBundle(VerificationFailed):
    """An entry bundle that does not divide into entries."""


@dataclass(frozen=True, slots=True, order=True)
class TileAddress:
    """Where a tile stands.

    Attributes:
        level: 0 for leaf hashes.
        index: Zero-based, within the level.
        width: Hashes in the tile; below 256 it is a partial tile.
    """

    level: int
    index: int
    width: int = TILE_WIDTH

    def __post_init__(self) -> None:
        if not 0 <= self.level <= MAX_LEVEL:
            raise ValueError(f"tile levels go from 0 to {MAX_LEVEL}")
        _check_index_and_width(self.index, self.width)

    @property
    def path(self) -> str:
        """Path below the log's prefix: `tile/<L>/<N>`, with `.p/<W>` when partial."""
        return f"tile/{self.level}/{_index_path(self.index, self.width)}"


@dataclass(frozen=True, slots=True, order=True)
class BundleAddress:
    """Where an entry bundle stands: the same index and width as the level-0 tile with its hashes."""

    index: int
    width: int = TILE_WIDTH

    def __post_init__(self) -> None:
        _check_index_and_width(self.index, self.width)

    @property
    def path(self) -> str:
        """Path below the log's prefix: `tile/entries/<N>`, with `.p/<W>` when partial."""
        return f"tile/entries/{_index_path(self.index, self.width)}"


@dataclass(frozen=True, slots=True)
class Tile:
    """A tile to store. A later one at the same level and index is wider and replaces it.

    Attributes:
        hashes: Packed, 1 to 256 of them.
    """

    level: int
    index: int
    hashes: bytes

    @property
    def address(self) -> TileAddress:
        """Its address at its present width."""
        return TileAddress(self.level, self.index, len(self.hashes) // HASH_BYTES)


FetchTile = Callable[[TileAddress], bytes | None]
"""Gives a tile's packed hashes, or None when there is no such tile. It may give more hashes than asked for: a wider
tile starts with every narrower one, so a store keeps only the widest."""


def parse_tile_path(path: str) -> TileAddress | BundleAddress:
    """Read the path of a tile or an entry bundle, relative to the log's prefix; each has exactly one spelling.

    Raises:
        MalformedTilePath: Anything else.
    """
    match = _PATH.fullmatch(path)
    if match is None:
        raise MalformedTilePath("the path is not tile/<level>/<index> or tile/entries/<index>, with .p/<width> or not")
    level, groups, width = match.groups()
    index = int(groups.replace("/", "").replace("x", ""))
    address: TileAddress | BundleAddress
    try:
        if level == "entries":
            address = BundleAddress(index, int(width or TILE_WIDTH))
        else:
            address = TileAddress(int(level), index, int(width or TILE_WIDTH))
    except ValueError as exc:
        raise MalformedTilePath(str(exc)) from exc
    # `x000/005` would be a second name of `005`, and `.p/256` one of the full tile.
    if address.path != path:
        raise MalformedTilePath("the path is not the shortest spelling of its index and width")
    return address


def changed_tiles(old_size: int, new_size: int) -> Iterator[TileAddress]:
    """Tiles that a log gains or widens when it grows, each at its width under `new_size`, lowest level first."""
    if not 0 <= old_size <= new_size <= MAX_TREE_SIZE:
        raise ValueError("a log only grows")
    level = 0
    while old_size < new_size:
        for index in range(old_size // TILE_WIDTH, (new_size - 1) // TILE_WIDTH + 1):
            yield TileAddress(level, index, min(TILE_WIDTH, new_size - index * TILE_WIDTH))
        old_size //= TILE_WIDTH
        new_size //= TILE_WIDTH
        level += 1


def partial_tiles(size: int) -> list[TileAddress]:
    """The partial tiles of a tree, lowest level first: at most one a level, and all that its right edge needs."""
    return [
        TileAddress(level, count // TILE_WIDTH, count % TILE_WIDTH)
        for level, count in enumerate(_level_counts(size))
        if count % TILE_WIDTH
    ]


@dataclass(frozen=True, slots=True)
class RightEdge:
    """What a sequencer needs of a tree in order to append to it: its size and its partial tiles.

    Attributes:
        size: Leaves in the tree.
        tails: The packed hashes of each level's partial tile, lowest level first; empty where all tiles are full.
    """

    size: int = 0
    tails: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        widths = [count % TILE_WIDTH for count in _level_counts(self.size)]
        if [len(tail) for tail in self.tails] != [width * HASH_BYTES for width in widths]:
            raise ValueError("the tails are not as wide as the partial tiles of a tree of that size")

    @classmethod
    def from_tiles(cls, size: int, fetch: FetchTile) -> Self:
        """Restore the edge of a tree from `partial_tiles(size)`; compare its root with the last checkpoint's.

        Raises:
            MissingTile: A partial tile is absent or holds too few hashes.
        """
        tails = [b""] * len(_level_counts(size))
        for address in partial_tiles(size):
            tails[address.level] = _fetch(fetch, address)
        return cls(size, tuple(tails))

    def root(self) -> bytes:
        """MTH of the whole tree, from at most 255 hashes a level."""
        below = b""
        for tail in self.tails:
            # The part below that fills no tile is the last, shorter subtree beside this level's full ones.
            below = packed_root(tail + below) if tail or below else b""
        return below or EMPTY_ROOT

    def advance(self, packed_leaf_hashes: bytes) -> tuple[list[Tile], "RightEdge"]:
        """Append a batch of leaves.

        Args:
            packed_leaf_hashes: 32 bytes for each new leaf, in log order.

        Returns:
            The tiles to store, each full one final and at most one partial one a level; and the edge after the batch.
        """
        if len(packed_leaf_hashes) % HASH_BYTES:
            raise ValueError(f"packed hashes are {HASH_BYTES} bytes each; got {len(packed_leaf_hashes)} bytes")
        tiles: list[Tile] = []
        tails = list(self.tails)
        carry = packed_leaf_hashes
        level = 0
        while carry:
            if level == len(tails):
                tails.append(b"")
            hashes = tails[level] + carry
            first_index = self.size >> TILE_HEIGHT * (level + 1)
            tiles += [
                Tile(level, first_index + n, hashes[start : start + _TILE_BYTES])
                for n, start in enumerate(range(0, len(hashes), _TILE_BYTES))
            ]
            full_bytes = len(hashes) // _TILE_BYTES * _TILE_BYTES
            tails[level] = hashes[full_bytes:]
            carry = hashes[:full_bytes]
            for _ in range(TILE_HEIGHT):
                carry = packed_parents(carry)
            level += 1
        return tiles, RightEdge(self.size + len(packed_leaf_hashes) // HASH_BYTES, tuple(tails))


def root_from_tiles(size: int, fetch: FetchTile) -> bytes:
    """Root of the tree with that size, from one tile a level at most.

    Raises:
        MissingTile: A partial tile is absent or holds too few hashes.
    """
    return RightEdge.from_tiles(size, fetch).root()


class HashReader:
    """Reads the nodes of one tree out of its tiles, fetching each tile once.

    It keeps what it fetched, so make one for a batch of proofs and let it go. Nodes are not verified: a proof made
    from wrong tiles fails where it is checked.

    Args:
        layers: Tiles at hand by level and index: the hashes, and layers above them; others that are asked for are
            added to the lists.
    """

    def __init__(
        self, size: int, fetch: FetchTile, layers: Mapping[tuple[int, int], list[bytes]] = MappingProxyType({})
    ) -> None:
        self._size = size
        self._fetch = fetch
        # For each (level, index), the tile's hashes and as many of the layers above them as were asked for.
        self._layers = dict(layers)

    def node(self, height: int, index: int) -> bytes:
        """Root of the full subtree over leaves `[index << height, (index + 1) << height)`.

        Raises:
            MissingTile: The tile that holds the subtree is absent or too short.
            ValueError: The subtree does not lie within the tree.
        """
        level, layer = divmod(height, TILE_HEIGHT)
        tile_index = index >> TILE_HEIGHT - layer
        layers = self._layers.get((level, tile_index))
        if layers is None:
            layers = [_fetch(self._fetch, tile_of_node(height, index, self._size))]
            self._layers[level, tile_index] = layers
        while len(layers) <= layer:
            layers.append(packed_parents(layers[-1]))
        start = (index - (tile_index << TILE_HEIGHT - layer)) * HASH_BYTES
        node = layers[layer][start : start + HASH_BYTES]
        if not node:
            raise ValueError("the subtree does not lie within the tree")
        return node


def tile_of_node(height: int, index: int, size: int) -> TileAddress:
    """The tile of a tree with `size` leaves from which a full subtree's root is read (see `HashReader.node`)."""
    if height < 0 or index < 0 or (index + 1) << height > size:
        raise ValueError("the subtree does not lie within the tree")
    level, layer = divmod(height, TILE_HEIGHT)
    tile_index = index >> TILE_HEIGHT - layer
    return TileAddress(level, tile_index, min(TILE_WIDTH, (size >> TILE_HEIGHT * level) - tile_index * TILE_WIDTH))


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """Write an entry bundle: each entry after its length as a big-endian 16-bit number.

    Raises:
        ValueError: There are none or more than 256 entries, or one is longer than 65,535 bytes.
    """
    if not 1 <= len(entries) <= TILE_WIDTH:
        raise ValueError(f"a bundle holds 1 to {TILE_WIDTH} entries")
    if max(map(len, entries)) > MAX_ENTRY_BYTES:
        raise ValueError(f"a log entry is at most {MAX_ENTRY_BYTES} bytes long")
    return b"".join([len(entry).to_bytes(2, "big") + entry for entry in entries])


def parse_bundle(bundle: bytes) -> list[bytes]:
    """Read the entries of a bundle.

    Raises:
        MalformedBundle: It is empty, holds more than 256 entries, or ends within one.
    """
    entries: list[bytes] = []
    at = 0
    while at < len(bundle):
        start = at + 2
        at = start + int.from_bytes(bundle[at:start], "big")
        if at > len(bundle):
            raise MalformedBundle(f"the bundle ends within entry {len(entries)}")
        entries.append(bundle[start:at])
        if len(entries) > TILE_WIDTH:
            raise MalformedBundle(f"the bundle holds more than {TILE_WIDTH} entries")
    if not entries:
        raise MalformedBundle("the bundle is empty")
    return entries


def _level_counts(size: int) -> list[int]:
    """Hashes at each tile level of a tree, up to the last level that has any."""
    if not 0 <= size <= MAX_TREE_SIZE:
        raise ValueError(f"tree sizes go from 0 to {MAX_TREE_SIZE}")
    return [size >> TILE_HEIGHT * level for level in range(-(-size.bit_length() // TILE_HEIGHT))]


def _fetch(fetch: FetchTile, address: TileAddress) -> bytes:
    hashes = fetch(address)
    if hashes is None:
        raise MissingTile(f"{address.path} is missing")
    if len(hashes) < address.width * HASH_BYTES:
        raise MissingTile(f"{address.path} holds {len(hashes)} bytes instead of {address.width * HASH_BYTES}")
    return hashes[: address.width * HASH_BYTES]


def _check_index_and_width(index: int, width: int) -> None:
    if not 0 <= index <= MAX_TILE_INDEX:
        raise ValueError(f"tile indexes go from 0 to {MAX_TILE_INDEX}")
    if not 1 <= width <= TILE_WIDTH:
        raise ValueError(f"tiles are 1 to {TILE_WIDTH} hashes wide")


def _index_path(index: int, width: int) -> str:
    digits = str(index)
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    *parents, last = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    suffix = f".p/{width}" if width < TILE_WIDTH else ""
    return "".join(f"x{group}/" for group in parents) + last + suffix
