"""Public keys as JSON Web Keys (RFC 7517, 7518, 8037) and their thumbprints (RFC 7638).

Private keys are security.signing; who may use a key, and when, is security.key_registry.
"""

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from nacl.bindings import crypto_core_ed25519_is_valid_point

from schemas.errors import ConfigurationError

MAX_JWKS_KEYS = 256
MAX_KEY_ID_LENGTH = 256

_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_COORDINATE = re.compile(r"[A-Za-z0-9_-]{43}")


class InvalidKeyError(ConfigurationError):
    """A key is no key we can use: wrong form, wrong lengths, not on its curve. The text never holds key material."""


class Curve(StrEnum):
    """Curves we know, by their JWK name. Other key types join here, with their verifier in security.signatures."""

    ED25519 = "Ed25519"
    P256 = "P-256"


_KEY_TYPES = {Curve.ED25519: "OKP", Curve.P256: "EC"}
_COORDINATES = {Curve.ED25519: ("x",), Curve.P256: ("x", "y")}
_ALGORITHM_NAMES = {Curve.ED25519: ("Ed25519", "EdDSA"), Curve.P256: ("ES256",)}


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key that was checked to be one.

    Attributes:
        curve: Its curve.
        material: Ed25519: the 32 bytes of RFC 8032. P-256: x || y, 32 bytes each.

    Raises:
        InvalidKeyError: Wrong length, not on the curve, or (Ed25519) not canonical or not of prime order.
    """

    curve: Curve
    material: bytes

    def __post_init__(self) -> None:
        if len(self.material) != 32 * len(_COORDINATES[self.curve]):
            raise InvalidKeyError(f"a public key on {self.curve} has the wrong length")
        if self.curve is Curve.P256:
            x, y = (int.from_bytes(self.material[at : at + 32]) for at in (0, 32))
            try:
                ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
            except ValueError as exc:
                raise InvalidKeyError("a public key is not a point on P-256") from exc
        # A point of low order, or with a part of low order, lets one signature hold for several messages or keys.
        elif not crypto_core_ed25519_is_valid_point(self.material):
            raise InvalidKeyError("a public key is not a canonical Ed25519 point of prime order")

    def to_jwk(self) -> dict[str, str]:
        """The required members of the JWK, and no others."""
        coordinates = {
            name: encode_coordinate(self.material[32 * index : 32 * index + 32])
            for index, name in enumerate(_COORDINATES[self.curve])
        }
        return {"crv": self.curve.value, "kty": _KEY_TYPES[self.curve], **coordinates}

    def thumbprint(self) -> str:
        """SHA-256 thumbprint, base64url without padding (RFC 7638)."""
        return encode_coordinate(hashlib.sha256(msgspec.json.encode(self.to_jwk(), order="sorted")).digest())


@dataclass(frozen=True, slots=True)
class Jwk:
    """A public JWK: the key and the name its owner gave it (`kid`, a hint; None when there is none)."""

    public_key: PublicKey
    key_id: str | None


def parse_jwk(text: bytes | str) -> Jwk:
    """Read one public key.

    Raises:
        InvalidKeyError: Not a JWK of a kind we know, members that contradict each other, or private members.
    """
    members = _json_object(text)
    if not is_known_kind(members):
        raise InvalidKeyError("a JWK is neither OKP with Ed25519 nor EC with P-256")
    return public_jwk(members)


def parse_jwks(text: bytes | str) -> tuple[Jwk, ...]:
    """Read a JWK Set, leaving out what we can't use: unknown types, missing members, keys not meant for signatures.

    Raises:
        InvalidKeyError: It is no JWK Set, is longer than `MAX_JWKS_KEYS`, or gives away a private key.
    """
    members = _json_object(text).get("keys")
    if not isinstance(members, list):
        raise InvalidKeyError('a JWK Set is an object with a list "keys"')
    if len(members) > MAX_JWKS_KEYS:
        raise InvalidKeyError(f"a JWK Set holds more than {MAX_JWKS_KEYS} keys")
    usable = []
    for entry in members:
        if not isinstance(entry, dict) or not is_known_kind(entry):
            continue
        _refuse_private(entry)
        try:
            usable.append(public_jwk(entry))
        except InvalidKeyError:
            continue
    return tuple(usable)


def public_jwk(members: Mapping[str, object]) -> Jwk:
    """Check the members of a JWK and make the key.

    Raises:
        InvalidKeyError: As in `parse_jwk`.
    """
    _refuse_private(members)
    curve = Curve(str(members["crv"]))
    if members.get("use", "sig") != "sig":
        raise InvalidKeyError("a JWK is not meant for signatures (use)")
    operations = members.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        raise InvalidKeyError("a JWK is not meant for verifying (key_ops)")
    if members.get("alg", _ALGORITHM_NAMES[curve][0]) not in _ALGORITHM_NAMES[curve]:
        raise InvalidKeyError(f"a JWK on {curve} names an algorithm of another kind (alg)")
    key_id = members.get("kid")
    if key_id is not None and not (isinstance(key_id, str) and 0 < len(key_id) <= MAX_KEY_ID_LENGTH):
        raise InvalidKeyError(f"a JWK has a kid that is not a string of 1 to {MAX_KEY_ID_LENGTH} characters")
    material = b"".join(decode_coordinate(members, name) for name in _COORDINATES[curve])
    return Jwk(PublicKey(curve, material), key_id)


def decode_coordinate(members: Mapping[str, object], name: str) -> bytes:
    """The 32 bytes of a member: base64url without padding, in its one canonical spelling.

    Raises:
        InvalidKeyError: The member is missing or is anything else.
    """
    text = members.get(name)
    if not isinstance(text, str) or not _COORDINATE.fullmatch(text):
        raise InvalidKeyError(f"a JWK member {name} is not 32 bytes in base64url without padding")
    value = base64.urlsafe_b64decode(text + "=")
    if encode_coordinate(value) != text:
        raise InvalidKeyError(f"a JWK member {name} has stray bits at its end")
    return value


def _json_object(text: bytes | str) -> dict[str, object]:
    try:
        return msgspec.json.decode(text, type=dict[str, object])
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as exc:
        raise InvalidKeyError("a JWK is not a JSON object") from exc


def is_known_kind(members: Mapping[str, object]) -> bool:
    """Whether `kty` and `crv` are a pair that we can use."""
    # A list, since what a stranger wrote there may not be hashable.
    return (members.get("kty"), members.get("crv")) in [(kind, curve.value) for curve, kind in _KEY_TYPES.items()]


def _refuse_private(members: Mapping[str, object]) -> None:
    if not _PRIVATE_MEMBERS.isdisjoint(members):
        raise InvalidKeyError(
            "a private key stands where a public one belongs; replace that key, it is no longer secret"
        )


def encode_coordinate(value: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
