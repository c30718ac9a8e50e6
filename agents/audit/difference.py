"""The difference of two large multisets in memory of fixed size: neither of them is kept.

An invertible Bloom lookup table (Goodrich and Mitzenmacher, "Invertible Bloom Lookup Tables", 2011): each item is added
to three cells by its hash; a cell in which a single item is left over gives that item away, and taking it out of its
other two cells uncovers more. What is in both multisets cancels out, whatever order they came in.
"""

from hashlib import sha256
from struct import Struct
from typing import Final

_CELLS: Final = 2048
"""In each of three rows; differences of some 4,500 items come out whole, beyond that in part."""

_HASH_BYTES: Final = 16
_MARK: Final = b"\x01" + bytes(8)  # counts an item; the zeroes keep sums of items from running into the count
_places = Struct(f"<3H{_HASH_BYTES - 6}x").unpack


class MultisetDifference:
    """Collects two multisets of items of one length and says how they differ.

    Args:
        item_bytes: Length of every item.
        key: Keys the hash. It must be fresh and secret: whoever knew it could choose items that cancel out.
    """

    def __init__(self, item_bytes: int, key: bytes) -> None:
        self._key = key
        self._length = len(_MARK) + item_bytes + _HASH_BYTES
        self._shift = 8 * (self._length - 1)
        self._cells = [0] * (3 * _CELLS)

    def expect(self, item: bytes) -> None:
        """Add an item to the one side."""
        self._add(item, 1)

    def find(self, item: bytes) -> None:
        """Add an item to the other side."""
        self._add(item, -1)

    def remainder(self) -> tuple[dict[bytes, int], bool]:
        """Take out what differs; call it once, at the end.

        Returns:
            Each item that came out with how much more often it was expected than found, and whether that is all.
        """
        out: dict[bytes, int] = {}
        waiting = [place for place, cell in enumerate(self._cells) if cell]
        while waiting:
            single = self._single(self._cells[waiting.pop()])
            if single is not None:
                item, count = single
                out[item] = out.get(item, 0) + count
                waiting += [place for place in self._add(item, -count) if self._cells[place]]
        return {item: count for item, count in out.items() if count}, not any(self._cells)

    def _add(self, item: bytes, count: int) -> tuple[int, int, int]:
        digest = self._hash(item)
        first, second, third = _places(digest)
        places = (first % _CELLS, _CELLS + second % _CELLS, 2 * _CELLS + third % _CELLS)
        added = count * int.from_bytes(_MARK + item + digest, "big")
        cells = self._cells
        for place in places:
            cells[place] += added
        return places

    def _single(self, cell: int) -> tuple[bytes, int] | None:
        """The item of a cell that holds nothing else, with its count."""
        count = (cell + (1 << self._shift - 1)) >> self._shift
        if not count or cell % count:
            return None
        packed = cell // count
        if packed >> self._shift != 1:
            return None
        text = packed.to_bytes(self._length, "big")
        item, digest = text[len(_MARK) : -_HASH_BYTES], text[-_HASH_BYTES:]
        return (item, count) if text.startswith(_MARK) and self._hash(item) == digest else None

    def _hash(self, item: bytes) -> bytes:
        # All items have one length and no hash leaves this process: a key before the item is as good as an HMAC here.
        return sha256(self._key + item).digest()[:_HASH_BYTES]
