"""Doing a fault to a finished record: what an attacker on the way, or a broken producer, makes of a good one.

Faults that lie in the payload are made where payloads are made, in `sealstream.samples.feed`.
"""

import base64
from collections.abc import Callable

import msgspec

from sealstream.feeds.fault import Fault
from security.dsse import DsseEnvelope, DsseSignature, decode_envelope, encode_envelope

Headers = list[tuple[str, bytes]]


def spoil(headers: Headers, value: bytes, fault: Fault) -> tuple[Headers, bytes]:
    """The record with the fault; one whose fault lies in the item itself stays as it is."""
    if fault is Fault.UNSIGNED:
        return [(name, text) for name, text in headers if name not in ("ce_dssematerial", "ce_batchmaterial")], value
    if fault is Fault.TAMPERED_PAYLOAD:
        return headers, _altered(value)
    if fault is Fault.TAMPERED_ATTRIBUTE:
        return _with_tampered_attribute(headers), value
    if fault is Fault.TAMPERED_SIGNATURE:
        spoiled = _replaced(headers, "ce_dssematerial", _with_broken_signature)
        return _replaced(spoiled, "ce_batchmaterial", _with_broken_statement), value
    if fault is Fault.REPEATED_HEADER:
        return [*headers, ("ce_id", b"another-id")], value
    if fault is Fault.MISSING_ATTRIBUTE:
        return [(name, text) for name, text in headers if name != "ce_type"], value
    if fault is Fault.NUL_IN_ID:
        return _replaced(headers, "ce_id", lambda text: text + b"\0"), value
    return headers, value


def _with_tampered_attribute(headers: Headers) -> Headers:
    for name in ("ce_datalevel", "ce_time"):
        if any(name == other for other, _ in headers):
            return _replaced(headers, name, _altered)
    return [*headers, ("ce_subject", b"added afterwards")]


def _with_broken_signature(material: bytes) -> bytes:
    return base64.b64encode(_broken(base64.b64decode(material)))


def _with_broken_statement(material: bytes) -> bytes:
    members = msgspec.json.decode(base64.b64decode(material), type=dict[str, msgspec.Raw])
    return base64.b64encode(
        msgspec.json.encode(members | {"statement": msgspec.Raw(_broken(bytes(members["statement"])))})
    )


def _broken(text: bytes) -> bytes:
    envelope = decode_envelope(text)
    signatures = [
        DsseSignature(bytes([signature.sig[0] ^ 1]) + signature.sig[1:], signature.key_id)
        for signature in envelope.signatures
    ]
    return encode_envelope(DsseEnvelope(envelope.payload_type, envelope.payload, tuple(signatures)))


def _replaced(headers: Headers, name: str, change: Callable[[bytes], bytes]) -> Headers:
    return [(other, change(text) if other == name else text) for other, text in headers]


def _altered(text: bytes) -> bytes:
    """The text with its last digit one lower, or with a digit more when it has none."""
    found = [position for position, byte in enumerate(text) if byte in b"0123456789"]
    if not found:
        return text + b"0"
    return text[: found[-1]] + b"%d" % ((text[found[-1]] - 0x30 - 1) % 10) + text[found[-1] + 1 :]
