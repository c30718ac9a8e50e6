"""Signature algorithms: one verifier for each, chosen by the key's record and never by the message.

Which keys may sign what is security.key_registry; making signatures is security.signing. Another algorithm is a member
of `Algorithm`, its place in security.jwk's table of kinds, and its factory in the table here.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from nacl.bindings import crypto_sign_open
from nacl.exceptions import CryptoError

from security.algorithms import Algorithm, BadSignature, SignatureEncoding, Verify
from security.ecdsa import ecdsa_verifier
from security.jwk import Jwk
from security.public_key import KeyKind
from security.rsa_pss import rsa_pss_verifier
from security.sm2 import sm2_verifier

__all__ = ["Algorithm", "BadSignature", "SignatureEncoding", "Verify", "verifier"]


def verifier(key: Jwk) -> Verify:
    """The verifying function of a key.

    Raises:
        LibcryptoMissing: It is an SM2 key, and this machine's OpenSSL can't do SM2.
    """
    return _FACTORIES[key.public_key.kind](key)


def _ed25519(record: Jwk) -> Verify:
    # libsodium refuses S >= L, keys and R of low order, and keys that are not canonical; it takes no cofactor. Keys
    # with a part of low order never get here: PublicKey refuses them.
    key = record.public_key.material

    def verify(message: bytes, signature: bytes) -> None:
        if len(signature) != 64:
            raise BadSignature
        try:
            crypto_sign_open(signature + message, key)
        except CryptoError:
            raise BadSignature from None

    return verify


_FACTORIES: Mapping[KeyKind, Callable[[Jwk], Verify]] = MappingProxyType(
    {
        KeyKind.ED25519: _ed25519,
        KeyKind.P256: ecdsa_verifier,
        KeyKind.P384: ecdsa_verifier,
        KeyKind.RSA: rsa_pss_verifier,
        KeyKind.SM2: sm2_verifier,
    }
)
