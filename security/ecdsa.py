"""ECDSA on P-256 with SHA-256 and on P-384 with SHA-384, by OpenSSL; and the two forms of such signatures.

A signature (r, n - s) holds wherever (r, s) does: never use a signature as an identity.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, HashAlgorithm

from security.algorithms import Algorithm, BadSignature, SignatureEncoding, Verify
from security.jwk import Jwk
from security.public_key import InvalidKeyError, KeyKind, PublicKey

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
P384_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973


@dataclass(frozen=True, slots=True)
class _Suite:
    algorithm: Algorithm
    curve: ec.EllipticCurve
    hash: HashAlgorithm
    order: int


_SUITES: Mapping[KeyKind, _Suite] = MappingProxyType(
    {
        KeyKind.P256: _Suite(Algorithm.ES256, ec.SECP256R1(), SHA256(), P256_ORDER),
        KeyKind.P384: _Suite(Algorithm.ES384, ec.SECP384R1(), SHA384(), P384_ORDER),
    }
)


def canonical_der(signature: bytes, encoding: SignatureEncoding, order: int) -> bytes:
    """The DER form of a signature in either form.

    Raises:
        BadSignature: Not of that form (any spelling but the one of strict DER, any other length than two numbers of
            the order's length), or a number is not from 1 to the order less 1.
    """
    if encoding is SignatureEncoding.RAW:
        length = (order.bit_length() + 7) // 8
        if len(signature) != 2 * length:
            raise BadSignature
        r, s = int.from_bytes(signature[:length]), int.from_bytes(signature[length:])
        der = encode_dss_signature(r, s)
    else:
        try:
            r, s = decode_dss_signature(signature)
        except ValueError:
            raise BadSignature from None
        der = signature
    if not (0 < r < order and 0 < s < order) or (der is signature and encode_dss_signature(r, s) != der):
        raise BadSignature
    return der


def raw_signature(der: bytes, order: int) -> bytes:
    """R || s of a signature that OpenSSL made."""
    length = (order.bit_length() + 7) // 8
    r, s = decode_dss_signature(der)
    return r.to_bytes(length) + s.to_bytes(length)


def ecdsa_verifier(key: Jwk) -> Verify:
    """The verifying function of a key on P-256 or P-384."""
    suite = _SUITES[key.public_key.kind]
    public = ec.EllipticCurvePublicNumbers(*key.public_key.point, suite.curve).public_key()
    algorithm = ec.ECDSA(suite.hash)

    def verify(message: bytes, signature: bytes) -> None:
        der = canonical_der(signature, key.encoding, suite.order)
        try:
            public.verify(der, message, algorithm)
        except InvalidSignature:
            raise BadSignature from None

    return verify


class EcdsaSigner:
    """ECDSA with deterministic nonces (RFC 6979).

    Args:
        key_id: Name of the key.
        secret: The private scalar, big-endian, from 1 to the group order less 1, as long as the order.
        kind: The curve.
    """

    def __init__(self, key_id: str, secret: bytes, kind: KeyKind) -> None:
        suite = _SUITES[kind]
        length = suite.curve.key_size // 8
        scalar = int.from_bytes(secret)
        if len(secret) != length or not 0 < scalar < suite.order:
            raise InvalidKeyError(f"a {kind} private key is {length} bytes and less than the group order")
        self._key = ec.derive_private_key(scalar, suite.curve)
        self._suite = suite
        numbers = self._key.public_key().public_numbers()
        self.key_id = key_id
        self.algorithm = suite.algorithm
        self.public_key = PublicKey(kind, numbers.x.to_bytes(length) + numbers.y.to_bytes(length))
        self.jwk = Jwk(self.public_key, self.algorithm, key_id)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(key_id={self.key_id!r})"

    def sign(self, message: bytes) -> bytes:
        """R || s."""
        suite = self._suite
        der = self._key.sign(message, ec.ECDSA(suite.hash, deterministic_signing=True))
        return raw_signature(der, suite.order)


class Es256Signer(EcdsaSigner):
    """ECDSA on P-256 with SHA-256; the secret is 32 bytes, the signature 64."""

    def __init__(self, key_id: str, secret: bytes) -> None:
        super().__init__(key_id, secret, KeyKind.P256)


class Es384Signer(EcdsaSigner):
    """ECDSA on P-384 with SHA-384; the secret is 48 bytes, the signature 96."""

    def __init__(self, key_id: str, secret: bytes) -> None:
        super().__init__(key_id, secret, KeyKind.P384)
