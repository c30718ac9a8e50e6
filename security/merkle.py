"""RFC 6962 Merkle tree hashing (section 2.1) and the checks of its proofs (RFC 9162, sections 2.1.3 and 2.1.4).

Everything here works on hashes in memory. Storing a tree is security.tiles, generating proofs of a stored tree
security.proof. *Packed* hashes are 32-byte hashes without separators, the form that tiles and commits store.
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256
from struct import Struct

from schemas.errors import VerificationFailed

HASH_BYTES = 32
MAX_TREE_SIZE = 2**64 - 1
"""Sizes and indexes are 64-bit unsigned numbers in every format that carries them."""

EMPTY_ROOT = sha256(b"").digest()

_PAIR_BYTES = 2 * HASH_BYTES
_pairs = Struct(f"{_PAIR_BYTES}s").iter_unpack
# Copying a context that has already seen the domain prefix is a tenth faster than starting one and concatenating.
_node_context = sha256(b"\x01")


class MalformedProof(VerificationFailed):
    """An index, a size or a hash that no proof of any tree can hold."""


class WrongProofLength(VerificationFailed):
    """A proof with more or fewer hashes than the index and the sizes need."""


class RootMismatch(VerificationFailed):
    """A well-formed proof that leads to another root than the one it was checked against."""


def leaf_hash(entry: bytes) -> bytes:
    """Hash of one log entry: SHA-256(0x00 || entry)."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node: SHA-256(0x01 || left || right)."""
    return sha256(b"\x01" + left + right).digest()


def packed_leaf_hashes(entries: Iterable[bytes]) -> bytes:
    """Leaf hashes of a frame of entries, packed."""
    return b"".join([sha256(b"\x00" + entry).digest() for entry in entries])


def packed_parents(packed: bytes) -> bytes:
    """Hashes of the inner nodes right above some packed hashes; a last hash without a partner has none yet."""
    parents: list[bytes] = []
    # Looked up once: this loop is what a tree costs.
    start, add = _node_context.copy, parents.append
    for (pair,) in _pairs(packed[: len(packed) // _PAIR_BYTES * _PAIR_BYTES]):
        context = start()
        context.update(pair)
        add(context.digest())
    return b"".join(parents)


def packed_root(packed: bytes) -> bytes:
    """MTH of packed leaf hashes, or of the packed roots of equally large full subtrees that stand side by side."""
    if not packed:
        return EMPTY_ROOT
    if len(packed) % HASH_BYTES:
        raise ValueError(f"packed hashes are {HASH_BYTES} bytes each; got {len(packed)} bytes")
    while len(packed) > HASH_BYTES:
        # The unpaired right-most node goes up as it is, which is RFC 6962's split at the largest power of two.
        unpaired = packed[len(packed) // _PAIR_BYTES * _PAIR_BYTES :]
        packed = packed_parents(packed) + unpaired
    return packed


def tree_root(leaf_hashes: Sequence[bytes]) -> bytes:
    """MTH of leaf hashes, 32 bytes each; `EMPTY_ROOT` when there are none."""
    return packed_root(_pack(leaf_hashes))


def root_and_paths(leaf_hashes: Sequence[bytes]) -> tuple[bytes, list[list[bytes]]]:
    """Root of a tree that fits in memory, and the inclusion path of each leaf from its sibling upwards.

    For trees that are signed once and travel as one path per record. The same result as `security.proof` gives, with
    each node hashed once.
    """
    level = _pack(leaf_hashes)
    levels = []
    while len(level) > HASH_BYTES:
        levels.append([level[at : at + HASH_BYTES] for at in range(0, len(level), HASH_BYTES)])
        level = packed_parents(level) + level[len(level) // _PAIR_BYTES * _PAIR_BYTES :]
    # From the root downwards: a node's path is its sibling and then its parent's path. A right-most node without a
    # sibling was promoted, and has its parent's path.
    paths: list[list[bytes]] = [[]] if leaf_hashes else []
    for nodes in reversed(levels):
        last = len(nodes) - 1
        paths = [[nodes[at ^ 1], *paths[at >> 1]] if at ^ 1 <= last else paths[at >> 1] for at in range(len(nodes))]
    return level or EMPTY_ROOT, paths


class Frontier:
    """The roots of the full subtrees of a growing tree: 32 bytes for each set bit of its size, and enough to grow.

    Attributes:
        size: Leaves so far.
    """

    __slots__ = ("_peaks", "size")

    def __init__(self, size: int = 0, hashes: Sequence[bytes] = ()) -> None:
        """Resume from `Frontier.hashes` of a tree of `size` leaves.

        Raises:
            ValueError: `hashes` can't be the frontier of that size.
        """
        if not 0 <= size <= MAX_TREE_SIZE or len(hashes) != size.bit_count() or any(len(h) != 32 for h in hashes):
            raise ValueError(f"a frontier of {size} leaves holds one 32-byte hash for each set bit of that size")
        self.size = size
        smallest_first = iter(reversed(hashes))
        self._peaks = [next(smallest_first) if size >> height & 1 else b"" for height in range(size.bit_length())]

    @property
    def hashes(self) -> tuple[bytes, ...]:
        """The subtree roots from the left, the largest first."""
        return tuple(peak for peak in reversed(self._peaks) if peak)

    def append(self, leaf_hash: bytes) -> None:
        """Add one leaf."""
        self.extend((leaf_hash,))

    def extend(self, leaf_hashes: Sequence[bytes]) -> None:
        """Add leaves in order; whole levels at a time, about one SHA-256 a leaf."""
        carry = _pack(leaf_hashes)
        height = 0
        while carry:
            if height == len(self._peaks):
                self._peaks.append(b"")
            # What is already there at this height stands right before the first new node.
            nodes = self._peaks[height] + carry
            self._peaks[height] = nodes[len(nodes) // _PAIR_BYTES * _PAIR_BYTES :]
            carry = packed_parents(nodes)
            height += 1
        self.size += len(leaf_hashes)

    def root(self) -> bytes:
        """MTH of everything so far."""
        root = b""
        for peak in self._peaks:
            if peak:
                root = node_hash(peak, root) if root else peak
        return root or EMPTY_ROOT


def root_from_inclusion_proof(leaf_hash: bytes, index: int, tree_size: int, path: Sequence[bytes]) -> bytes:
    """Recompute the root that an inclusion proof commits to (RFC 9162, section 2.1.3.2).

    Args:
        leaf_hash: 32 bytes.
        index: Zero-based position of the leaf, `0 <= index < tree_size`.
        tree_size: Leaves under the root.
        path: Sibling hashes from the leaf upwards, 32 bytes each.

    Returns:
        The root hash; comparing it with a checkpoint is the caller's part.

    Raises:
        MalformedProof: The index lies outside the tree, or a hash is not 32 bytes long.
        WrongProofLength: `path` is longer or shorter than `index` and `tree_size` need.
    """
    if not 0 <= index < tree_size <= MAX_TREE_SIZE:
        raise MalformedProof("the leaf index does not lie within the tree")
    _check_hash(leaf_hash, "the leaf hash")
    node, last, root = index, tree_size - 1, leaf_hash
    for sibling in path:
        if last == 0:
            raise WrongProofLength("the inclusion proof goes on beyond the root")
        _check_hash(sibling, "a hash of the inclusion proof")
        if node & 1 or node == last:
            root = node_hash(sibling, root)
            while node and not node & 1:
                node >>= 1
                last >>= 1
        else:
            root = node_hash(root, sibling)
        node >>= 1
        last >>= 1
    if last:
        raise WrongProofLength("the inclusion proof ends below the root")
    return root


def verify_inclusion(leaf_hash: bytes, index: int, tree_size: int, path: Sequence[bytes], root: bytes) -> None:
    """Check that a leaf stands at `index` in the tree with that size and root.

    Raises:
        MalformedProof: The index lies outside the tree, or a hash is not 32 bytes long.
        WrongProofLength: `path` is longer or shorter than `index` and `tree_size` need.
        RootMismatch: The path leads to another root.
    """
    if root_from_inclusion_proof(leaf_hash, index, tree_size, path) != root:
        raise RootMismatch("the inclusion proof leads to another root than the tree's")


def verify_consistency(old_size: int, new_size: int, path: Sequence[bytes], old_root: bytes, new_root: bytes) -> None:
    """Check that the new tree extends the old one (RFC 9162, section 2.1.4.2).

    Every tree extends the empty one, so a proof about it would say nothing: size 0 is the caller's case and refused.

    Raises:
        MalformedProof: The sizes are not `0 < old_size <= new_size`, or a hash is not 32 bytes long.
        WrongProofLength: `path` is longer or shorter than the sizes need.
        RootMismatch: The path leads to another old or new root, or equal sizes have different roots.
    """
    if not 0 < old_size <= new_size <= MAX_TREE_SIZE:
        raise MalformedProof("a consistency proof needs an old tree that is not empty and not larger than the new one")
    if old_size == new_size:
        if path:
            raise WrongProofLength("trees of equal size have an empty consistency proof")
        if old_root != new_root:
            raise RootMismatch("two trees of equal size have different roots")
        return
    if not path:
        raise WrongProofLength("the consistency proof is empty, but the trees have different sizes")
    node, last = old_size - 1, new_size - 1
    while node & 1:
        node >>= 1
        last >>= 1
    # A full old tree is itself the first node of the path, so the proof leaves it out.
    hashes = iter(path)
    first = old_root if old_size.bit_count() == 1 else next(hashes)
    _check_hash(first, "the first hash of the consistency proof")
    old = new = first
    for sibling in hashes:
        if last == 0:
            raise WrongProofLength("the consistency proof goes on beyond the root")
        _check_hash(sibling, "a hash of the consistency proof")
        if node & 1 or node == last:
            old = node_hash(sibling, old)
            new = node_hash(sibling, new)
            while node and not node & 1:
                node >>= 1
                last >>= 1
        else:
            new = node_hash(new, sibling)
        node >>= 1
        last >>= 1
    if last:
        raise WrongProofLength("the consistency proof ends below the root")
    if old != old_root or new != new_root:
        raise RootMismatch("the consistency proof leads to another old or new root")


def _check_hash(value: bytes, what: str) -> None:
    if len(value) != HASH_BYTES:
        raise MalformedProof(f"{what} is not {HASH_BYTES} bytes long")


def _pack(hashes: Sequence[bytes]) -> bytes:
    packed = b"".join(hashes)
    if len(packed) != len(hashes) * HASH_BYTES:
        raise ValueError(f"every hash is {HASH_BYTES} bytes long")
    return packed
