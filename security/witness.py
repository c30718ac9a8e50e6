"""The protocol of witnesses (C2SP tlog-witness) without network or disk: what is asked, and what a witness agrees to.

A witness remembers the last checkpoint that it cosigned for each log, and agrees only to one that provably extends it.
Remembering and answering over HTTP is sealstream.witness, asking is agents.log.witnessing.
"""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from schemas.errors import VerificationFailed
from security.checkpoint import (
    Checkpoint,
    ImpossibleTree,
    MalformedCheckpoint,
    parse_checkpoint,
    parse_decimal,
)
from security.merkle import HASH_BYTES, verify_consistency
from security.note import (
    InvalidSignature,
    MalformedNote,
    Note,
    NoTrustedSignature,
    Verifier,
    decode_base64,
    parse_note,
    verify_note,
)

MAX_PROOF: Final = 63
MAX_REQUEST_BYTES: Final = 1 << 16
"""Far above what a checkpoint with all its cosignatures and the longest proof come to."""

SIZE_CONTENT_TYPE: Final = "text/x.tlog.size"


class Refusal(VerificationFailed):
    """A witness does not cosign.

    Attributes:
        status: The HTTP status that the protocol has for it.
    """

    status: int = 400


class MalformedRequest(Refusal):
    """It is no request, or it says that the log became smaller."""


class UntrustedNote(Refusal):
    """No key that is known to be the log's has signed the checkpoint."""

    status = 403


class UnknownLog(Refusal):
    """A log that this witness was not told of."""

    status = 404


class StaleRequest(Refusal):
    """The request does not begin where this witness is.

    Attributes:
        size: Where it is.
    """

    status = 409

    def __init__(self, size: int) -> None:
        super().__init__(f"the last checkpoint cosigned here has {size} leaves")
        self.size = size


class NotConsistent(Refusal):
    """The log has signed a checkpoint that does not extend what was cosigned, or has not proved that it does."""

    status = 422


@dataclass(frozen=True, slots=True)
class AddCheckpoint:
    """A request to cosign.

    Attributes:
        old_size: Size that the proof starts from, which must be the last one cosigned.
        proof: Consistency proof, none from an empty tree.
        note: The signed checkpoint.
    """

    old_size: int
    proof: tuple[bytes, ...]
    note: bytes


@dataclass(frozen=True, slots=True)
class Agreed:
    """What a witness may cosign, once it has remembered it.

    Attributes:
        note: The checkpoint with its log's verified signatures only.
    """

    checkpoint: Checkpoint
    note: Note


def format_add_checkpoint(request: AddCheckpoint) -> bytes:
    """Write a request's body."""
    head = f"old {request.old_size}\n" + "".join(f"{b64encode(each).decode()}\n" for each in request.proof)
    return head.encode() + b"\n" + request.note


def parse_add_checkpoint(body: bytes) -> AddCheckpoint:
    """Read a request's body; the note itself is not looked at.

    Raises:
        MalformedRequest: It has not this form, or is larger than the limits.
    """
    if len(body) > MAX_REQUEST_BYTES:
        raise MalformedRequest(f"the request is larger than {MAX_REQUEST_BYTES} bytes")
    head, separator, note = body.partition(b"\n\n")
    try:
        first, *lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise MalformedRequest("the lines before the checkpoint are not ASCII") from None
    old_size = parse_decimal(first.removeprefix("old ")) if first.startswith("old ") else None
    if not separator or old_size is None:
        raise MalformedRequest("the request does not begin with `old <size>`, proof lines and an empty line")
    if len(lines) > MAX_PROOF:
        raise MalformedRequest(f"the proof has more than {MAX_PROOF} hashes")
    proof = [decode_base64(line) for line in lines]
    if any(each is None or len(each) != HASH_BYTES for each in proof):
        raise MalformedRequest(f"a proof line is not base64 of {HASH_BYTES} bytes")
    return AddCheckpoint(old_size, tuple(each for each in proof if each is not None), note)


def checkpoint_of(request: AddCheckpoint, log_keys: Mapping[str, Sequence[Verifier]]) -> Agreed:
    """Whose checkpoint it is and that its log signed it. Nothing is compared with a former one yet.

    Args:
        log_keys: The keys of each log, by its origin.

    Raises:
        MalformedRequest: The note is no checkpoint, or smaller than where the request begins.
        UnknownLog: No key is known of a log with this origin.
        UntrustedNote: None of its keys has signed, or one of them has signed something else.
        NotConsistent: The tree is empty, and its root is not the empty tree's.
    """
    try:
        text = parse_note(request.note).text
        origin = text.partition("\n")[0]
        if origin not in log_keys:
            raise UnknownLog("no log with this origin is known here")
        verified = verify_note(request.note, log_keys[origin])
        checkpoint = parse_checkpoint(text)
    except (InvalidSignature, NoTrustedSignature) as exc:
        raise UntrustedNote(str(exc)) from exc
    except ImpossibleTree as exc:
        raise NotConsistent(str(exc)) from exc
    except (MalformedNote, MalformedCheckpoint) as exc:
        raise MalformedRequest(str(exc)) from exc
    if request.old_size > checkpoint.size:
        raise MalformedRequest(f"a log of {request.old_size} leaves does not become one of {checkpoint.size}")
    return Agreed(checkpoint, verified)


def check_extends(request: AddCheckpoint, checkpoint: Checkpoint, last: Checkpoint | None) -> None:
    """That a log's checkpoint extends the last one cosigned.

    Args:
        last: None where nothing of this log was cosigned yet.

    Raises:
        StaleRequest: The request does not begin at the last one.
        NotConsistent: The proof does not show it.
    """
    size = last.size if last else 0
    if request.old_size != size:
        raise StaleRequest(size)
    if last is None or size == 0:
        if request.proof:
            raise NotConsistent("a proof from an empty tree has no hashes")
        return
    try:
        verify_consistency(size, checkpoint.size, request.proof, last.root, checkpoint.root)
    except VerificationFailed as exc:
        raise NotConsistent(f"from {size} to {checkpoint.size} leaves: {exc}") from exc


def verify_cosignatures(answer: bytes, note: bytes, witness: Verifier) -> list[str]:
    """The lines of a witness's answer that are its own over this checkpoint.

    Args:
        answer: What it answered with status 200.
        note: The checkpoint that was sent.
        witness: The key it was configured with.

    Returns:
        Lines with their newline, at least one. Lines by keys that we don't know are left out.

    Raises:
        VerificationFailed: The answer is malformed, or no line verifies, or one by this key does not.
    """
    text = parse_note(note).text
    verified = verify_note(text.encode() + b"\n" + answer, [witness])
    return [signature.line for signature in verified.signatures]
