"""Making inclusion and consistency proofs (RFC 6962, sections 2.1.1 and 2.1.2), and C2SP tlog-proof files.

Nodes come in through a reader, such as `security.tiles.HashReader`; a store that can't be read synchronously asks
`inclusion_tiles` or `consistency_tiles` first what to fetch. Checking hashes against roots is security.merkle.
"""

from base64 import b64encode
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Protocol

from schemas.errors import SealstreamError, VerificationFailed
from security.checkpoint import Checkpoint, parse_decimal, verify_checkpoint
from security.merkle import HASH_BYTES, MAX_TREE_SIZE, node_hash, verify_inclusion
from security.note import MAX_NOTE_BYTES, Verifier, decode_base64
from security.tiles import TILE_HEIGHT, TileAddress, tile_of_node

_HEADER = "c2sp.org/tlog-proof@v1"
_MAX_PATH = 64
_MAX_HEAD_BYTES = 1 << 16
"""All lines before the checkpoint; other readers take no single line beyond 64 KiB."""


class NoSuchProofError(SealstreamError):
    """A proof was asked for that a tree of this size does not have."""


class MalformedProofFile(VerificationFailed):
    """Bytes that are not a tlog-proof."""


class NodeReader(Protocol):
    """Where the nodes of one tree come from."""

    def node(self, height: int, index: int) -> bytes:
        """Root of the full subtree over leaves `[index << height, (index + 1) << height)`, 32 bytes."""


def inclusion_proof(index: int, size: int, reader: NodeReader) -> list[bytes]:
    """Path of the leaf at `index` in the tree of the first `size` leaves, from the leaf's sibling upwards.

    Raises:
        NoSuchProofError: There is no leaf with that index.
    """
    return [_range_root(start, end, reader) for start, end in _inclusion_ranges(index, size)]


def consistency_proof(old_size: int, new_size: int, reader: NodeReader) -> list[bytes]:
    """Proof that the tree of the first `new_size` leaves extends that of the first `old_size`.

    Raises:
        NoSuchProofError: The sizes are not `0 < old_size <= new_size`. Every tree extends the empty one without proof.
    """
    return [_range_root(start, end, reader) for start, end in _consistency_ranges(old_size, new_size)]


def inclusion_tiles(index: int, size: int) -> list[TileAddress]:
    """The tiles of a tree with `size` leaves that `inclusion_proof` reads, each once.

    Raises:
        NoSuchProofError: There is no leaf with that index.
    """
    return _tiles(_inclusion_ranges(index, size), size)


def consistency_tiles(old_size: int, new_size: int) -> list[TileAddress]:
    """The tiles of a tree with `new_size` leaves that `consistency_proof` reads, each once.

    Raises:
        NoSuchProofError: The sizes are not `0 < old_size <= new_size`.
    """
    return _tiles(_consistency_ranges(old_size, new_size), new_size)


@dataclass(frozen=True, slots=True)
class TlogProof:
    """Everything but keys that it takes to check offline that a log holds an entry.

    Attributes:
        index: The entry's position in the log.
        path: Inclusion path from the leaf's sibling upwards, 32 bytes each.
        checkpoint: The signed note, verbatim.
        extra: Data for the application that nothing authenticates; None when the proof has no such line.
    """

    index: int
    path: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes | None = None


def encode_tlog_proof(proof: TlogProof) -> bytes:
    """Write a tlog-proof.

    Raises:
        ValueError: A part lies outside the format's limits, so that nobody could read the proof.
    """
    lines = [_HEADER]
    if proof.extra is not None:
        lines.append(f"extra {b64encode(proof.extra).decode()}")
    lines.append(f"index {proof.index}")
    lines += [b64encode(node).decode() for node in proof.path]
    encoded = "\n".join(lines).encode() + b"\n\n" + proof.checkpoint
    try:
        readable = parse_tlog_proof(encoded) == proof
    except MalformedProofFile as exc:
        raise ValueError(f"the proof can't be written: {exc}") from exc
    if not readable:
        raise ValueError("the proof can't be written: it would be read as another one")
    return encoded


def parse_tlog_proof(data: bytes) -> TlogProof:
    """Read a tlog-proof; nothing is verified and the checkpoint is not looked at.

    Raises:
        MalformedProofFile: The bytes are not a tlog-proof, or exceed 64 hashes, 64 KiB of lines before the checkpoint
            or `MAX_NOTE_BYTES` of checkpoint.
    """
    head, separator, checkpoint = data.partition(b"\n\n")
    if len(head) > _MAX_HEAD_BYTES or len(checkpoint) > MAX_NOTE_BYTES:
        raise MalformedProofFile(f"the proof is larger than {_MAX_HEAD_BYTES} bytes of lines and a note")
    if not separator or not checkpoint:
        raise MalformedProofFile("the proof is not lines, an empty line and a checkpoint")
    try:
        header, *lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError as exc:
        raise MalformedProofFile("the lines before the checkpoint are not ASCII") from exc
    if header != _HEADER:
        raise MalformedProofFile(f"the first line is not {_HEADER}")
    extra = None
    if lines and lines[0].startswith("extra "):
        extra = decode_base64(lines.pop(0).removeprefix("extra "))
        if extra is None:
            raise MalformedProofFile("the extra line is not base64")
    if not lines or not lines[0].startswith("index "):
        raise MalformedProofFile("the index line is missing")
    index = parse_decimal(lines.pop(0).removeprefix("index "))
    if index is None:
        raise MalformedProofFile("the index is not a decimal number below 2^64 without leading zeros")
    if len(lines) > _MAX_PATH:
        raise MalformedProofFile(f"the path has more than {_MAX_PATH} hashes")
    path = [node for node in map(decode_base64, lines) if node is not None and len(node) == HASH_BYTES]
    if len(path) != len(lines):
        raise MalformedProofFile(f"a line of the path is not base64 of {HASH_BYTES} bytes")
    return TlogProof(index, tuple(path), checkpoint, extra)


def verify_tlog_proof(
    proof: TlogProof,
    leaf_hash: bytes,
    origin: str,
    log_keys: Collection[Verifier],
    witness_keys: Collection[Verifier] = (),
    min_witnesses: int = 0,
) -> Checkpoint:
    """Check that a log holds the entry with that leaf hash; the proof's extra data stays unverified.

    Args:
        proof: As read by `parse_tlog_proof`.
        leaf_hash: Computed from the entry itself, never taken from whoever made the proof.
        origin: The log that must hold the entry.
        log_keys: Keys that the log may sign with.
        witness_keys: Keys of known witnesses.
        min_witnesses: Known witnesses that must have cosigned the checkpoint.

    Returns:
        The verified checkpoint.

    Raises:
        VerificationFailed: As for `verify_checkpoint` and then `verify_inclusion`.
    """
    checkpoint = verify_checkpoint(proof.checkpoint, origin, log_keys, witness_keys, min_witnesses)
    verify_inclusion(leaf_hash, proof.index, checkpoint.size, proof.path, checkpoint.root)
    return checkpoint


def _inclusion_ranges(index: int, size: int) -> list[tuple[int, int]]:
    """The leaf ranges `[start, end)` whose roots are PATH(index, D[0:size])."""
    if not 0 <= index < size <= MAX_TREE_SIZE:
        raise NoSuchProofError("the tree has no leaf with that index; ask for one below the tree size")
    ranges = []
    start, end = 0, size
    while end - start > 1:
        split = _split(start, end)
        if index < split:
            ranges.append((split, end))
            end = split
        else:
            ranges.append((start, split))
            start = split
    return ranges[::-1]


def _consistency_ranges(old_size: int, new_size: int) -> list[tuple[int, int]]:
    """The leaf ranges `[start, end)` whose roots are PROOF(old_size, D[0:new_size])."""
    if not 0 < old_size <= new_size <= MAX_TREE_SIZE:
        raise NoSuchProofError("a consistency proof needs an old size above 0 and not above the new size")
    ranges = []
    start, end = 0, new_size
    while end != old_size:
        split = _split(start, end)
        if old_size <= split:
            ranges.append((split, end))
            end = split
        else:
            ranges.append((start, split))
            start = split
    # The verifier has the old root itself; what it lacks is the last, inner subtree of an old tree that is not full.
    if start:
        ranges.append((start, end))
    return ranges[::-1]


def _split(start: int, end: int) -> int:
    """Where RFC 6962 divides a range: its left part has the largest power of two below its length."""
    return start + (1 << (end - start - 1).bit_length() - 1)


def _subtrees(start: int, end: int) -> list[tuple[int, int]]:
    """The full subtrees (height, index) that make up one of the ranges above, from the left, the largest first."""
    subtrees = []
    while start < end:
        height = (end - start).bit_length() - 1
        subtrees.append((height, start >> height))
        start += 1 << height
    return subtrees


def _range_root(start: int, end: int, reader: NodeReader) -> bytes:
    *larger, last = _subtrees(start, end)
    root = reader.node(*last)
    for subtree in reversed(larger):
        root = node_hash(reader.node(*subtree), root)
    return root


def _tiles(ranges: Iterable[tuple[int, int]], size: int) -> list[TileAddress]:
    found: dict[tuple[int, int], TileAddress] = {}
    for start, end in ranges:
        for height, index in _subtrees(start, end):
            level, layer = divmod(height, TILE_HEIGHT)
            place = level, index >> TILE_HEIGHT - layer
            if place not in found:
                found[place] = tile_of_node(height, index, size)
    return list(found.values())
