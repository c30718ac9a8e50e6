"""HMAC (RFC 2104) with SM3 (GB/T 32905): commitments and derived keys of tenants that asked for Chinese algorithms.

By `cryptography`, which brings SM3 wherever it brings SM4; the SM3 of Python's hashlib hangs on the system's OpenSSL.
"""

from typing import Final

from cryptography.hazmat.primitives.hashes import SM3
from cryptography.hazmat.primitives.hmac import HMAC

_SM3: Final = SM3()


def hmac_sm3(key: bytes, message: bytes) -> bytes:
    """The 32 bytes of HMAC-SM3."""
    mac = HMAC(key, _SM3)
    mac.update(message)
    return mac.finalize()
