"""SM2 in certificates and lists, which `cryptography` does not make: what it made with a placeholder is rewritten.

By asn1crypto, not by security.sm2_certificate, which reads them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from asn1crypto import parser
from asn1crypto.core import OctetBitString, Sequence
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding

from security.signing import Sm2Signer

PLACEHOLDER: Final = ec.generate_private_key(ec.SECP256R1())

SM2_WITH_SM3: Final = bytes.fromhex("300a06082a811ccf55018375")
SM2_WITH_SM3_NULL: Final = bytes.fromhex("300c06082a811ccf550183750500")
SHA256_WITH_ECDSA: Final = bytes.fromhex("300a06082a8648ce3d040302")

_SM2_KEY: Final = bytes.fromhex("301306072a8648ce3d020106082a811ccf5501822d")


@dataclass(frozen=True, slots=True)
class Form:
    """How a certificate or list differs from what is usual; None is as usual.

    Attributes:
        info: The SubjectPublicKeyInfo.
        inside: The AlgorithmIdentifier in the signed part.
        outside: The other one; the one inside where this is None.
        changed: What is done to the signature.
    """

    info: bytes | None = None
    inside: bytes | None = None
    outside: bytes | None = None
    changed: Callable[[bytes], bytes] | None = None


USUAL: Final = Form()


def subject_info(key: Sm2Signer, *, compressed: bool = False, algorithm: bytes = _SM2_KEY) -> bytes:
    """The SubjectPublicKeyInfo of an SM2 key, with its point in either form, or under another algorithm."""
    point = key.public_key.material
    point = bytes([2 + (point[-1] & 1)]) + point[:32] if compressed else b"\4" + point
    return sequence(algorithm, OctetBitString(point).dump())


def rewritten(made: Any, key: Any, info: bytes | None, form: Form) -> Any:
    """A certificate or list as made with the placeholder, with what SM2 has in its place and signed anew.

    Args:
        key: Who signs.
        info: The subject's SubjectPublicKeyInfo, if it is not the one in there.
    """
    signed, outside, _ = parts(made.public_bytes(Encoding.DER))
    fields = parts(signed)
    places = [place for place, each in enumerate(fields) if each[0] == 0x30]
    sm2 = isinstance(key, Sm2Signer)
    inside = form.inside or (SM2_WITH_SM3 if sm2 else outside)
    fields[places[0]] = inside
    if form.info or info:
        fields[places[4]] = form.info or info or b""
    signed = sequence(*fields)
    signature = _signed(key, signed, made.signature_hash_algorithm)
    if form.changed is not None:
        signature = form.changed(signature)
    der = sequence(signed, form.outside or inside, OctetBitString(signature).dump())
    load = x509.load_der_x509_certificate if isinstance(made, x509.Certificate) else x509.load_der_x509_crl
    return load(der)


def parts(der: bytes) -> list[bytes]:
    """The elements of a SEQUENCE, whole."""
    content, found = parser.parse(der, strict=True)[4], []
    while content:
        length = parser.peek(content)
        found.append(content[:length])
        content = content[length:]
    return found


def sequence(*elements: bytes) -> bytes:
    """A SEQUENCE of elements."""
    return bytes(Sequence(contents=b"".join(elements)).dump())


def _signed(key: Any, content: bytes, digest: hashes.HashAlgorithm | None) -> bytes:
    match key:
        case Sm2Signer():
            raw = key.sign(content)
            return encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))
        case ed25519.Ed25519PrivateKey():
            return key.sign(content)
        case rsa.RSAPrivateKey():
            return key.sign(content, padding.PKCS1v15(), digest or hashes.SHA256())
        case ec.EllipticCurvePrivateKey():
            return key.sign(content, ec.ECDSA(digest or hashes.SHA256()))
    raise TypeError
