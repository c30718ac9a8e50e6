"""CloudEvents Verifiability (DSSE material v0.1): verifying events and signing them. Digests: security.signed_payload.

Presentation is `strict`: a verified event shows what was signed and nothing else. An event that carries
`batchmaterial` alone is refused as `missing_signature`: batch attestation is not read here.

Order of the checks, which decides the reason given: material there (`missing_signature`), decodable (`malformed`), a
key of that id bound to this source and type (`unknown_key`), signature over the bytes as received (`bad_signature`,
or `key_revoked` / `key_expired` when the one key under which it holds did not count at the time), and only then the
signed payload is parsed (`malformed`) and compared with the event (`digest_mismatch`).
"""

import base64
from collections.abc import Sequence

import msgspec

from schemas.errors import Rejection, SealstreamError
from schemas.events import AttributeType, AttributeValue, Event, canonical_text, canonical_timestamp
from schemas.events.attributes import extension_type
from schemas.reasons import Reason
from security.dsse import (
    DsseEnvelope,
    DsseSignature,
    MalformedEnvelope,
    decode_either_base64,
    decode_envelope,
    encode_envelope,
    pae,
)
from security.key_registry import KeyRegistry, SigningKey
from security.signatures import BadSignature
from security.signed_payload import (
    SignedPayload,
    broken_list_rule,
    core_digest,
    encode_payload,
    ext_digest,
    parse_payload,
)
from security.signing import Signer

__all__ = [
    "PAYLOAD_TYPE",
    "SigningRefusedError",
    "VerifiedEvent",
    "core_digest",
    "ext_digest",
    "sign_event",
    "verify_event",
    "verify_frame",
    "with_signature",
]

PAYLOAD_TYPE = "https://cloudevents.io/verifiability/dsse/v0.1"
MAX_ATTEMPTS = 16
"""Signature checks spent on one event. A signature with a key id takes one; many signatures without any take more."""


class SigningRefusedError(SealstreamError):
    """The event, or the list of attributes to sign, breaks a rule that every verifier would enforce."""


class VerifiedEvent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An event and who answers for it.

    Attributes:
        event: What was signed: core attributes, data and the signed extensions; timestamps as they were signed (UTC,
            whole seconds); no signature material.
        core_digest: Verifiability `core`, 32 bytes.
        ext_digest: Verifiability `ext`, 32 bytes; None when no extension was signed.
        key_id: The key under which the signature held.
        key_revision: Of that key's record.
        tenant: Whose event it is, by the key.
        domain: Who within the tenant owns the data, by the key.
    """

    event: Event
    core_digest: bytes
    ext_digest: bytes | None
    key_id: str
    key_revision: int
    tenant: str
    domain: str


def verify_event(event: Event, registry: KeyRegistry, at_ms: int) -> VerifiedEvent:
    """Verify an event in strict mode.

    Args:
        event: As decoded; everything in it is doubtful.
        registry: The keys.
        at_ms: When the broker appended the record, milliseconds since 1970. Never the event's own time: a stolen key
            could sign any time.

    Raises:
        Rejection: With the reason of the first check that failed; the order is in the module's header.
    """
    if event.dssematerial is None or event.dssematerial == "":
        detail = "batchmaterial is not supported" if event.batchmaterial else "the event is not signed"
        raise Rejection(Reason.MISSING_SIGNATURE, detail)
    try:
        envelope = decode_envelope(decode_either_base64(event.dssematerial, "the attribute"))
    except MalformedEnvelope as exc:
        raise Rejection(Reason.MALFORMED, f"dssematerial: {exc}") from None
    if envelope.payload_type != PAYLOAD_TYPE:
        raise Rejection(Reason.MALFORMED, "dssematerial: payloadType is not that of Verifiability v0.1")
    key = _signing_key(event, envelope, registry, at_ms)
    signed = parse_payload(envelope.payload)
    view = _matching_view(event, signed)
    return VerifiedEvent(
        event=view,
        core_digest=signed.core,
        ext_digest=signed.ext,
        key_id=key.key_id,
        key_revision=key.revision,
        tenant=key.tenant,
        domain=key.domain,
    )


def verify_frame(
    events: Sequence[tuple[int, Event]], registry: KeyRegistry, at_ms: Sequence[int]
) -> tuple[list[tuple[int, VerifiedEvent]], list[tuple[int, Rejection]]]:
    """Verify the events of a frame, each on its own.

    Args:
        events: With their positions in the frame (those that could not be decoded are missing).
        registry: The keys.
        at_ms: Append times of the whole frame, by position.

    Returns:
        What passed and what was refused, by position, in the order given.
    """
    passed: list[tuple[int, VerifiedEvent]] = []
    rejected: list[tuple[int, Rejection]] = []
    for position, event in events:
        try:
            passed.append((position, verify_event(event, registry, at_ms[position])))
        except Rejection as rejection:
            rejected.append((position, rejection))
    return passed, rejected


def sign_event(event: Event, signer: Signer, signed_extensions: Sequence[str] = ()) -> bytes:
    """Make the signature material of an event: the UTF-8 of the DSSE envelope, the value of `dssematerial`.

    The type of every signed extension must be known: those of other standards and ours are; any other is signed as
    the String, Boolean or Integer that the event holds. Always set `datacontenttype` before signing: a translation
    between content modes may add it, and breaks the signature.

    Args:
        event: Complete but for its material.
        signer: The producer's key.
        signed_extensions: Names in the order in which they are hashed; absent ones are allowed.

    Raises:
        SigningRefusedError: The list breaks a rule, or a timestamp is none.
    """
    broken = broken_list_rule(signed_extensions)
    if broken is not None:
        raise SigningRefusedError(f"the list of extensions to sign {broken}")
    names = tuple(signed_extensions)
    try:
        signed = SignedPayload(core_digest(event), ext_digest(event, names) if names else None, names)
    except ValueError as exc:
        raise SigningRefusedError(f"an attribute of type Timestamp is {exc}") from None
    payload = encode_payload(signed)
    signature = DsseSignature(signer.sign(pae(PAYLOAD_TYPE, payload)), signer.key_id)
    return encode_envelope(DsseEnvelope(PAYLOAD_TYPE, payload, (signature,)))


def with_signature(event: Event, signer: Signer, signed_extensions: Sequence[str] = ()) -> Event:
    """The event with its material attached, ready for `binary_headers`.

    Raises:
        SigningRefusedError: As `sign_event`.
    """
    material = base64.b64encode(sign_event(event, signer, signed_extensions))
    return msgspec.structs.replace(event, dssematerial=material.decode())


def _signing_key(event: Event, envelope: DsseEnvelope, registry: KeyRegistry, at_ms: int) -> SigningKey:
    message = envelope.signed_bytes()
    attempts = 0
    refused: list[tuple[Reason, SigningKey, bytes]] = []
    for signature in envelope.signatures:
        for key in registry.candidates(event.source, event.type, signature.key_id):
            refusal = key.refusal(at_ms)
            if refusal is not None:
                refused.append((refusal, key, signature.sig))
            elif attempts < MAX_ATTEMPTS:
                attempts += 1
                if _holds(key, message, signature.sig):
                    return key
    # That a revoked key signed is an alarm: it is only raised when the key really did.
    for refusal, key, sig in refused[: MAX_ATTEMPTS - attempts]:
        attempts += 1
        if _holds(key, message, sig):
            raise Rejection(refusal, "the key that signed did not count when the record was appended")
    if not attempts:
        raise Rejection(Reason.UNKNOWN_KEY, "no key of that id is registered for this source and type")
    raise Rejection(Reason.BAD_SIGNATURE, "no signature holds under a key of this source and type")


def _holds(key: SigningKey, message: bytes, signature: bytes) -> bool:
    try:
        key.verify(message, signature)
    except BadSignature:
        return False
    return True


def _matching_view(event: Event, signed: SignedPayload) -> Event:
    """The strict view of an event that matches what was signed."""
    try:
        if core_digest(event) != signed.core:
            raise Rejection(Reason.DIGEST_MISMATCH, "core attributes or data are not those that were signed")
        if signed.ext is not None and ext_digest(event, signed.signedextattrs) != signed.ext:
            raise Rejection(Reason.DIGEST_MISMATCH, "signed extension attributes are not those that were signed")
    except ValueError as exc:
        raise Rejection(Reason.MALFORMED, f"an attribute of type Timestamp is {exc}") from None
    extensions: dict[str, AttributeValue] = {}
    for name in signed.signedextattrs:
        value = event.extensions.get(name)
        if value is not None:
            is_time = extension_type(name) is AttributeType.TIMESTAMP
            extensions[name] = canonical_timestamp(canonical_text(value)) if is_time else value
    return Event(
        id=event.id,
        source=event.source,
        type=event.type,
        specversion=event.specversion,
        datacontenttype=event.datacontenttype,
        dataschema=event.dataschema,
        subject=event.subject,
        # Fractions of a second and the zone are not covered by the signature.
        time=canonical_timestamp(event.time) if event.time else None,
        data=event.data,
        extensions=extensions,
    )
