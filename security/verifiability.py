"""CloudEvents Verifiability (DSSE material v0.1) and batch attestation: verifying events and signing them.

Presentation is `strict`: a verified event shows what was signed and nothing else. An event carries `dssematerial`, a
signature of its own, or `batchmaterial`, its place under a statement that was signed for many; never both.

Order of the checks, which decides the reason given: material there (`missing_signature`), decodable (`malformed`),
signatures over the bytes as received by enough keys of this source and type that counted at the time (`unknown_key`,
`key_revoked`, `key_expired`, `bad_signature`, `missing_signature`: see security.attesting_keys), and only then what
was signed is parsed (`malformed`). Of a batch: the statement is about this source (`digest_mismatch`) and the event's
payload stands in its tree (`malformed`, `bad_signature`). Last the payload is compared with the event
(`digest_mismatch`).
"""

import base64
from collections.abc import Sequence

import msgspec

from schemas.errors import Rejection
from schemas.events import AttributeType, AttributeValue, Event, canonical_text, canonical_timestamp
from schemas.events.attributes import extension_type
from schemas.reasons import Reason
from security.attesting_keys import MAX_ATTEMPTS, Attestation, attesting_keys, is_genuine
from security.batch_material import NONCE_BYTES, decode_material
from security.batch_statement import StatementCache
from security.dsse import (
    DsseEnvelope,
    MalformedEnvelope,
    decode_either_base64,
    decode_envelope,
    encode_envelope,
)
from security.key_registry import KeyRegistry, SigningKey
from security.merkle import MalformedProof, RootMismatch, WrongProofLength, leaf_hash
from security.payload_form import PayloadForms
from security.signed_payload import (
    SignedPayload,
    SigningRefusedError,
    core_digest,
    ext_digest,
    parse_payload,
    payload_to_sign,
)
from security.signing import Signer, signed_envelope

__all__ = [
    "MAX_ATTEMPTS",
    "PAYLOAD_TYPE",
    "SigningRefusedError",
    "VerifiedEvent",
    "attested_payload",
    "claimed_payload",
    "core_digest",
    "ext_digest",
    "sign_event",
    "verify_event",
    "verify_frame",
    "with_signature",
]

PAYLOAD_TYPE = "https://cloudevents.io/verifiability/dsse/v0.1"

_FORMS = PayloadForms()


class VerifiedEvent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An event and who answers for it.

    Attributes:
        event: What was signed: core attributes, data and the signed extensions; timestamps as they were signed (UTC,
            whole seconds); no signature material.
        core_digest: Verifiability `core`, 32 bytes.
        ext_digest: Verifiability `ext`, 32 bytes; None when no extension was signed.
        key_ids: The distinct keys under which a signature held, in the order of the signatures.
        tenant: Whose event it is, by the keys.
        domain: Who within the tenant owns the data, by the keys.
    """

    event: Event
    core_digest: bytes
    ext_digest: bytes | None
    key_ids: tuple[str, ...]
    tenant: str
    domain: str

    @property
    def signer(self) -> str:
        """Who signed, as a leaf names it: the key ids in sorted order, with commas between them."""
        return ",".join(sorted(self.key_ids))


def verify_event(
    event: Event, registry: KeyRegistry, at_ms: int, statements: StatementCache | None = None
) -> VerifiedEvent:
    """Verify an event in strict mode.

    Args:
        event: As decoded; everything in it is doubtful.
        registry: The keys.
        at_ms: When the broker appended the record, milliseconds since 1970. Never the event's own time: a stolen key
            could sign any time.
        statements: Statements of batches already checked. Verdicts don't depend on it; it only saves time.

    Raises:
        Rejection: With the reason of the first check that failed; the order is in the module's header.
    """
    attested, payload = attested_payload(event, registry, at_ms, statements)
    signed = _matching(event, payload)
    return VerifiedEvent(
        event=_view(event, signed),
        core_digest=signed.core,
        ext_digest=signed.ext,
        key_ids=attested.key_ids,
        tenant=attested.tenant,
        domain=attested.domain,
    )


def attested_payload(
    event: Event, registry: KeyRegistry, at_ms: int, statements: StatementCache | None = None
) -> tuple[Attestation, bytes]:
    """Check an event's signature material alone: who answers for which payload M. Arguments as `verify_event`.

    Whether M is that of the event is not looked at.

    Raises:
        Rejection: As `verify_event`, but `digest_mismatch` for a batch of another source only.
    """
    if event.dssematerial and event.batchmaterial:
        raise Rejection(Reason.MALFORMED, "the event carries both dssematerial and batchmaterial")
    if event.dssematerial:
        return _attested_alone(event, event.dssematerial, registry, at_ms)
    if event.batchmaterial:
        cache = StatementCache() if statements is None else statements
        return _attested_in_batch(event, event.batchmaterial, registry, at_ms, cache)
    raise Rejection(Reason.MISSING_SIGNATURE, "the event is not signed")


def claimed_payload(event: Event) -> SignedPayload:
    """The signed payload M of an event that has what M says, whoever signed it: no signature is looked at.

    For one who holds a commitment to the digests of an event that was verified before, and for naming what was refused.

    Raises:
        Rejection: `missing_signature` without material, `malformed`, `digest_mismatch`.
    """
    if event.dssematerial:
        return _matching(event, _envelope(event.dssematerial).payload)
    if event.batchmaterial:
        _, leaf = decode_material(event.batchmaterial)
        return _matching(event, leaf[NONCE_BYTES:])
    raise Rejection(Reason.MISSING_SIGNATURE, "the event is not signed")


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


def sign_event(
    event: Event, signer: Signer, signed_extensions: Sequence[str] = (), cosigners: Sequence[Signer] = ()
) -> bytes:
    """Make the signature material of an event: the UTF-8 of the DSSE envelope, the value of `dssematerial`.

    The type of every signed extension must be known: those of other standards and ours are; any other is signed as
    the String, Boolean or Integer that the event holds. Always set `datacontenttype` before signing: a translation
    between content modes may add it, and breaks the signature.

    Args:
        event: Complete but for its material.
        signer: The producer's key.
        signed_extensions: Names in the order in which they are hashed; absent ones are allowed.
        cosigners: Further keys, where the policy of the source wants several.

    Raises:
        SigningRefusedError: The list breaks a rule, or a timestamp is none.
    """
    payload = payload_to_sign(event, signed_extensions)
    return encode_envelope(signed_envelope(PAYLOAD_TYPE, payload, [signer, *cosigners]))


def with_signature(
    event: Event, signer: Signer, signed_extensions: Sequence[str] = (), cosigners: Sequence[Signer] = ()
) -> Event:
    """The event with its material attached, ready for `binary_headers`.

    Raises:
        SigningRefusedError: As `sign_event`.
    """
    material = base64.b64encode(sign_event(event, signer, signed_extensions, cosigners))
    return msgspec.structs.replace(event, dssematerial=material.decode())


def _envelope(material: str) -> DsseEnvelope:
    try:
        envelope = decode_envelope(decode_either_base64(material, "the attribute"))
    except MalformedEnvelope as exc:
        raise Rejection(Reason.MALFORMED, f"dssematerial: {exc}") from None
    if envelope.payload_type != PAYLOAD_TYPE:
        raise Rejection(Reason.MALFORMED, "dssematerial: payloadType is not that of Verifiability v0.1")
    return envelope


def _attested_alone(event: Event, material: str, registry: KeyRegistry, at_ms: int) -> tuple[Attestation, bytes]:
    envelope = _envelope(material)
    message = envelope.signed_bytes()

    def holds(key: SigningKey, n: int) -> bool:
        return is_genuine(key, message, envelope.signatures[n].sig)

    attested = attesting_keys(event.source, event.type, envelope.signatures, holds, registry, at_ms)
    return attested, envelope.payload


def _attested_in_batch(
    event: Event, text: str, registry: KeyRegistry, at_ms: int, statements: StatementCache
) -> tuple[Attestation, bytes]:
    material, leaf = decode_material(text)
    statement = statements.get(bytes(material.statement))
    attested = statement.attestation(event.source, event.type, registry, at_ms)
    try:
        statement.inclusion.check(leaf_hash(leaf), material.index, material.path)
    except (MalformedProof, WrongProofLength) as exc:
        raise Rejection(Reason.MALFORMED, f"batchmaterial: {exc}") from None
    except RootMismatch:
        raise Rejection(Reason.BAD_SIGNATURE, "the payload does not stand in the batch that was signed") from None
    return attested, leaf[NONCE_BYTES:]


def _matching(event: Event, payload: bytes) -> SignedPayload:
    """Parse M and compare it with the event."""
    signed = _FORMS.match(event, payload)
    if signed is not None:
        return signed
    signed = parse_payload(payload)
    try:
        if core_digest(event) != signed.core:
            raise Rejection(Reason.DIGEST_MISMATCH, "core attributes or data are not those that were signed")
        if signed.ext is not None and ext_digest(event, signed.signedextattrs) != signed.ext:
            raise Rejection(Reason.DIGEST_MISMATCH, "signed extension attributes are not those that were signed")
    except ValueError as exc:
        raise Rejection(Reason.MALFORMED, f"an attribute of type Timestamp is {exc}") from None
    _FORMS.learn(payload, signed)
    return signed


def _view(event: Event, signed: SignedPayload) -> Event:
    """The strict view of an event that matches what was signed."""
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
