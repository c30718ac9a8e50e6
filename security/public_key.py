"""Public keys, checked to be ones. Their JSON form is security.jwk, verifying with them security.signatures."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec
from nacl.bindings import crypto_core_ed25519_is_valid_point

from schemas.errors import ConfigurationError

RSA_EXPONENT: Final = 65_537
MIN_RSA_BITS: Final = 2_048
MAX_RSA_BITS: Final = 8_192

_SM2_P: Final = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFF
_SM2_B: Final = 0x28E9FA9E9D9F5E344D5A9E4BCF6509A7F39789F515AB8F92DDBCBD414D940E93


class InvalidKeyError(ConfigurationError):
    """A key is no key we can use: wrong form, wrong lengths, not on its curve. The text never holds key material."""


class KeyKind(StrEnum):
    """Kinds of keys: a curve by its JWK name (`SM2` is ours, the curve of GB/T 32918.5), or RSA."""

    ED25519 = "Ed25519"
    P256 = "P-256"
    P384 = "P-384"
    SM2 = "SM2"
    RSA = "RSA"


# Primes made by those chips are powers of 65,537 modulo every small prime, and so is their product; of other moduli one
# in 2^27 is.
_ROCA: Final = {
    prime: frozenset(pow(RSA_EXPONENT, power, prime) for power in range(prime - 1))
    for prime in range(3, 168, 2)
    if all(prime % factor for factor in range(3, prime, 2))
}

COORDINATE_BYTES: Mapping[KeyKind, int] = MappingProxyType(
    {KeyKind.ED25519: 32, KeyKind.P256: 32, KeyKind.P384: 48, KeyKind.SM2: 32}
)
_CURVES: Mapping[KeyKind, ec.EllipticCurve] = MappingProxyType(
    {KeyKind.P256: ec.SECP256R1(), KeyKind.P384: ec.SECP384R1()}
)


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key that was checked to be one.

    Attributes:
        kind: What key it is.
        material: Ed25519: the 32 bytes of RFC 8032. The other curves: x || y, each as long as the field. RSA: the
            modulus, big-endian without leading zeros; the exponent is always 65,537.

    Raises:
        InvalidKeyError: Wrong length, not on the curve, (Ed25519) not canonical or not of prime order, (RSA) too short,
            too long or even.
    """

    kind: KeyKind
    material: bytes

    def __post_init__(self) -> None:
        _CHECKS[self.kind](self)

    @property
    def point(self) -> tuple[int, int]:
        """X and y of a key on a Weierstrass curve."""
        half = len(self.material) // 2
        return int.from_bytes(self.material[:half]), int.from_bytes(self.material[half:])


def _check_ed25519(key: PublicKey) -> None:
    _check_length(key, 1)
    # A point of low order, or with a part of low order, lets one signature hold for several messages or keys.
    if not crypto_core_ed25519_is_valid_point(key.material):
        raise InvalidKeyError("a public key is not a canonical Ed25519 point of prime order")


def _check_nist(key: PublicKey) -> None:
    _check_length(key, 2)
    try:
        ec.EllipticCurvePublicNumbers(*key.point, _CURVES[key.kind]).public_key()
    except ValueError as exc:
        raise InvalidKeyError(f"a public key is not a point on {key.kind}") from exc


def _check_sm2(key: PublicKey) -> None:
    _check_length(key, 2)
    x, y = key.point
    # The curve's a is p - 3, and its group has prime order: any point on it will do.
    if not (x < _SM2_P and y < _SM2_P and (y * y - x * x * x + 3 * x - _SM2_B) % _SM2_P == 0):
        raise InvalidKeyError("a public key is not a point on SM2")


def _check_rsa(key: PublicKey) -> None:
    modulus = int.from_bytes(key.material)
    if key.material[:1] == b"\0" or not modulus & 1:
        raise InvalidKeyError("the modulus of an RSA key starts with a zero byte or is even")
    if not MIN_RSA_BITS <= modulus.bit_length() <= MAX_RSA_BITS:
        raise InvalidKeyError(f"an RSA key has {MIN_RSA_BITS} to {MAX_RSA_BITS} bits")
    if all(modulus % prime in powers for prime, powers in _ROCA.items()):
        raise InvalidKeyError("an RSA key was made by a chip whose keys can be factored (ROCA, CVE-2017-15361)")


def _check_length(key: PublicKey, coordinates: int) -> None:
    if len(key.material) != COORDINATE_BYTES[key.kind] * coordinates:
        raise InvalidKeyError(f"a public key on {key.kind} has the wrong length")


_CHECKS = {
    KeyKind.ED25519: _check_ed25519,
    KeyKind.P256: _check_nist,
    KeyKind.P384: _check_nist,
    KeyKind.SM2: _check_sm2,
    KeyKind.RSA: _check_rsa,
}
