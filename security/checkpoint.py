"""Signed checkpoints (C2SP tlog-checkpoint): format, parse, sign, verify.

Notes and keys are security.note, proofs between checkpoints security.merkle. Signing does not look for an older
checkpoint: whoever signs first stores the new size and root durably, because two inconsistent checkpoints with one
signature discredit the log for ever.
"""

import re
from base64 import b64encode
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from schemas.errors import VerificationFailed
from security.merkle import EMPTY_ROOT, HASH_BYTES, MAX_TREE_SIZE
from security.note import Signer, Verifier, decode_base64, sign_note, verify_note

_DECIMAL = re.compile(r"0|[1-9][0-9]{0,19}")


class MalformedCheckpoint(VerificationFailed):
    """A note text that is not a checkpoint, or one that describes an impossible tree."""


class ImpossibleTree(MalformedCheckpoint):
    """An empty tree with a root other than the empty tree's."""


class WrongOrigin(VerificationFailed):
    """A checkpoint of another log than the one it was checked against."""


class UntrustedCheckpoint(VerificationFailed):
    """A checkpoint without a signature by its log, or with cosignatures by too few witnesses."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A log's size and root at one time.

    Attributes:
        origin: The log's identity, recommended is its URL without scheme and last slash.
        size: Leaves in the tree.
        root: MTH of those leaves, 32 bytes.
        extensions: Further lines, signed but without a meaning here; not recommended by the format.
    """

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The note text, each line with its newline.

        Raises:
            ValueError: A part can't be written, so that reading the text would give another checkpoint.
        """
        lines = (self.origin, str(self.size), b64encode(self.root).decode(), *self.extensions)
        if not all(lines) or "\n" in "".join(lines) or len(self.root) != HASH_BYTES:
            raise ValueError("a checkpoint is made of non-empty lines and a 32-byte root")
        if not 0 <= self.size <= MAX_TREE_SIZE:
            raise ValueError(f"tree sizes go from 0 to {MAX_TREE_SIZE}")
        return "\n".join(lines) + "\n"


def parse_checkpoint(text: str) -> Checkpoint:
    """Read the text of a note as a checkpoint; its signatures are not looked at.

    Raises:
        MalformedCheckpoint: Lines are missing or empty, the size is not a canonical decimal below 2^64, the root is
            not canonical base64 of 32 bytes, or an empty tree has a root other than the empty one.
    """
    *lines, rest = text.split("\n")
    if rest or len(lines) < 3 or not all(lines):
        raise MalformedCheckpoint("a checkpoint is three or more non-empty lines")
    size = parse_decimal(lines[1])
    if size is None:
        raise MalformedCheckpoint("the tree size is not a decimal number below 2^64 without leading zeros")
    root = decode_base64(lines[2])
    if root is None or len(root) != HASH_BYTES:
        raise MalformedCheckpoint(f"the root hash is not base64 of {HASH_BYTES} bytes")
    if size == 0 and root != EMPTY_ROOT:
        raise ImpossibleTree("the tree is empty, but the root is not the empty tree's")
    return Checkpoint(lines[0], size, root, tuple(lines[3:]))


def sign_checkpoint(checkpoint: Checkpoint, signers: Sequence[Signer]) -> bytes:
    """Write a checkpoint as a signed note. The size and root must be stored durably before this is released.

    Raises:
        ValueError: The checkpoint can't be written as a note, or nobody signs.
    """
    return sign_note(checkpoint.text, signers)


def verify_checkpoint(
    note: bytes,
    origin: str,
    log_keys: Collection[Verifier],
    witness_keys: Collection[Verifier] = (),
    min_witnesses: int = 0,
) -> Checkpoint:
    """Check that a note is a checkpoint of that log, signed by it and cosigned by enough witnesses.

    Args:
        note: The signed note.
        origin: The log's origin line.
        log_keys: Keys that the log may sign with; one of them must have.
        witness_keys: Keys of known witnesses; lines by others are passed over.
        min_witnesses: Known witnesses that must have cosigned. A witness counts once, with however many keys.

    Raises:
        MalformedNote: The bytes are not a signed note.
        InvalidSignature: A line that names a key given here does not verify.
        NoTrustedSignature: There is no line by any key given here.
        UntrustedCheckpoint: No line is by a log key, or too few witnesses have signed.
        MalformedCheckpoint: The text is not a checkpoint.
        WrongOrigin: The checkpoint is another log's.
    """
    verified = verify_note(note, [*log_keys, *witness_keys])
    checkpoint = parse_checkpoint(verified.text)
    if checkpoint.origin != origin:
        raise WrongOrigin("the checkpoint's origin is not the expected log")
    signed_by = {(signature.name, signature.key_id) for signature in verified.signatures}
    if not any((key.name, key.key_id) in signed_by for key in log_keys):
        raise UntrustedCheckpoint("the checkpoint is not signed by a key of its log")
    witnesses = [key for key in witness_keys if (key.name, key.key_id) in signed_by and key not in log_keys]
    # Neither a second key of one witness nor a second name of one key makes a second witness.
    count = min(len({key.name for key in witnesses}), len({key.public_key for key in witnesses}))
    if count < min_witnesses:
        raise UntrustedCheckpoint(f"{count} known witnesses have cosigned the checkpoint; {min_witnesses} are needed")
    return checkpoint


def parse_decimal(text: str) -> int | None:
    """An unsigned 64-bit number in ASCII decimal without leading zeros, as sizes and indexes are written; else None."""
    if _DECIMAL.fullmatch(text) is None:
        return None
    number = int(text)
    return number if number <= MAX_TREE_SIZE else None
