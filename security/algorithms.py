"""Names of signature algorithms and of the forms of their signatures. Verifying is security.signatures."""

from collections.abc import Callable
from enum import StrEnum
from typing import Final

from schemas.errors import VerificationFailed

Verify = Callable[[bytes, bytes], None]
"""`verify(message, signature)` returns when the signature holds and raises `BadSignature` when it does not."""

DEFAULT_SIGNER_ID: Final = "1234567812345678"
"""The signer's ID of SM2 where none was agreed (GM/T 0009)."""

MAX_SIGNER_ID_BYTES: Final = 256


class Algorithm(StrEnum):
    """Algorithms a key record may name.

    JOSE names; `EdDSA` is read as `Ed25519` where keys are imported. `SM2`, with SM3, is ours: JOSE has no name for it.
    """

    ED25519 = "Ed25519"
    ES256 = "ES256"
    ES384 = "ES384"
    PS256 = "PS256"
    PS384 = "PS384"
    PS512 = "PS512"
    SM2 = "SM2"


class SignatureEncoding(StrEnum):
    """How the two numbers of an ECDSA or SM2 signature are written; part of the key record.

    Attributes:
        RAW: r || s, each as long as the group order: JOSE, PKCS#11, our own signers.
        DER: SEQUENCE of two INTEGERs, in strict DER: OpenSSL, Java, GM/T 0009.
    """

    RAW = "raw"
    DER = "der"


class BadSignature(VerificationFailed):
    """The signature does not hold for this message and key."""

    def __init__(self) -> None:
        super().__init__("the signature does not verify under the key")
