"""Many inclusion proofs against one root: what neighbours' paths have in common is hashed once.

The algorithm is that of `security.merkle.root_from_inclusion_proof` (RFC 9162, section 2.1.3.2), which checks single
proofs; this one takes paths in base64, the form in which they travel.
"""

from binascii import b2a_base64

from schemas.events.attributes import decode_base64
from security.merkle import HASH_BYTES, MalformedProof, node_hash, verify_inclusion


class InclusionChecker:
    """Checks leaves of one tree. Remembers the way of the last leaf that passed: its nodes and their siblings.

    In the left-most perfect subtree the ways of two leaves meet at their first common ancestor. Right below it each
    stands as a sibling in the other's path, and above it their paths are equal. So a leaf whose path has those two
    properties passes exactly when its way leads to the sibling that was remembered. Everything else, every refusal
    too, is decided by the leaf alone: who checks it later without this memory gets the same answer.

    Args:
        root: Root of the tree, 32 bytes.
        size: Its leaves.
    """

    __slots__ = ("_height", "_index", "_path", "_root", "_siblings", "_size", "_way")

    def __init__(self, root: bytes, size: int) -> None:
        self._root = root
        self._size = size
        self._height = size.bit_length() - 1
        self._index = 0
        self._path: list[str] | None = None
        self._way: list[bytes] = []
        self._siblings: list[bytes] = []

    def check(self, leaf_hash: bytes, index: int, path: list[str]) -> None:
        """Check that a leaf stands at `index`.

        Args:
            leaf_hash: 32 bytes.
            index: Zero-based position.
            path: Sibling hashes from the leaf upwards, in base64.

        Raises:
            MalformedProof: The index lies outside the tree, or an entry of the path is not 32 bytes in base64.
            WrongProofLength: `path` is longer or shorter than the tree needs.
            RootMismatch: The path leads to another root.
        """
        if not self._meets(leaf_hash, index, path):
            siblings = list(map(_hash, path))
            verify_inclusion(leaf_hash, index, self._size, siblings, self._root)
            if index < 1 << self._height:
                self._way = _way(leaf_hash, index, siblings[: self._height])
                self._index, self._path, self._siblings = index, path, siblings

    def _meets(self, leaf_hash: bytes, index: int, path: list[str]) -> bool:
        known = self._path
        if known is None or index < 0 or len(path) != len(known):
            return False
        meeting = (index ^ self._index).bit_length()
        # An index beyond the perfect subtree meets above it.
        if not 0 < meeting <= self._height or path[meeting:] != known[meeting:]:
            return False
        below = meeting - 1
        if path[below] != b2a_base64(self._way[below], newline=False).decode():
            return False
        if not below:  # every other leaf: its neighbour came before it
            if leaf_hash != self._siblings[0]:
                return False
            self._siblings[0], self._way[0] = self._way[0], leaf_hash
            self._index, self._path = index, path
            return True
        siblings = [_hash(text) for text in path[:below]]
        way = _way(leaf_hash, index, siblings)
        if way[below] != self._siblings[below]:
            return False
        siblings.append(self._way[below])
        self._siblings[:meeting] = siblings
        self._way[:meeting] = way
        self._index, self._path = index, path
        return True


def _way(leaf_hash: bytes, index: int, siblings: list[bytes]) -> list[bytes]:
    """The nodes from a leaf upwards, one for each sibling above it; no node of these is promoted."""
    way = [leaf_hash]
    for sibling in siblings:
        leaf_hash = node_hash(sibling, leaf_hash) if index & 1 else node_hash(leaf_hash, sibling)
        way.append(leaf_hash)
        index >>= 1
    return way


def _hash(text: str) -> bytes:
    try:
        value = decode_base64(text)
    except ValueError:
        raise MalformedProof("an entry of the path is not base64") from None
    if len(value) != HASH_BYTES:
        raise MalformedProof(f"an entry of the path is not {HASH_BYTES} bytes long")
    return value
