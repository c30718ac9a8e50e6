"""SM2 in X.509 (GM/T 0015): the keys in certificates, and the signatures on certificates and CRLs.

`cryptography` parses such certificates and lists, but neither reads their keys nor verifies them: what is asked for
here has passed its parser, so that its structure is known. Everything has one form: a key is an uncompressed point on
the named curve, a signature is strict DER, by an algorithm without parameters or with NULL, the same inside and
outside, and with the ID of GM/T 0009. Paths are security.certificate_chain.
"""

from collections.abc import Iterator
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from security.algorithms import DEFAULT_SIGNER_ID, Algorithm, BadSignature, SignatureEncoding
from security.jwk import Jwk
from security.public_key import InvalidKeyError, KeyKind, PublicKey
from security.sm2 import PUBLIC_HEAD, SM2_CURVE, sm2_verifier

SM2_WITH_SM3: Final = frozenset(
    {bytes.fromhex("300a06082a811ccf55018375"), bytes.fromhex("300c06082a811ccf550183750500")}
)
"""The two forms of its AlgorithmIdentifier (1.2.156.10197.1.501): without parameters, and with NULL."""

_SEQUENCE: Final = 0x30
_LONG_TAG: Final = 0x1F
_KEY_INFO: Final = 4
"""Of a certificate's SEQUENCEs: after the algorithm, the issuer, the validity and the subject."""


def sm2_key(certificate: x509.Certificate) -> PublicKey | None:
    """The key of a certificate, None if it is on no curve called SM2.

    Raises:
        InvalidKeyError, ValueError: As for `read_sm2_key`.
    """
    return read_sm2_key(_sequences(certificate.tbs_certificate_bytes)[_KEY_INFO])


def read_sm2_key(info: bytes) -> PublicKey | None:
    """The key in a SubjectPublicKeyInfo, None if it is on no curve called SM2.

    Raises:
        InvalidKeyError: It is called SM2 and has another form than the one that we take, or is no point on the curve.
        ValueError: Its algorithm has parameters that are nothing of X.509.
    """
    algorithm = next(_elements(info))
    if SM2_CURVE not in _elements(algorithm):
        return None
    if not info.startswith(PUBLIC_HEAD):  # which holds the length of all of it
        raise InvalidKeyError("an SM2 key is not an id-ecPublicKey with its curve by name and an uncompressed point")
    return PublicKey(KeyKind.SM2, info[len(PUBLIC_HEAD) :])


def inner_algorithm(signed: bytes) -> bytes:
    """The AlgorithmIdentifier that the signed part of a certificate or list holds: its first SEQUENCE."""
    return _sequences(signed)[0]


def signed_parts(document: x509.Certificate | x509.CertificateRevocationList) -> tuple[bytes, bytes, bytes]:
    """What is signed of a certificate or list, the AlgorithmIdentifier outside of it, and the signature.

    Raises:
        BadSignature: Bits of its last byte are said to be unused.
    """
    signed, algorithm, bits = _elements(document.public_bytes(Encoding.DER))
    start, _ = _content(bits, 0)
    if bits[start : start + 1] != b"\0":
        raise BadSignature
    return signed, algorithm, bits[start + 1 :]


def see_signed(document: x509.Certificate | x509.CertificateRevocationList, issuer: PublicKey) -> None:
    """Verify who signed a certificate or a list.

    Raises:
        BadSignature: It is not by that key, or not of its one form.
        LibcryptoMissing: This machine's OpenSSL can't do SM2.
    """
    see_signature(*signed_parts(document), issuer)


def see_signature(signed: bytes, algorithm: bytes, signature: bytes, issuer: PublicKey) -> None:
    """Verify a signature.

    Args:
        signed: The signed part of a certificate or list.
        algorithm: The AlgorithmIdentifier outside of it.
        signature: The content of its BIT STRING.

    Raises:
        BadSignature, LibcryptoMissing: As for `see_signed`.
    """
    if algorithm not in SM2_WITH_SM3 or algorithm != inner_algorithm(signed):
        raise BadSignature
    key = Jwk(issuer, Algorithm.SM2, encoding=SignatureEncoding.DER, signer_id=DEFAULT_SIGNER_ID)
    sm2_verifier(key)(signed, signature)


def _sequences(sequence: bytes) -> list[bytes]:
    return [each for each in _elements(sequence) if each[0] == _SEQUENCE]


def _elements(sequence: bytes) -> Iterator[bytes]:
    """The elements of a SEQUENCE in DER, which has been parsed before; each whole, with its tag and length."""
    start, end = _content(sequence, 0)
    while start < end:
        _, after = _content(sequence, start)
        yield sequence[start:after]
        start = after


def _content(der: bytes, start: int) -> tuple[int, int]:
    """Where the content of an element begins and ends."""
    if der[start] & _LONG_TAG == _LONG_TAG:
        raise ValueError("a tag of several bytes, which nothing in X.509 has")
    length, begin = der[start + 1], start + 2
    if length & 0x80:
        begin += length & 0x7F
        length = int.from_bytes(der[start + 2 : begin])
    return begin, begin + length
