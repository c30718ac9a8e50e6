"""Verifying a receipt offline: log signature, inclusion, fields. Its form is schemas.receipt.

The message of its producer is security.receipt_message, imported only where a receipt has one: it takes longest.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from schemas.errors import VerificationFailed
from schemas.leaf import Leaf, decode_leaf
from schemas.receipt import AcceptedLeaf, MalformedReceipt, Receipt, decode_unique
from security.checkpoint import Checkpoint, WrongOrigin, verify_checkpoint
from security.disclosed_field import EVIDENCE_FIELD, commitment_of, open_commitment
from security.merkle import leaf_hash, verify_inclusion
from security.note import Verifier

_ROOT: Final = re.compile("[0-9a-f]{64}")
_SAID: Final = (
    "kind", "record", "message", "time", "outcome", "reason", "source", "type", "signer", "model", "rules", "decision",
    "policy",
)  # fmt: skip


class AcceptedOtherwise(VerificationFailed):
    """The leaf of a receipt is not the end of the record that its accepted leaf speaks of."""


@dataclass(frozen=True, slots=True)
class Established:
    """One thing that verification found to be so.

    Attributes:
        item: `log signature`, `inclusion`, `leaf`, `field NAME`, `accepted leaf`, `producer signature` or `message`.
        detail: What exactly; of a field, its value.
    """

    item: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedLog:
    """What the verifier believes beforehand.

    Attributes:
        keys: That the log may sign with.
        origin: The log's origin line.
        witnesses: Keys of witnesses.
        min_witnesses: How many of them must have cosigned.
    """

    keys: Collection[Verifier]
    origin: str
    witnesses: Collection[Verifier] = ()
    min_witnesses: int = 0


def verify_receipt(receipt: Receipt, log: TrustedLog, *, leaf_only: bool = False) -> list[Established]:
    """Check everything in a receipt.

    Args:
        leaf_only: Leave fields and message unchecked, and unmentioned.

    Returns:
        What was established, item by item; nothing that is not in the list was checked.

    Raises:
        VerificationFailed: The first thing that does not hold.
    """
    checkpoint = _checkpoint(receipt, log)
    signed = f"by {log.origin}, size {checkpoint.size}"
    if log.min_witnesses:
        signed += f", cosigned by {log.min_witnesses} or more known witnesses"
    body = receipt.leaf.encode()
    verify_inclusion(leaf_hash(body), receipt.index, checkpoint.size, receipt.path, checkpoint.root)
    leaf = read_leaf(body)
    found = [
        Established("log signature", signed),
        Established("inclusion", f"index {receipt.index} of {checkpoint.size}"),
        Established("leaf", _said(leaf)),
    ]
    if leaf_only:
        return found
    for name, field in receipt.fields.items():
        open_commitment(leaf, commitment_of(leaf, name), field.salt, field.value.encode(), f"field {name!r}")
        found.append(Established(f"field {name}", field.value))
    if receipt.message is not None:
        from security.receipt_message import verify_message

        if receipt.accepted is not None:
            leaf, place = _accepting_leaf(receipt.accepted, receipt.index, leaf, checkpoint)
            found.append(Established("accepted leaf", f"{place}: {_said(leaf)}"))
        found += [Established(item, detail) for item, detail in verify_message(receipt.message, leaf)]
    return found


def shard_before(leaf: Leaf) -> tuple[str, int, bytes]:
    """Origin, size and root hash of the shard before, as the first leaf of one names them.

    Raises:
        AcceptedOtherwise: It is no such leaf, or a part of the shard before it was lost.
    """
    said = leaf.log if leaf.kind == "open" else None
    if said is None or said.change != "open" or said.size is None or _ROOT.fullmatch(said.root or "") is None:
        raise AcceptedOtherwise("a leaf of the receipt does not name the final tree of the shard before its own")
    return said.origin, said.size, bytes.fromhex(said.root or "")


def accepting_origin(receipt: Receipt) -> str:
    """The shard in which a verified receipt's record was accepted."""
    shards = receipt.accepted.shards if receipt.accepted is not None else ()
    return shard_before(read_leaf(shards[-1].leaf.encode()))[0] if shards else receipt.origin


def _accepting_leaf(accepted: AcceptedLeaf, index: int, leaf: Leaf, checkpoint: Checkpoint) -> tuple[Leaf, str]:
    """The earlier leaf that accepted the record, and its place; the later one tells how it ended, of no signature."""
    size, root, place = checkpoint.size, checkpoint.root, f"index {accepted.index}"
    for each in accepted.shards:
        opening = each.leaf.encode()
        verify_inclusion(leaf_hash(opening), 0, size, each.path, root)
        origin, size, root = shard_before(read_leaf(opening))
        place = f"index {accepted.index} of {origin}"
    body = accepted.leaf.encode()
    verify_inclusion(leaf_hash(body), accepted.index, size, accepted.path, root)
    first = read_leaf(body)
    ends = leaf.kind in ("result", "rejected") and leaf.signer is None and EVIDENCE_FIELD not in (leaf.fields or {})
    names = {leaf.record, leaf.message, first.record, first.message}
    earlier = bool(accepted.shards) or accepted.index < index
    if not (ends and earlier and len(names) == 1 and None not in names):
        raise AcceptedOtherwise("the leaf of the receipt is not the end of the record that its accepted leaf is about")
    if (first.kind, first.outcome) != ("accepted", "deferred"):
        raise AcceptedOtherwise("the accepted leaf of the receipt accepts nothing for later")
    return first, place


def _said(leaf: Leaf) -> str:
    said = ((name, getattr(leaf, name)) for name in _SAID)
    return ", ".join(f"{name} {value}" for name, value in said if value is not None)


def read_leaf(body: bytes) -> Leaf:
    """The leaf of a receipt: one that every JSON reader reads alike.

    Raises:
        VerificationFailed: It is no leaf, or has a member twice.
    """
    try:
        decode_unique(body)
    except MalformedReceipt as exc:
        raise VerificationFailed("the receipt's leaf is not JSON with each member once") from exc
    return decode_leaf(body)


def _checkpoint(receipt: Receipt, log: TrustedLog) -> Checkpoint:
    if receipt.origin != log.origin:
        raise WrongOrigin("the receipt is of another log than the one it was checked against")
    return verify_checkpoint(receipt.checkpoint.encode(), log.origin, log.keys, log.witnesses, log.min_witnesses)
