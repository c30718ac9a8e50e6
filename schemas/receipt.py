"""The receipt: one JSON object that shows what a log says of a record, and opens what its holder may see of it.

    {"version": 1, "origin": text, "index": number, "leaf": text, "path": [base64 …], "checkpoint": text,
     "fields": {name: {"value": text, "salt": base64, "tier": number} …},
     "message": {"headers": [[name, base64 or null] …], "key": base64 or null, "value": base64 or null,
                 "digest_salt": base64, "seal_salt": base64, "item": number, "signers": [JWK …]},
     "accepted": {"index": number, "leaf": text, "path": [base64 …], "shards": [{"leaf": text, "path": [base64 …]} …]}}

`message` may be absent, and within it `seal_salt` and `item`. `accepted` is there with the message of a record that was
answered later: the leaf that accepted it, which is the one that names its signer, under the same checkpoint. Where it
stands in an earlier shard of the log, `shards` has the first leaves of the shards from this one back to it: each names
size and root hash of the shard before. Nothing else may be there or be missing, nothing twice, and base64 has its one
canonical spelling: what two verifiers could read in two ways is refused by both. This module reads and writes; whether
anything in a receipt is true is security.receipt.
"""

import json
from base64 import b64encode
from collections.abc import Mapping
from typing import Annotated, Any, Final, NoReturn

import msgspec

from schemas.errors import VerificationFailed
from schemas.events.attributes import decode_base64
from schemas.leaf import MAX_LEAF_BYTES

RECEIPT_VERSION: Final = 1
MAX_RECEIPT_BYTES: Final = 32 << 20
"""A message of 16 MiB fits, in base64 and with its envelope."""

MAX_NOTE_BYTES: Final = 64 << 10
MAX_PATH: Final = 64
MAX_SHARDS: Final = 64
MAX_SIGNERS: Final = 8
MAX_INDEX: Final = 2**64 - 1
MAX_TIER: Final = 5
MAX_ITEM: Final = 2**31 - 1
HASH_BYTES: Final = 32
SALT_BYTES: Final = 16

Headers = tuple[tuple[str, bytes | None], ...]


class MalformedReceipt(VerificationFailed):
    """Bytes that are not a receipt of a version that this program reads, or one larger than the limits."""


class DisclosedField(msgspec.Struct, frozen=True):
    """A field that the receipt opens.

    Attributes:
        value: Its canonical text.
        salt: With the value gives the commitment in the leaf, 16 bytes.
        tier: Its sensitivity, by whoever made the receipt: the log says nothing of it.
    """

    value: str
    salt: bytes
    tier: int

    def __repr__(self) -> str:
        return f"<DisclosedField, tier {self.tier}>"


class ProducerMessage(msgspec.Struct, frozen=True):
    """The message as received, for a reader who may see all of it.

    Attributes:
        headers: Of the Kafka record, in order.
        key: Its key.
        value: Its value.
        digest_salt: With the Verifiability digests gives the leaf's `digest`, 16 bytes.
        seal_salt: With the packed message gives the leaf's commitment to `evidence`; there exactly where the leaf has
            one, which is the leaf of the message itself, not that of a statement's item.
        item: The record is the n-th of the message; None where it is the message.
        signers: The public keys that the leaf names, as JWKs with `kid`.
    """

    headers: Headers
    key: bytes | None
    value: bytes | None
    digest_salt: bytes
    signers: tuple[Mapping[str, str], ...]
    seal_salt: bytes | None = None
    item: int | None = None

    def __repr__(self) -> str:
        return f"<ProducerMessage, {len(self.value or b'')} bytes>"


class ShardOpening(msgspec.Struct, frozen=True):
    """The first leaf of a shard, which names the final tree of the shard before.

    Attributes:
        leaf: Its exact bytes, as text.
        path: Inclusion path, as the receipt's.
    """

    leaf: str
    path: tuple[bytes, ...]


class AcceptedLeaf(msgspec.Struct, frozen=True):
    """The earlier leaf that accepted the record.

    Attributes:
        index: Its place in the log, or in its shard.
        leaf: Its exact bytes, as text.
        path: Inclusion path, as the receipt's.
        shards: Where it stands in an earlier shard: the first leaves of the shards from the receipt's own, whose is
            under the receipt's checkpoint, back to the one after its shard; each other is in the tree that the one
            before it names, and so is the accepted leaf.
    """

    index: int
    leaf: str
    path: tuple[bytes, ...]
    shards: tuple[ShardOpening, ...] = ()


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """A receipt. Nothing of it is verified.

    Attributes:
        origin: The log.
        index: The leaf's place in it.
        leaf: Its exact bytes, as text.
        path: Inclusion path from the leaf's sibling upwards, 32 bytes each.
        checkpoint: The signed note, with whatever cosignatures it has.
        fields: What is disclosed, by name.
        message: The producer's message, for a reader cleared for all of it.
        accepted: Which leaf the message belongs to, where that is an earlier one; never without a message.
    """

    origin: str
    index: int
    leaf: str
    path: tuple[bytes, ...]
    checkpoint: str
    fields: Mapping[str, DisclosedField]
    message: ProducerMessage | None = None
    accepted: AcceptedLeaf | None = None


class _Field(msgspec.Struct, forbid_unknown_fields=True):
    value: str
    salt: str
    tier: Annotated[int, msgspec.Meta(ge=1, le=MAX_TIER)]


class _Message(msgspec.Struct, forbid_unknown_fields=True):
    headers: list[tuple[str, str | None]]
    key: str | None
    value: str | None
    digest_salt: str
    signers: Annotated[list[dict[str, str]], msgspec.Meta(min_length=1, max_length=MAX_SIGNERS)]
    seal_salt: str | msgspec.UnsetType = msgspec.UNSET
    item: Annotated[int, msgspec.Meta(ge=0, le=MAX_ITEM)] | msgspec.UnsetType = msgspec.UNSET


_Path = Annotated[list[str], msgspec.Meta(max_length=MAX_PATH)]


class _Opening(msgspec.Struct, forbid_unknown_fields=True):
    leaf: str
    path: _Path


_Openings = Annotated[list[_Opening], msgspec.Meta(min_length=1, max_length=MAX_SHARDS)]


class _Accepted(msgspec.Struct, forbid_unknown_fields=True):
    index: int
    leaf: str
    path: _Path
    shards: _Openings | msgspec.UnsetType = msgspec.UNSET


class _Receipt(msgspec.Struct, forbid_unknown_fields=True):
    version: int
    origin: str
    index: int
    leaf: str
    path: _Path
    checkpoint: str
    fields: dict[str, _Field]
    message: _Message | msgspec.UnsetType = msgspec.UNSET
    accepted: _Accepted | msgspec.UnsetType = msgspec.UNSET


def encode_receipt(receipt: Receipt) -> bytes:
    """Write a receipt, readable: a member a line.

    Raises:
        ValueError: Nobody could read it back: it lies outside the limits.
    """
    members: dict[str, Any] = {
        "version": RECEIPT_VERSION,
        "origin": receipt.origin,
        "index": receipt.index,
        "leaf": receipt.leaf,
        "path": [_encode(node) for node in receipt.path],
        "checkpoint": receipt.checkpoint,
        "fields": {
            name: {"value": field.value, "salt": _encode(field.salt), "tier": field.tier}
            for name, field in receipt.fields.items()
        },
    }
    if receipt.message is not None:
        members["message"] = _message_members(receipt.message)
    if (accepted := receipt.accepted) is not None:
        members["accepted"] = {"index": accepted.index, **_leaf_members(accepted)}
        if accepted.shards:
            members["accepted"]["shards"] = [_leaf_members(each) for each in accepted.shards]
    try:
        encoded = json.dumps(members, ensure_ascii=False, indent=1).encode() + b"\n"
        readable = decode_receipt(encoded) == receipt
    except (UnicodeEncodeError, MalformedReceipt) as exc:
        raise ValueError("the receipt can't be written: a part of it lies outside the limits") from exc
    if not readable:
        raise ValueError("the receipt can't be written: it would be read as another one")
    return encoded


def decode_receipt(data: bytes) -> Receipt:
    """Read a receipt.

    Raises:
        MalformedReceipt: It is none, of another version, or too large; the text names what is wrong and no value.
    """
    if len(data) > MAX_RECEIPT_BYTES:
        _malformed(f"it is larger than {MAX_RECEIPT_BYTES} bytes")
    members = decode_unique(data)
    if isinstance(members, dict) and members.get("version", RECEIPT_VERSION) != RECEIPT_VERSION:
        _malformed(f"its version is not {RECEIPT_VERSION}, the one this program reads")
    try:
        wire = msgspec.convert(members, _Receipt)
    except msgspec.ValidationError as exc:
        # Its text names members and types; but a name that is not ours is somebody's text.
        unknown = "unknown field" in str(exc)
        raise MalformedReceipt(f"not a receipt: {'a member in it is none of a receipt' if unknown else exc}") from None
    index, leaf, path = _place(wire)
    if len(wire.checkpoint.encode()) > MAX_NOTE_BYTES:
        _malformed("its checkpoint is longer than one may be")
    if wire.accepted is not msgspec.UNSET and wire.message is msgspec.UNSET:
        _malformed("it has a leaf that accepted its message, and no message")
    return Receipt(
        origin=wire.origin,
        index=index,
        leaf=leaf,
        path=path,
        checkpoint=wire.checkpoint,
        fields={
            name: DisclosedField(field.value, _sized(field.salt, "salt", SALT_BYTES), field.tier)
            for name, field in wire.fields.items()
        },
        message=None if wire.message is msgspec.UNSET else _message(wire.message),
        accepted=None if wire.accepted is msgspec.UNSET else _accepted(wire.accepted),
    )


def _accepted(wire: _Accepted) -> AcceptedLeaf:
    shards = () if wire.shards is msgspec.UNSET else wire.shards
    return AcceptedLeaf(*_place(wire), tuple([ShardOpening(*_leaf(each)) for each in shards]))


def _place(wire: _Receipt | _Accepted) -> tuple[int, str, tuple[bytes, ...]]:
    """Index, leaf and path."""
    if not 0 <= wire.index <= MAX_INDEX:
        _malformed("an index is no number below 2^64")
    return (wire.index, *_leaf(wire))


def _leaf(wire: _Receipt | _Accepted | _Opening) -> tuple[str, tuple[bytes, ...]]:
    """Leaf and path."""
    if len(wire.leaf.encode()) > MAX_LEAF_BYTES:
        _malformed("a leaf is longer than one may be")
    return wire.leaf, tuple([_sized(node, "path", HASH_BYTES) for node in wire.path])


def _leaf_members(proved: AcceptedLeaf | ShardOpening) -> dict[str, Any]:
    return {"leaf": proved.leaf, "path": [_encode(node) for node in proved.path]}


def decode_unique(data: bytes) -> object:
    """JSON without what two readers could take for two things: names given twice, floats, lone surrogates.

    Raises:
        MalformedReceipt: It is not that.
    """
    try:
        members = json.loads(
            data.decode(),
            object_pairs_hook=_unique,
            parse_int=_integer,
            parse_float=_refuse_number,
            parse_constant=_refuse_number,
        )
        json.dumps(members, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as exc:
        what = exc.args[0] if type(exc) is ValueError else "it is not JSON in UTF-8"
        raise MalformedReceipt(f"not a receipt: {what}") from None
    return members


def _message(wire: _Message) -> ProducerMessage:
    return ProducerMessage(
        headers=tuple([(name, _optional(value, "headers")) for name, value in wire.headers]),
        key=_optional(wire.key, "key"),
        value=_optional(wire.value, "value"),
        digest_salt=_sized(wire.digest_salt, "digest_salt", SALT_BYTES),
        signers=tuple(wire.signers),
        seal_salt=None if wire.seal_salt is msgspec.UNSET else _sized(wire.seal_salt, "seal_salt", SALT_BYTES),
        item=None if wire.item is msgspec.UNSET else wire.item,
    )


def _message_members(message: ProducerMessage) -> dict[str, Any]:
    members: dict[str, Any] = {
        "headers": [[name, _encode_optional(value)] for name, value in message.headers],
        "key": _encode_optional(message.key),
        "value": _encode_optional(message.value),
        "digest_salt": _encode(message.digest_salt),
        "signers": [dict(signer) for signer in message.signers],
    }
    if message.seal_salt is not None:
        members["seal_salt"] = _encode(message.seal_salt)
    if message.item is not None:
        members["item"] = message.item
    return members


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member is there twice")
    return members


def _integer(text: str) -> int:
    if text.startswith("-") or len(text) > len(str(MAX_INDEX)):
        _refuse_number(text)
    return int(text)


def _refuse_number(_: str) -> NoReturn:
    raise ValueError("a number in it is no unsigned integer below 2^64")


def _optional(text: str | None, member: str) -> bytes | None:
    return None if text is None else _decode(text, member)


def _sized(text: str, member: str, length: int) -> bytes:
    value = _decode(text, member)
    if len(value) != length:
        _malformed(f"a {member} is not {length} bytes long")
    return value


def _decode(text: str, member: str) -> bytes:
    try:
        return decode_base64(text)
    except ValueError:
        _malformed(f"its {member} is not base64 in its canonical form")


def _malformed(what: str) -> NoReturn:
    raise MalformedReceipt(f"not a receipt: {what}")


def _encode(value: bytes) -> str:
    return b64encode(value).decode()


def _encode_optional(value: bytes | None) -> str | None:
    return None if value is None else _encode(value)
