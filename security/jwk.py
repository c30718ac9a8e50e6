"""Public keys as JSON Web Keys (RFC 7517, 7518, 8037) and their thumbprints (RFC 7638).

Beside the registered members two of ours are read and written, since a key's record decides how its signatures are
checked: `signature_encoding` (`raw` or `der`, of keys on curves other than Ed25519) and `signer_id` (SM2).
Private keys are security.key_files; who may use a key, and when, is security.key_registry.
"""

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import msgspec

from security.algorithms import DEFAULT_SIGNER_ID, MAX_SIGNER_ID_BYTES, Algorithm, SignatureEncoding
from security.public_key import COORDINATE_BYTES, MAX_RSA_BITS, RSA_EXPONENT, InvalidKeyError, KeyKind, PublicKey

MAX_JWKS_KEYS: Final = 256
MAX_KEY_ID_LENGTH: Final = 256

_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_BASE64URL = re.compile(r"[A-Za-z0-9_-]+")
_MAX_MEMBER = MAX_RSA_BITS // 6 + 2
_KEY_TYPES: Mapping[KeyKind, str] = MappingProxyType(
    {KeyKind.ED25519: "OKP", KeyKind.P256: "EC", KeyKind.P384: "EC", KeyKind.SM2: "EC"}
)
ALGORITHMS: Mapping[KeyKind, tuple[Algorithm, ...]] = MappingProxyType(
    {
        KeyKind.ED25519: (Algorithm.ED25519,),
        KeyKind.P256: (Algorithm.ES256,),
        KeyKind.P384: (Algorithm.ES384,),
        KeyKind.SM2: (Algorithm.SM2,),
        KeyKind.RSA: (Algorithm.PS256, Algorithm.PS384, Algorithm.PS512),
    }
)
"""What keys of a kind are used with; a key is used with one."""


@dataclass(frozen=True, slots=True)
class Jwk:
    """A public JWK: the key, how its signatures are checked, and the name its owner gave it.

    Attributes:
        public_key: The key.
        algorithm: The only one it verifies with.
        key_id: `kid`, a hint; None when there is none.
        encoding: How its ECDSA or SM2 signatures are written.
        signer_id: The ID that SM2 hashes in with each message; None for other keys.

    Raises:
        InvalidKeyError: These don't fit together.
    """

    public_key: PublicKey
    algorithm: Algorithm
    key_id: str | None = None
    encoding: SignatureEncoding = SignatureEncoding.RAW
    signer_id: str | None = None

    def __post_init__(self) -> None:
        kind = self.public_key.kind
        if self.algorithm not in ALGORITHMS[kind]:
            raise InvalidKeyError(f"a JWK on {kind} names an algorithm of another kind (alg)")
        if self.encoding is SignatureEncoding.DER and kind in {KeyKind.ED25519, KeyKind.RSA}:
            raise InvalidKeyError(f"signatures of {kind} keys have one form, without a signature_encoding")
        if (self.signer_id is not None) != (kind is KeyKind.SM2):
            raise InvalidKeyError("an SM2 key has a signer_id, and no other key has one")
        if self.signer_id is not None and not 0 < len(self.signer_id.encode()) <= MAX_SIGNER_ID_BYTES:
            raise InvalidKeyError(f"a signer_id is 1 to {MAX_SIGNER_ID_BYTES} bytes long")

    def to_members(self) -> dict[str, str]:
        """Every member that matters for verifying, in the form that `public_jwk` reads."""
        members = required_members(self.public_key) | {"alg": self.algorithm.value}
        if self.key_id is not None:
            members["kid"] = self.key_id
        if self.encoding is not SignatureEncoding.RAW:
            members["signature_encoding"] = self.encoding.value
        if self.signer_id is not None:
            members["signer_id"] = self.signer_id
        return members


def required_members(key: PublicKey) -> dict[str, str]:
    """The required members of a key's JWK, and no others."""
    if key.kind is KeyKind.RSA:
        exponent = RSA_EXPONENT.to_bytes(3)
        return {"e": encode_base64url(exponent), "kty": "RSA", "n": encode_base64url(key.material)}
    length = COORDINATE_BYTES[key.kind]
    coordinates = {
        name: encode_base64url(key.material[length * n : length * (n + 1)])
        for n, name in enumerate(_coordinates(key.kind))
    }
    return {"crv": key.kind.value, "kty": _KEY_TYPES[key.kind], **coordinates}


def thumbprint(key: PublicKey) -> str:
    """SHA-256 thumbprint, base64url without padding (RFC 7638)."""
    return encode_base64url(hashlib.sha256(msgspec.json.encode(required_members(key), order="sorted")).digest())


def parse_jwk(text: bytes | str) -> Jwk:
    """Read one public key.

    Raises:
        InvalidKeyError: Not a JWK of a kind we know, members that contradict each other, or private members.
    """
    return public_jwk(json_object(text))


def parse_jwks(text: bytes | str) -> tuple[Jwk, ...]:
    """Read a JWK Set, leaving out what we can't use: unknown types, missing members, keys not meant for signatures.

    Raises:
        InvalidKeyError: It is no JWK Set, is longer than `MAX_JWKS_KEYS`, or gives away a private key.
    """
    members = json_object(text).get("keys")
    if not isinstance(members, list):
        raise InvalidKeyError('a JWK Set is an object with a list "keys"')
    if len(members) > MAX_JWKS_KEYS:
        raise InvalidKeyError(f"a JWK Set holds more than {MAX_JWKS_KEYS} keys")
    usable = []
    for entry in members:
        if not isinstance(entry, dict) or key_kind(entry) is None:
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
    kind = key_kind(members)
    if kind is None:
        raise InvalidKeyError("a JWK is neither OKP with Ed25519, nor EC with P-256, P-384 or SM2, nor RSA")
    _refuse_private(members)
    if members.get("use", "sig") != "sig":
        raise InvalidKeyError("a JWK is not meant for signatures (use)")
    operations = members.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        raise InvalidKeyError("a JWK is not meant for verifying (key_ops)")
    key_id = members.get("kid")
    if key_id is not None and not (isinstance(key_id, str) and 0 < len(key_id) <= MAX_KEY_ID_LENGTH):
        raise InvalidKeyError(f"a JWK has a kid that is not a string of 1 to {MAX_KEY_ID_LENGTH} characters")
    signer_id = members.get("signer_id", DEFAULT_SIGNER_ID if kind is KeyKind.SM2 else None)
    if signer_id is not None and not isinstance(signer_id, str):
        raise InvalidKeyError("a JWK has a signer_id that is not a string")
    try:
        encoding = SignatureEncoding(str(members.get("signature_encoding", SignatureEncoding.RAW)))
    except ValueError:
        raise InvalidKeyError("a JWK has a signature_encoding other than raw and der") from None
    return Jwk(_public_key(kind, members), _algorithm(kind, members), key_id, encoding, signer_id)


def key_kind(members: Mapping[str, object]) -> KeyKind | None:
    """Which kind of key `kty` and `crv` name; None for one that we can't use."""
    # Compared one by one, since what a stranger wrote there may not be hashable.
    said = members.get("kty"), members.get("crv")
    if said[0] == "RSA":
        return KeyKind.RSA
    return next((kind for kind, kty in _KEY_TYPES.items() if (kty, kind.value) == said), None)


def decode_member(members: Mapping[str, object], name: str, length: int | None = None) -> bytes:
    """The bytes of a member: base64url without padding, in its one canonical spelling.

    Args:
        members: Of the JWK.
        name: Which member.
        length: How many bytes it has; any number when not given.

    Raises:
        InvalidKeyError: The member is missing or is anything else.
    """
    text = members.get(name)
    if not isinstance(text, str) or len(text) > _MAX_MEMBER or not _BASE64URL.fullmatch(text) or len(text) % 4 == 1:
        raise InvalidKeyError(f"a JWK member {name} is not base64url without padding")
    value = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if encode_base64url(value) != text:
        raise InvalidKeyError(f"a JWK member {name} has stray bits at its end")
    if length is not None and len(value) != length:
        raise InvalidKeyError(f"a JWK member {name} is not {length} bytes long")
    return value


def encode_base64url(value: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def json_object(text: bytes | str) -> dict[str, object]:
    """The members of a JSON object.

    Raises:
        InvalidKeyError: It is none.
    """
    try:
        return msgspec.json.decode(text, type=dict[str, object])
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as exc:
        raise InvalidKeyError("a JWK is not a JSON object") from exc


def _public_key(kind: KeyKind, members: Mapping[str, object]) -> PublicKey:
    if kind is KeyKind.RSA:
        if decode_member(members, "e") != RSA_EXPONENT.to_bytes(3):
            raise InvalidKeyError(f"an RSA key has another public exponent than {RSA_EXPONENT}")
        return PublicKey(kind, decode_member(members, "n"))
    length = COORDINATE_BYTES[kind]
    return PublicKey(kind, b"".join([decode_member(members, name, length) for name in _coordinates(kind)]))


def _algorithm(kind: KeyKind, members: Mapping[str, object]) -> Algorithm:
    named = members.get("alg")
    if named is None:
        if len(ALGORITHMS[kind]) > 1:
            raise InvalidKeyError(f"a JWK on {kind} does not say its algorithm (alg): {', '.join(ALGORITHMS[kind])}")
        return ALGORITHMS[kind][0]
    if named == "EdDSA" and kind is KeyKind.ED25519:
        return Algorithm.ED25519
    try:
        return Algorithm(str(named))
    except ValueError:
        raise InvalidKeyError("a JWK names an algorithm that we don't use (alg)") from None


def _coordinates(kind: KeyKind) -> tuple[str, ...]:
    return ("x",) if kind is KeyKind.ED25519 else ("x", "y")


def _refuse_private(members: Mapping[str, object]) -> None:
    if not _PRIVATE_MEMBERS.isdisjoint(members):
        raise InvalidKeyError(
            "a private key stands where a public one belongs; replace that key, it is no longer secret"
        )
