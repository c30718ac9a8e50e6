"""Signing by a key in the Transit engine of OpenBao or Vault, which never leaves the server.

The key is made by its owner: this only uses it. Each signature is a request, so sign batches (security.batch_signing).
"""

import re
from base64 import b64decode, b64encode, urlsafe_b64decode
from typing import Final

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from schemas.errors import ConfigurationError
from security.jwk import Jwk
from security.openbao_client import OpenBaoClient
from security.public_key import KeyKind, PublicKey
from security.signatures import Algorithm

_NAME: Final = re.compile(r"\w(([\w.-]+)?\w)?", re.ASCII)
_ALGORITHMS: Final = {"ed25519": Algorithm.ED25519, "ecdsa-p256": Algorithm.ES256}


class _Version(msgspec.Struct):
    public_key: str = ""


class _Key(msgspec.Struct):
    type: str
    latest_version: int
    keys: dict[str, _Version | int] = {}


class _Signature(msgspec.Struct):
    signature: str


class OpenBaoSigner:
    """A `security.signing.Signer` over one Transit key of type `ed25519` or `ecdsa-p256`.

    It signs with the version that was the newest when it was made: the registered public key is that version's.

    Args:
        key_id: Name of the key where it is registered.
        name: Name of the Transit key.

    Raises:
        ConfigurationError: There is no such key, or it is of another type.
        Unavailable: The server does not answer.
    """

    def __init__(self, client: OpenBaoClient, key_id: str, name: str) -> None:
        if _NAME.fullmatch(name) is None:
            raise ConfigurationError("a Transit key's name holds letters, digits, dots, dashes and underscores")
        key = client.read(f"keys/{name}", _Key)
        if key is None or key.type not in _ALGORITHMS:
            raise ConfigurationError(
                f"the Transit engine {client.mount!r} has no key {name!r} of type ed25519 or ecdsa-p256; make one with "
                f"`bao write -f {client.mount}/keys/{name} type=ed25519`"
            )
        self._client = client
        self._name = name
        self._version = key.latest_version
        self.key_id = key_id
        self.algorithm = _ALGORITHMS[key.type]
        self.public_key = _public_key(self.algorithm, key.keys.get(str(key.latest_version)))
        self.jwk = Jwk(self.public_key, self.algorithm, key_id)

    def __repr__(self) -> str:
        return f"OpenBaoSigner(key_id={self.key_id!r}, name={self._name!r})"

    def sign(self, message: bytes) -> bytes:
        """R || S, 64 bytes with either algorithm; blocks for one request.

        Raises:
            Unavailable: The server does not answer.
        """
        body: dict[str, object] = {"input": b64encode(message).decode(), "key_version": self._version}
        if self.algorithm is Algorithm.ES256:
            body |= {"hash_algorithm": "sha2-256", "marshaling_algorithm": "jws"}
        text = self._client.write(f"sign/{self._name}", body, _Signature).signature.rpartition(":")[2]
        # The form of JWS has no padding and the alphabet of URLs, the other one has not.
        return urlsafe_b64decode(text + "==") if self.algorithm is Algorithm.ES256 else b64decode(text)


def _public_key(algorithm: Algorithm, version: _Version | int | None) -> PublicKey:
    text = version.public_key if isinstance(version, _Version) else ""
    if algorithm is Algorithm.ED25519:
        return PublicKey(KeyKind.ED25519, b64decode(text))
    try:
        key = load_pem_public_key(text.encode())
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise ConfigurationError("the Transit engine gave no public key on P-256")
    numbers = key.public_numbers()
    return PublicKey(KeyKind.P256, numbers.x.to_bytes(32) + numbers.y.to_bytes(32))
