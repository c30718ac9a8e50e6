"""Signing by a private key in a PKCS#11 token: ECDSA on P-256, or RSA-PSS with SHA-256.

The key pair is made by its owner, both halves under one label: this only uses it.
"""

import hashlib
from typing import TYPE_CHECKING, Final, cast

from schemas.errors import ConfigurationError
from security.jwk import Jwk
from security.pkcs11_token import Pkcs11Token
from security.public_key import RSA_EXPONENT, KeyKind, PublicKey
from security.signatures import Algorithm

if TYPE_CHECKING:  # an optional extra
    import pkcs11
    from pkcs11.types import SignMixin

_P256: Final = bytes.fromhex("06082a8648ce3d030107")
"""DER of the curve's object identifier, 1.2.840.10045.3.1.7."""
_POINT: Final = bytes.fromhex("044104")
"""What a P-256 point begins with: an octet string of 65 bytes, uncompressed."""


class Pkcs11Signer:
    """A `security.signing.Signer` over one key pair of a token.

    Args:
        key_id: Name of the key where it is registered.
        label: The pair's label.

    Raises:
        ConfigurationError: The token has no such pair, or more than one.
        Unavailable: The token is not there.
    """

    def __init__(self, token: Pkcs11Token, key_id: str, label: str) -> None:
        self._token = token
        self._label = label
        self.key_id = key_id
        self.public_key, self.algorithm = token.run(lambda session: _public_half(session, label))
        self.jwk = Jwk(self.public_key, self.algorithm, key_id)

    def __repr__(self) -> str:
        return f"Pkcs11Signer(key_id={self.key_id!r}, label={self._label!r})"

    def sign(self, message: bytes) -> bytes:
        """R || S for ES256; as long as the modulus for PS256.

        Raises:
            Unavailable: The token is not there.
        """

        def sign(session: "pkcs11.Session") -> bytes:
            from pkcs11 import MGF, Mechanism, ObjectClass

            key = cast("SignMixin", _only(session, self._label, ObjectClass.PRIVATE_KEY))
            if self.algorithm is Algorithm.ES256:
                return bytes(key.sign(hashlib.sha256(message).digest(), mechanism=Mechanism.ECDSA))
            pss = (Mechanism.SHA256, MGF.SHA256, hashlib.sha256().digest_size)
            return bytes(key.sign(message, mechanism=Mechanism.SHA256_RSA_PKCS_PSS, mechanism_param=pss))

        return self._token.run(sign)


def _public_half(session: "pkcs11.Session", label: str) -> tuple[PublicKey, Algorithm]:
    from pkcs11 import Attribute, KeyType, ObjectClass

    _only(session, label, ObjectClass.PRIVATE_KEY)
    key = _only(session, label, ObjectClass.PUBLIC_KEY)
    kind = key[Attribute.KEY_TYPE]
    if kind is KeyType.RSA and int.from_bytes(key[Attribute.PUBLIC_EXPONENT]) == RSA_EXPONENT:
        return PublicKey(KeyKind.RSA, key[Attribute.MODULUS].lstrip(b"\0")), Algorithm.PS256
    if kind is KeyType.EC and key[Attribute.EC_PARAMS] == _P256:
        point = key[Attribute.EC_POINT]
        if point.startswith(_POINT):
            return PublicKey(KeyKind.P256, point.removeprefix(_POINT)), Algorithm.ES256
    raise ConfigurationError(f"key {label!r} in the token is neither EC on P-256 nor RSA with the exponent 65537")


def _only(session: "pkcs11.Session", label: str, kind: "pkcs11.ObjectClass") -> "pkcs11.Object":
    from pkcs11 import Attribute

    found = list(session.get_objects({Attribute.CLASS: kind, Attribute.LABEL: label}))
    if len(found) != 1:
        raise ConfigurationError(
            f"the token has {len(found)} objects {kind.name} labelled {label!r}; it takes one pair"
        )
    return found[0]
