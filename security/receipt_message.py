"""The producer's message in a receipt: that its signature holds, and that it is the one that the leaf is about.

The signature is checked by the code that checked it at the door. Which keys counted then, no receipt says: the keys
come with it, under the names that the leaf has.
"""

from collections.abc import Mapping
from typing import Final
from uuid import UUID

import msgspec

from schemas.errors import Rejection, VerificationFailed
from schemas.events import decode_event
from schemas.identity import item_record_id, message_record_id
from schemas.leaf import Leaf
from schemas.receipt import ProducerMessage
from security.disclosed_field import EVIDENCE_FIELD, open_commitment
from security.jwk import Jwk, public_jwk, thumbprint
from security.key_registry import KeyRegistry, SigningKey
from security.note import decode_base64
from security.public_key import InvalidKeyError
from security.verifiability import VerifiedEvent, verify_event

_NOBODY: Final = "receipt"
_pack = msgspec.msgpack.Encoder().encode


class MessageMismatch(VerificationFailed):
    """The message of a receipt does not verify, or is not the one that its leaf is about."""


def packed_message(message: ProducerMessage) -> bytes:
    """The message as the platform packs it before it seals it: MessagePack of [[[name, value] …], key, value]."""
    return _pack((message.headers, message.key, message.value))


def verify_message(message: ProducerMessage, leaf: Leaf) -> list[tuple[str, str]]:
    """Check a message against the leaf of its record.

    Returns:
        Items and details: the signature, and how much of the message the leaf commits to.

    Raises:
        VerificationFailed: The signature does not hold, or the leaf is about another message.
    """
    keys = [_key(members) for members in message.signers]
    if len({key.key_id for key in keys}) != len(keys):
        raise MessageMismatch("two signers of the receipt have one kid")
    try:
        event = verify_event(
            decode_event(message.headers, message.value), KeyRegistry(map(_signing_key, keys)), at_ms=0
        )
    except Rejection as exc:
        raise MessageMismatch(f"the producer's signature in the receipt does not hold: {exc}") from exc
    if event.signer != leaf.signer or len(keys) != len(event.key_ids):
        raise MessageMismatch("the message of the receipt is not signed by the signer that the leaf names")
    signers = ", ".join([f"{key.key_id} ({thumbprint(key.public_key)})" for key in keys])
    said = f"{event.event.source}, signed by {signers}"
    return [("producer signature", said), ("message", _covered(message, leaf, event))]


def _covered(message: ProducerMessage, leaf: Leaf, event: VerifiedEvent) -> str:
    digests = event.core_digest + (event.ext_digest or b"")
    open_commitment(leaf, _commitment(leaf.digest, "digest"), message.digest_salt, digests, "the signed content")
    source, name = event.event.source, event.event.id
    if (leaf.source, leaf.type, leaf.message) != (source, event.event.type, _uuid(message_record_id(source, name))):
        raise MessageMismatch("source, type or message of the leaf are not those of the receipt's message")
    if message.item is not None:
        if leaf.record != _uuid(item_record_id(source, name, message.item)):
            raise MessageMismatch(f"the record of the leaf is not item {message.item} of the receipt's message")
        record = f"; the record is its item {message.item}"
    elif leaf.record == leaf.message:
        record = "; the record is the message"
    else:
        raise MessageMismatch("the record of the leaf is an item of its message, and the receipt does not say which")
    sealed = (leaf.fields or {}).get(EVIDENCE_FIELD)
    if (sealed is None) != (message.seal_salt is None):
        raise MessageMismatch("the receipt lacks the seal_salt that its leaf needs, or has one without need")
    if sealed is None or message.seal_salt is None:
        return f"what was signed: core attributes, data, signed extensions{record}"
    packed = message.digest_salt + packed_message(message)
    open_commitment(leaf, _commitment(sealed, EVIDENCE_FIELD), message.seal_salt, packed, "the message as received")
    return f"all of it as received: headers, key and value{record}"


def _commitment(text: str | None, member: str) -> bytes:
    commitment = decode_base64(text) if text is not None else None
    if commitment is None:
        raise MessageMismatch(f"the leaf has no commitment {member!r}, so that it is about no signed message")
    return commitment


def _key(members: Mapping[str, str]) -> Jwk:
    try:
        key = public_jwk(members)
    except InvalidKeyError as exc:
        raise MessageMismatch(f"a signer of the receipt is no public key: {exc}") from exc
    if key.key_id is None:
        raise MessageMismatch("a signer of the receipt has no kid, the name that the leaf has for it")
    return key


def _signing_key(key: Jwk) -> SigningKey:
    return SigningKey(
        key_id=key.key_id or "",
        algorithm=key.algorithm,
        public_key=key.public_key,
        encoding=key.encoding,
        signer_id=key.signer_id,
        tenant=_NOBODY,
        domain=_NOBODY,
        sources=("*",),
    )


def _uuid(record_id: bytes) -> str:
    return str(UUID(bytes=record_id))
