"""Signature algorithms: one verifier for each, chosen by the key's record and never by the message.

Which keys may sign what is security.key_registry; making signatures is security.signing. Another algorithm (P-384,
RSA-PSS, SM2) is a member of `Algorithm`, its factory in the table, and its curve or key type in security.jwk.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from types import MappingProxyType

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from nacl.bindings import crypto_sign_open
from nacl.exceptions import CryptoError

from schemas.errors import VerificationFailed
from security.jwk import Curve, InvalidKeyError, PublicKey

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551

Verify = Callable[[bytes, bytes], None]
"""`verify(message, signature)` returns when the signature holds and raises `BadSignature` when it does not."""


class Algorithm(StrEnum):
    """Algorithms a key record may name (JOSE names; `EdDSA` is read as `Ed25519` where keys are imported)."""

    ED25519 = "Ed25519"
    ES256 = "ES256"


class BadSignature(VerificationFailed):
    """The signature does not hold for this message and key."""

    def __init__(self) -> None:
        super().__init__("the signature does not verify under the key")


def verifier(algorithm: Algorithm, public_key: PublicKey) -> Verify:
    """The verifying function of a key.

    Raises:
        InvalidKeyError: The key is not of the kind the algorithm uses.
    """
    curve, factory = _FACTORIES[algorithm]
    if public_key.curve is not curve:
        raise InvalidKeyError(f"{algorithm} needs a key on {curve}, not on {public_key.curve}")
    return factory(public_key)


def algorithm_for(public_key: PublicKey) -> Algorithm:
    """The one algorithm that a key of this kind is used with."""
    return next(algorithm for algorithm, (curve, _) in _FACTORIES.items() if curve is public_key.curve)


def _ed25519(public_key: PublicKey) -> Verify:
    # libsodium refuses S >= L, keys and R of low order, and keys that are not canonical; it takes no cofactor. Keys
    # with a part of low order never get here: PublicKey refuses them.
    key = public_key.material

    def verify(message: bytes, signature: bytes) -> None:
        if len(signature) != 64:
            raise BadSignature
        try:
            crypto_sign_open(signature + message, key)
        except CryptoError:
            raise BadSignature from None

    return verify


def _es256(public_key: PublicKey) -> Verify:
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x04" + public_key.material)
    algorithm = ec.ECDSA(SHA256())

    def verify(message: bytes, signature: bytes) -> None:
        if len(signature) != 64:
            raise BadSignature
        r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
        if not (0 < r < P256_ORDER and 0 < s < P256_ORDER):
            raise BadSignature
        try:
            key.verify(encode_dss_signature(r, s), message, algorithm)
        except InvalidSignature:
            raise BadSignature from None

    return verify


_FACTORIES: Mapping[Algorithm, tuple[Curve, Callable[[PublicKey], Verify]]] = MappingProxyType(
    {Algorithm.ED25519: (Curve.ED25519, _ed25519), Algorithm.ES256: (Curve.P256, _es256)}
)
