"""Which algorithms a tenant's data is sealed with: AES-256-GCM, or on request the Chinese SM4-GCM; and the commitments.

Both are RFC 5116 AEADs of one shape: 12-byte nonce, 16-byte tag; SM4's is security.sm4_gcm. A tier key knows its suite
(security.key_provider); what is sealed with which is security.sealing.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the command line needs the names alone
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    from security.sm4_gcm import Sm4Gcm

Crypt = Callable[[bytes, bytes, bytes | None], bytes]
"""Nonce, data, associated data; gives what was sealed, or opened."""


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
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        from security.sm4_gcm import Sm4Gcm

        return AESGCM(key) if self is Suite.AES else Sm4Gcm(key)
