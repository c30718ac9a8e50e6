"""DSSE 1.0.2: the pre-authentication encoding and the JSON envelope. Which keys count is for the caller."""

import base64

import msgspec

from schemas.errors import VerificationFailed
from schemas.events.attributes import decode_base64

MAX_SIGNATURES = 8

_TO_STANDARD_ALPHABET = str.maketrans("-_", "+/")


class MalformedEnvelope(VerificationFailed):
    """The bytes are no DSSE envelope; the text names the member."""


class DsseSignature(msgspec.Struct, frozen=True, gc=False):
    """One signature of an envelope.

    Attributes:
        sig: The signature bytes.
        key_id: The signer's hint, None when there is none. Nobody vouches for it: it may only narrow a choice of keys.
    """

    sig: bytes
    key_id: str | None = None


class DsseEnvelope(msgspec.Struct, frozen=True, gc=False):
    """A decoded envelope. Nothing of it is verified; `payload` is parsed after a signature over it held."""

    payload_type: str
    payload: bytes
    signatures: tuple[DsseSignature, ...]

    def signed_bytes(self) -> bytes:
        """What the signatures are over."""
        return pae(self.payload_type, self.payload)


class _WireSignature(msgspec.Struct):
    sig: str
    keyid: str | None = None


class _WireEnvelope(msgspec.Struct):
    payloadType: str  # noqa: N815 - the member's name in the standard
    payload: str
    signatures: list[_WireSignature]


_DECODER = msgspec.json.Decoder(_WireEnvelope)


def pae(payload_type: str, payload: bytes) -> bytes:
    """The pre-authentication encoding: `DSSEv1 SP len(type) SP type SP len(payload) SP payload`, lengths in bytes."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def decode_envelope(text: bytes) -> DsseEnvelope:
    """Decode the JSON form; unknown members are ignored, both base64 alphabets are taken.

    Raises:
        MalformedEnvelope: Not UTF-8 JSON of that shape, not base64, no signature, or more than `MAX_SIGNATURES`.
    """
    try:
        wire = _DECODER.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise MalformedEnvelope("the DSSE envelope is not JSON with payloadType, payload and signatures") from None
    if not 0 < len(wire.signatures) <= MAX_SIGNATURES:
        raise MalformedEnvelope(f"the DSSE envelope holds no signature or more than {MAX_SIGNATURES}")
    signatures = tuple(
        [DsseSignature(decode_either_base64(entry.sig, "sig"), entry.keyid or None) for entry in wire.signatures]
    )
    return DsseEnvelope(wire.payloadType, decode_either_base64(wire.payload, "payload"), signatures)


def encode_envelope(envelope: DsseEnvelope) -> bytes:
    """The JSON form in standard base64: payloadType, payload, signatures with keyid (where there is one) and sig."""
    signatures = [
        ({"keyid": signature.key_id} if signature.key_id else {}) | {"sig": _encode(signature.sig)}
        for signature in envelope.signatures
    ]
    return msgspec.json.encode(
        {"payloadType": envelope.payload_type, "payload": _encode(envelope.payload), "signatures": signatures}
    )


def decode_either_base64(text: str, member: str) -> bytes:
    """Decode padded base64 in the standard or the URL-safe alphabet (DSSE lets signers use either).

    Raises:
        MalformedEnvelope: It is neither; the text names `member`.
    """
    if "-" in text or "_" in text:
        text = text.translate(_TO_STANDARD_ALPHABET)
    try:
        return decode_base64(text)
    except ValueError:
        raise MalformedEnvelope(f"{member} is not base64") from None


def _encode(value: bytes) -> str:
    return base64.b64encode(value).decode()
