"""What a witness signs with (C2SP tlog-cosignature, Ed25519): a checkpoint's text together with a time.

Verifying is security.note, like for every other line; what a witness agrees to sign is security.witness.
"""

from base64 import b64encode
from typing import Final

from nacl.signing import SigningKey

from security.note import KeyType, MalformedKeyError, NoteSignature, Verifier, decode_base64

_TIME_BYTES: Final = 8
_SEED_BYTES: Final = 32


class Cosigner:
    """A witness's private key under its name. Its representation never shows the key; `export_skey` does."""

    __slots__ = ("_key", "verifier")

    def __init__(self, name: str, seed: bytes) -> None:
        """Take the RFC 8032 private key, 32 random bytes.

        Raises:
            MalformedKeyError: The name is not allowed, or the seed has another length.
        """
        if len(seed) != _SEED_BYTES:
            raise MalformedKeyError(f"an Ed25519 private key is {_SEED_BYTES} bytes long")
        self._key = SigningKey(seed)
        self.verifier = Verifier(name, bytes(self._key.verify_key), KeyType.COSIGNATURE)

    @classmethod
    def from_skey(cls, skey: str) -> "Cosigner":
        """Read `PRIVATE+KEY+name+hex(key id)+base64(type || seed)`.

        Raises:
            MalformedKeyError: The text is malformed, its key id is another key's, or its type is not a cosigner's.
        """
        parts = skey.split("+", 4)
        key = decode_base64(parts[4]) if len(parts) == 5 and parts[:2] == ["PRIVATE", "KEY"] else None
        if key is None or key[:1] != bytes([KeyType.COSIGNATURE]):
            raise MalformedKeyError("this is not the private key of a witness (PRIVATE+KEY+name+id+key, type 0x04)")
        cosigner = cls(parts[2], key[1:])
        if cosigner.verifier.key_id.hex() != parts[3]:
            raise MalformedKeyError("the witness key's id is not the one of its name and key")
        return cosigner

    def __repr__(self) -> str:
        return f"Cosigner({self.verifier.name!r}, key_id={self.verifier.key_id.hex()})"

    def export_skey(self) -> str:
        """The private key as text, for the file that keeps it."""
        encoded = b64encode(bytes([KeyType.COSIGNATURE]) + bytes(self._key)).decode()
        return f"PRIVATE+KEY+{self.verifier.name}+{self.verifier.key_id.hex()}+{encoded}"

    def cosign(self, text: str, time: int) -> NoteSignature:
        """Sign a checkpoint's text.

        Args:
            time: POSIX seconds; the signature says that the checkpoint was seen then.
        """
        signature = self._key.sign(f"cosignature/v1\ntime {time}\n{text}".encode()).signature
        return NoteSignature(self.verifier.name, self.verifier.key_id, time.to_bytes(_TIME_BYTES, "big") + signature)


def cosignature_time(signature: NoteSignature) -> int:
    """When a verified cosignature says that its checkpoint was seen, in POSIX seconds."""
    return int.from_bytes(signature.signature[:_TIME_BYTES], "big")
