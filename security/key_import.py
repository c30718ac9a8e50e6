"""Public keys out of the files that producers send: a JWK, a JWK Set, a PEM public key, a PEM certificate.

A certificate is taken for the key and the validity in it; who issued it is security.certificate_chain.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from security.algorithms import DEFAULT_SIGNER_ID, Algorithm
from security.jwk import ALGORITHMS, Jwk, json_object, parse_jwks, public_jwk
from security.public_key import RSA_EXPONENT, InvalidKeyError, KeyKind, PublicKey
from security.sm2_certificate import sm2_key

MAX_FILE_BYTES: Final = 1 << 20
"""256 JWKs of the longest RSA keys take 400 KB."""

_PEM: Final = b"-----BEGIN "
_CERTIFICATE: Final = b"-----BEGIN CERTIFICATE-----"
_PRIVATE: Final = b"PRIVATE KEY-----"
_CURVES: Final = {"secp256r1": KeyKind.P256, "secp384r1": KeyKind.P384}


@dataclass(frozen=True, slots=True)
class FoundKey:
    """A public key as a file has it.

    Attributes:
        not_before: Start of its validity, where the file says one; `not_after` likewise.
    """

    jwk: Jwk
    not_before: dt.datetime | None = None
    not_after: dt.datetime | None = None


def read_public_keys(content: bytes, algorithm: Algorithm | None = None) -> Sequence[FoundKey]:
    """The public keys of a file.

    Args:
        algorithm: What the keys sign with, for files that don't say it: PEM, and JWKs of RSA keys without `alg`.

    Raises:
        InvalidKeyError: It is none of those files, holds no key that we can use or a private one, or is not meant for
            signatures.
    """
    if len(content) > MAX_FILE_BYTES:
        raise InvalidKeyError(f"a key file is longer than {MAX_FILE_BYTES} bytes")
    text = content.lstrip()
    if text.startswith(_PEM):
        if _PRIVATE in text:
            raise InvalidKeyError(
                "a private key stands where a public one belongs; replace that key, it is no longer secret"
            )
        if text.startswith(_CERTIFICATE):
            return [_of_certificate(text, algorithm)]
        return [FoundKey(_jwk(_pem_public_key(text), algorithm))]
    members = json_object(content)
    if "keys" in members:
        found = [FoundKey(jwk) for jwk in parse_jwks(content)]
        if not found:
            raise InvalidKeyError("a JWK Set holds no key that we can use")
        return found
    if algorithm is not None:
        members.setdefault("alg", algorithm.value)
    return [FoundKey(public_jwk(members))]


def certificate_key(certificate: x509.Certificate, algorithm: Algorithm | None = None) -> Jwk:
    """The key of a certificate that may sign data; an SM2 key with the signer's ID that is usual (GM/T 0009).

    Raises:
        InvalidKeyError: It is an authority's, is not for signatures, or its key is none that we can use.
    """
    try:
        extensions = certificate.extensions
        key = sm2_key(certificate) or _usable(certificate.public_key())
    except (ValueError, UnsupportedAlgorithm, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as exc:
        raise InvalidKeyError("a certificate's key or extensions are not ones that we can use") from exc
    for extension in extensions:
        value = extension.value
        if isinstance(value, x509.BasicConstraints) and value.ca:
            raise InvalidKeyError("a certificate is an authority's; a producer signs with one of its own")
        if isinstance(value, x509.KeyUsage) and not value.digital_signature:
            raise InvalidKeyError("a certificate is not for signatures (key usage without digitalSignature)")
    return _jwk(key, algorithm)


def _of_certificate(text: bytes, algorithm: Algorithm | None) -> FoundKey:
    try:
        certificate = x509.load_pem_x509_certificate(text)
        window = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion) as exc:
        raise InvalidKeyError("a PEM certificate can't be read") from exc
    start, end = window
    # The last second of a certificate belongs to it; ours ends before its end.
    return FoundKey(certificate_key(certificate, algorithm), start, end + dt.timedelta(seconds=1))


def _pem_public_key(text: bytes) -> PublicKey:
    try:
        return _usable(load_pem_public_key(text))
    except (ValueError, TypeError, UnsupportedAlgorithm) as exc:
        raise InvalidKeyError("a PEM file holds no public key that we can use") from exc


def _usable(key: PublicKeyTypes) -> PublicKey:
    match key:
        case ed25519.Ed25519PublicKey():
            return PublicKey(KeyKind.ED25519, key.public_bytes_raw())
        case ec.EllipticCurvePublicKey() if key.curve.name in _CURVES:
            numbers = key.public_numbers()
            length = (key.key_size + 7) // 8
            return PublicKey(_CURVES[key.curve.name], numbers.x.to_bytes(length) + numbers.y.to_bytes(length))
        case rsa.RSAPublicKey():
            public = key.public_numbers()
            if public.e != RSA_EXPONENT:
                raise InvalidKeyError(f"an RSA key has another public exponent than {RSA_EXPONENT}")
            return PublicKey(KeyKind.RSA, public.n.to_bytes((public.n.bit_length() + 7) // 8))
    raise InvalidKeyError("a key is neither Ed25519, P-256, P-384 nor RSA; give SM2 as a JWK or a certificate")


def _jwk(key: PublicKey, algorithm: Algorithm | None) -> Jwk:
    possible = ALGORITHMS[key.kind]
    if algorithm is None and len(possible) > 1:
        raise InvalidKeyError(f"the file does not say what its {key.kind} key signs with; say it with --algorithm")
    signer_id = DEFAULT_SIGNER_ID if key.kind is KeyKind.SM2 else None
    return Jwk(key, algorithm or possible[0], signer_id=signer_id)
