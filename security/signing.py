"""Signers, and envelopes signed by several of them. Key files are security.key_files.

What is signed for producers is security.verifiability and security.batch_signing.
"""

from collections.abc import Sequence
from typing import Protocol

from nacl.bindings import crypto_sign, crypto_sign_seed_keypair

from security.dsse import MAX_SIGNATURES, DsseEnvelope, DsseSignature, pae
from security.ecdsa import Es256Signer, Es384Signer
from security.jwk import Jwk
from security.public_key import InvalidKeyError, KeyKind, PublicKey
from security.rsa_pss import RsaPssSigner
from security.signatures import Algorithm
from security.signed_payload import SigningRefusedError
from security.sm2 import Sm2Signer

__all__ = ["Ed25519Signer", "Es256Signer", "Es384Signer", "RsaPssSigner", "Signer", "Sm2Signer", "signed_envelope"]


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

    @property
    def jwk(self) -> Jwk:
        """The public half, as a key's record holds it."""

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
        self.public_key = PublicKey(KeyKind.ED25519, public)
        self.jwk = Jwk(self.public_key, Algorithm.ED25519, key_id)

    def __repr__(self) -> str:
        return f"Ed25519Signer(key_id={self.key_id!r})"

    def sign(self, message: bytes) -> bytes:
        """The 64 bytes R || S."""
        return crypto_sign(message, self._secret)[:64]


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
