"""HMAC-SHA-256 (RFC 2104) for short messages, as the two hashes that it is. What for is decided by the callers.

OpenSSL 3 looks its algorithms up and builds two contexts for each HMAC: twice the time of the two hashes alone, and a
record of seventeen fields takes two dozen of them. For secrets that are compared, compare with `hmac.compare_digest`.
"""

from collections.abc import Callable
from hashlib import sha256
from typing import Final

BLOCK_BYTES: Final = 64
_INNER: Final = bytes(byte ^ 0x36 for byte in range(256))
_OUTER: Final = bytes(byte ^ 0x5C for byte in range(256))
# For a new context OpenSSL looks the algorithm up; a copied one knows it.
_fresh: Final = sha256().copy

Mac = Callable[[bytes], bytes]
"""A message to its 32 bytes under one key."""


def hmac_sha256(key: bytes, message: bytes) -> bytes:
    """The 32 bytes of HMAC-SHA-256, for a key that is used once."""
    block = _block(key) if len(key) > BLOCK_BYTES else key.ljust(BLOCK_BYTES, b"\0")
    inner = _fresh()
    inner.update(block.translate(_INNER))
    inner.update(message)
    outer = _fresh()
    outer.update(block.translate(_OUTER))
    outer.update(inner.digest())
    return outer.digest()


def keyed(key: bytes) -> Mac:
    """HMAC-SHA-256 under one key, for many messages."""
    block = _block(key)
    # Both have seen their pads: that is half of the work for a short message.
    begin_inner = sha256(block.translate(_INNER)).copy
    begin_outer = sha256(block.translate(_OUTER)).copy

    def mac(message: bytes) -> bytes:
        inner = begin_inner()
        inner.update(message)
        outer = begin_outer()
        outer.update(inner.digest())
        return outer.digest()

    return mac


def _block(key: bytes) -> bytes:
    """A key as the block that both pads are laid over: filled up with zeros, hashed first when it is longer."""
    return (key if len(key) <= BLOCK_BYTES else sha256(key).digest()).ljust(BLOCK_BYTES, b"\0")
