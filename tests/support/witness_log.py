"""A log in memory that asks a witness."""

from hashlib import sha256

from security.checkpoint import Checkpoint, sign_checkpoint
from security.merkle import leaf_hash, tree_root
from security.note import Signer
from security.witness import AddCheckpoint, format_add_checkpoint

ORIGIN = "log.example/audit"
LEAVES = 300


def prove(hashes: list[bytes], old: int) -> list[bytes]:
    """PROOF(old, D) of RFC 6962, section 2.1.2, as it is written there."""
    return [] if old in (0, len(hashes)) else _subproof(hashes, old, True)


def _subproof(hashes: list[bytes], old: int, complete: bool) -> list[bytes]:
    if old == len(hashes):
        return [] if complete else [tree_root(hashes)]
    half = 1 << (len(hashes) - 1).bit_length() - 1
    if old <= half:
        return [*_subproof(hashes[:half], old, complete), tree_root(hashes[half:])]
    return [*_subproof(hashes[half:], old - half, False), tree_root(hashes[:half])]


class WitnessLog:
    """Leaves of one kind, signed by one key whatever they are: two kinds are a fork."""

    def __init__(self, kind: str = "leaf", origin: str = ORIGIN) -> None:
        self.signer = Signer(origin, sha256(origin.encode()).digest())
        self.hashes = [leaf_hash(f"{kind} {n}".encode()) for n in range(LEAVES)]
        self.origin = origin

    def checkpoint(self, size: int) -> Checkpoint:
        """Of the first leaves."""
        return Checkpoint(self.origin, size, tree_root(self.hashes[:size]))

    def note(self, size: int) -> bytes:
        """The signed checkpoint."""
        return sign_checkpoint(self.checkpoint(size), [self.signer])

    def request(self, old: int, size: int, *, say: int | None = None) -> AddCheckpoint:
        """A request with its proof; `say` is the old size that it claims instead."""
        return AddCheckpoint(old if say is None else say, tuple(prove(self.hashes[:size], old)), self.note(size))

    def body(self, old: int, size: int) -> bytes:
        """The same, as it is sent."""
        return format_add_checkpoint(self.request(old, size))

    @property
    def path(self) -> str:
        """Where a witness shows what it cosigned of this log."""
        return f"{sha256(self.origin.encode()).hexdigest()}/checkpoint"
