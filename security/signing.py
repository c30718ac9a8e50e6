"""Signers and private key files (one JWK each, mode 0600). What they sign for producers is security.verifiability."""

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from nacl.bindings import crypto_sign, crypto_sign_seed_keypair

from schemas.errors import ConfigurationError
from security.dsse import MAX_SIGNATURES, DsseEnvelope, DsseSignature, pae
from security.jwk import (
    Curve,
    InvalidKeyError,
    PublicKey,
    decode_coordinate,
    encode_coordinate,
    is_known_kind,
    public_jwk,
)
from security.signatures import P256_ORDER, Algorithm
from security.signed_payload import SigningRefusedError

_MAX_FILE_BYTES = 16 * 1024


class Signer(Protocol):
    """Something that signs with one key: a key file, or an HSM that never shows the key."""

    @property
    def key_id(self) -> str:
        """Goes into signatures as the hint which key this was."""

    @property
    def algorithm(self) -> Algorithm:
        """The algorithm of the signatures."""

    @property
    def public_key(self) -> PublicKey:
        """The key that verifies them."""

    def sign(self, message: bytes) -> bytes:
        """The signature over `message`, in the form the algorithm's verifier takes."""


class Ed25519Signer:
    """Ed25519 (RFC 8032), by libsodium.

    Args:
        key_id: Name of the key.
        secret: The seed, 32 random bytes.
    """

    algorithm = Algorithm.ED25519

    def __init__(self, key_id: str, secret: bytes) -> None:
        if len(secret) != 32:
            raise InvalidKeyError("an Ed25519 private key is 32 bytes")
        public, self._secret = crypto_sign_seed_keypair(secret)
        self.key_id = key_id
        self.public_key = PublicKey(Curve.ED25519, public)

    def __repr__(self) -> str:
        return f"Ed25519Signer(key_id={self.key_id!r})"

    def sign(self, message: bytes) -> bytes:
        """The 64 bytes R || S."""
        return crypto_sign(message, self._secret)[:64]


class Es256Signer:
    """ECDSA on P-256 with SHA-256 and deterministic nonces (RFC 6979), by OpenSSL.

    Args:
        key_id: Name of the key.
        secret: The private scalar, 32 bytes big-endian, from 1 to the group order less 1.
    """

    algorithm = Algorithm.ES256

    def __init__(self, key_id: str, secret: bytes) -> None:
        scalar = int.from_bytes(secret)
        if len(secret) != 32 or not 0 < scalar < P256_ORDER:
            raise InvalidKeyError("a P-256 private key is 32 bytes and less than the group order")
        self._key = ec.derive_private_key(scalar, ec.SECP256R1())
        numbers = self._key.public_key().public_numbers()
        self.key_id = key_id
        self.public_key = PublicKey(Curve.P256, numbers.x.to_bytes(32) + numbers.y.to_bytes(32))

    def __repr__(self) -> str:
        return f"Es256Signer(key_id={self.key_id!r})"

    def sign(self, message: bytes) -> bytes:
        """The 64 bytes r || s."""
        signature = self._key.sign(message, ec.ECDSA(SHA256(), deterministic_signing=True))
        r, s = decode_dss_signature(signature)
        return r.to_bytes(32) + s.to_bytes(32)


_SIGNERS: dict[Curve, type[Ed25519Signer] | type[Es256Signer]] = {
    Curve.ED25519: Ed25519Signer,
    Curve.P256: Es256Signer,
}


def signed_envelope(payload_type: str, payload: bytes, signers: Sequence[Signer]) -> DsseEnvelope:
    """An envelope with a signature of each signer, in their order.

    Raises:
        SigningRefusedError: There is no signer, or more than verifiers take.
    """
    if not 1 <= len(signers) <= MAX_SIGNATURES:
        raise SigningRefusedError(f"1 to {MAX_SIGNATURES} keys can sign")
    message = pae(payload_type, payload)
    return DsseEnvelope(
        payload_type, payload, tuple([DsseSignature(signer.sign(message), signer.key_id) for signer in signers])
    )


def load_signer(path: Path) -> Signer:
    """Read a private key file. Without a `kid` the key is named by its thumbprint.

    Raises:
        ConfigurationError: The file is missing, is open to others (any mode wider than 0600), or too big.
        InvalidKeyError: It is not a private JWK that we can use, or its public part is not that of its private part.
    """
    try:
        members = msgspec.json.decode(_read_secret(path), type=dict[str, object])
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise InvalidKeyError(f"{path} is not a JSON Web Key") from None
    if not is_known_kind(members):
        raise InvalidKeyError(f"{path} is neither an Ed25519 nor a P-256 key")
    secret = decode_coordinate(members, "d")
    public = public_jwk({name: value for name, value in members.items() if name not in {"d", "key_ops"}})
    signer = _SIGNERS[public.public_key.curve](public.key_id or public.public_key.thumbprint(), secret)
    if signer.public_key != public.public_key:
        raise InvalidKeyError(f"{path}: the public part does not belong to the private part")
    return signer


def private_jwk(key_id: str, curve: Curve, secret: bytes) -> bytes:
    """The content of a private key file for a key made from `secret` (32 random bytes).

    Raises:
        InvalidKeyError: The secret is no private key on that curve (for P-256 one in 2^32; draw again).
    """
    signer = _SIGNERS[curve](key_id, secret)
    members = signer.public_key.to_jwk() | {"alg": signer.algorithm.value, "d": encode_coordinate(secret)}
    return msgspec.json.encode(members | {"kid": key_id, "use": "sig"})


def save_private_jwk(path: Path, content: bytes) -> None:
    """Write a private key file that nobody else can read, never over an existing one.

    Raises:
        ConfigurationError: The file exists or can't be written.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as exc:
        raise ConfigurationError(f"can't write the key file {path}: {exc.strerror}") from exc
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def _read_secret(path: Path) -> bytes:
    try:
        # Non-blocking, so that a pipe in the file's place can't hang us; the mode is that of what was opened.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as exc:
        raise ConfigurationError(f"can't read the key file {path}: {exc.strerror}") from exc
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > _MAX_FILE_BYTES:
            raise ConfigurationError(f"the key file {path} is not a file of at most {_MAX_FILE_BYTES} bytes")
        if status.st_mode & 0o177:
            raise ConfigurationError(f"the key file {path} is open to others; run: chmod 600 {path}")
        return os.read(descriptor, _MAX_FILE_BYTES)
    finally:
        os.close(descriptor)
