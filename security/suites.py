"""Which algorithms a tenant's data is sealed with: AES-256-GCM, or on request the Chinese SM4-GCM; and the commitments.

Both are RFC 5116 AEADs of one shape: 12-byte nonce, 16-byte tag. `cryptography` has no AEAD class for SM4, so its
general cipher is wrapped here (GB/T 32907; GCM as in RFC 8998). A tier key knows its suite (security.key_provider);
what is sealed with which is security.sealing.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import SM4
from cryptography.hazmat.primitives.ciphers.modes import GCM

Crypt = Callable[[bytes, bytes, bytes | None], bytes]
"""Nonce, data, associated data; gives what was sealed, or opened."""

_TAG_BYTES: Final = 16


class Suite(StrEnum):
    """What a tier key, its data keys and the fields under them are sealed with. Stored by value."""

    AES = "aes-256-gcm"
    SM4 = "sm4-gcm"

    @property
    def key_bytes(self) -> int:
        """Length of a data key."""
        return 32 if self is Suite.AES else 16

    def cipher(self, key: bytes) -> "AESGCM | Sm4Gcm":
        """The AEAD under a key; both raise `InvalidTag` for what does not open."""
        return AESGCM(key) if self is Suite.AES else Sm4Gcm(key)


class Sm4Gcm:
    """SM4 in Galois/Counter Mode, in the form of `cryptography`'s own AEADs.

    Args:
        key: 16 secret bytes.
    """

    def __init__(self, key: bytes) -> None:
        self._algorithm = SM4(key)

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes:
        """Seal; returns the ciphertext with its tag behind it."""
        encryptor = Cipher(self._algorithm, GCM(nonce)).encryptor()
        encryptor.authenticate_additional_data(associated_data or b"")
        return encryptor.update(data) + encryptor.finalize() + encryptor.tag

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes:
        """Open what `encrypt` gave.

        Raises:
            InvalidTag: It was altered, or sealed under another key, nonce or associated data.
        """
        if len(data) < _TAG_BYTES:
            raise InvalidTag
        decryptor = Cipher(self._algorithm, GCM(nonce, data[-_TAG_BYTES:])).decryptor()
        decryptor.authenticate_additional_data(associated_data or b"")
        opened = decryptor.update(data[:-_TAG_BYTES])
        # Raises before anything is handed on.
        return opened + decryptor.finalize()
