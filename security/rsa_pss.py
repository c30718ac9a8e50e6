"""RSASSA-PSS (RFC 7518, section 3.5), by OpenSSL: MGF1 with the message's hash, a salt exactly as long as the hash."""

from collections.abc import Mapping
from types import MappingProxyType

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm

from security.algorithms import Algorithm, BadSignature, Verify
from security.jwk import Jwk
from security.public_key import RSA_EXPONENT, KeyKind, PublicKey

_HASHES: Mapping[Algorithm, HashAlgorithm] = MappingProxyType(
    {Algorithm.PS256: SHA256(), Algorithm.PS384: SHA384(), Algorithm.PS512: SHA512()}
)


def rsa_pss_verifier(key: Jwk) -> Verify:
    """The verifying function of an RSA key."""
    modulus = key.public_key.material
    public = rsa.RSAPublicNumbers(RSA_EXPONENT, int.from_bytes(modulus)).public_key()
    scheme, algorithm = _scheme(key.algorithm)

    def verify(message: bytes, signature: bytes) -> None:
        if len(signature) != len(modulus):
            raise BadSignature
        try:
            public.verify(signature, message, scheme, algorithm)
        except InvalidSignature:
            raise BadSignature from None

    return verify


class RsaPssSigner:
    """RSASSA-PSS.

    Args:
        key_id: Name of the key.
        key: The private key, with the exponent 65,537.
        algorithm: `PS256`, `PS384` or `PS512`.
    """

    def __init__(self, key_id: str, key: rsa.RSAPrivateKey, algorithm: Algorithm) -> None:
        self._key = key
        self.key_id = key_id
        self.algorithm = algorithm
        modulus = key.public_key().public_numbers().n
        self.public_key = PublicKey(KeyKind.RSA, modulus.to_bytes((modulus.bit_length() + 7) // 8))
        self.jwk = Jwk(self.public_key, algorithm, key_id)

    def __repr__(self) -> str:
        return f"RsaPssSigner(key_id={self.key_id!r})"

    def sign(self, message: bytes) -> bytes:
        """As long as the modulus."""
        return self._key.sign(message, *_scheme(self.algorithm))


def _scheme(algorithm: Algorithm) -> tuple[padding.PSS, HashAlgorithm]:
    digest = _HASHES[algorithm]
    return padding.PSS(mgf=padding.MGF1(digest), salt_length=digest.digest_size), digest
