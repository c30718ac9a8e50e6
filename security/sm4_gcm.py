"""SM4 in Galois/Counter Mode (GB/T 32907; RFC 8998): `cryptography` has no AEAD class for it, only the general cipher.

When it is used is security.suites.
"""

from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import SM4
from cryptography.hazmat.primitives.ciphers.modes import GCM

_TAG_BYTES: Final = 16


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
