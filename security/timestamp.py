"""RFC 3161 timestamps over signed checkpoints: what is asked for, and what makes an answer one that counts.

The token format is the library's; asking is agents.log.timestamping.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Final

from cryptography import x509
from rfc3161_client import (
    HashAlgorithm,
    TimestampRequestBuilder,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)

from schemas.errors import ConfigurationError, VerificationFailed

SHA256: Final = x509.ObjectIdentifier("2.16.840.1.101.3.4.2.1")
GRANTED: Final = 0
_CERTIFICATES: Final = 0xA0


class BadTimestamp(VerificationFailed):
    """An answer of a timestamp authority that proves nothing about the checkpoint."""


@dataclass(frozen=True, slots=True)
class TimestampRequest:
    """What an authority is asked.

    Attributes:
        body: The DER of a TimeStampReq, with the SHA-256 of the note, a nonce, and the wish for certificates.
        nonce: The answer must repeat it, or it may be an old one.
    """

    body: bytes
    nonce: int


def request_timestamp(note: bytes) -> TimestampRequest:
    """Ask for a timestamp over a signed checkpoint, as its log signed it and without cosignatures."""
    builder = TimestampRequestBuilder().data(note).hash_algorithm(HashAlgorithm.SHA256)
    request = builder.nonce(nonce=True).cert_request(cert_request=True).build()
    assert request.nonce is not None
    return TimestampRequest(request.as_bytes(), request.nonce)


def verify_timestamp(
    response: bytes, note: bytes, authorities: Sequence[x509.Certificate], nonce: int | None = None
) -> dt.datetime:
    """When an authority says that it saw a note.

    Args:
        response: The DER of a TimeStampResp.
        note: What must have been stamped.
        authorities: Root certificates that the signer's chain must end in. It is checked as of the time stamped: a
            timestamp stays good when its signer's certificate expires.
        nonce: What the answer must repeat; None for an answer that is kept.

    Raises:
        BadTimestamp: It is malformed, a refusal, over something else, another answer, or not signed by somebody whom
            these authorities let stamp then (extended key usage timeStamping, critical, and nothing else).
    """
    try:
        decoded = decode_timestamp_response(_sorted_certificates(response))
        if decoded.status != GRANTED:
            raise BadTimestamp(f"the authority refuses (status {decoded.status})")
        info = decoded.tst_info
        if info.message_imprint.hash_algorithm != SHA256:
            raise BadTimestamp("the timestamp is over a digest that was not asked for")
        verifier = VerifierBuilder(roots=list(authorities), nonce=nonce).build()
        verifier.verify(decoded, sha256(note).digest())
    except VerificationError as exc:
        raise BadTimestamp(f"the timestamp does not verify: {_reason(exc)}") from exc
    except (ValueError, TypeError, IndexError, OverflowError) as exc:
        raise BadTimestamp("the answer is no timestamp") from exc
    return info.gen_time


def _sorted_certificates(response: bytes) -> bytes:
    """Put the certificates into the order that DER wants and the library insists on; OpenSSL's authorities don't.

    They are a set that no signature covers, and the length stays.

    Raises:
        ValueError: It is no TimeStampResp with a token.
    """
    (answer,) = _elements(response, 0, len(response))
    status_and_token = _elements(response, *answer[1:])
    if len(status_and_token) < 2:
        return response  # a refusal
    _, content = _elements(response, *status_and_token[1][1:])
    (signed_data,) = _elements(response, *content[1:])
    for tag, start, end in _elements(response, *signed_data[1:]):
        if tag == _CERTIFICATES:
            starts = [start, *(stop for *_, stop in _elements(response, start, end))]
            return response[:start] + b"".join(sorted(response[a:b] for a, b in pairwise(starts))) + response[end:]
    return response


def _elements(der: bytes, start: int, end: int) -> list[tuple[int, int, int]]:
    """Tag, start and end of the contents of each element that stands between two places."""
    found = []
    while start < end:
        tag, length, start = der[start], der[start + 1], start + 2
        if length & 0x80:
            start += length & 0x7F
            length = int.from_bytes(der[start - (length & 0x7F) : start])
        if start + length > end:
            raise ValueError("an element ends beyond what holds it")
        found.append((tag, start, start + length))
        start += length
    return found


def _reason(error: VerificationError) -> str:
    """Why, in one line; of OpenSSL's stack of errors only what it says about a certificate."""
    text = str(error)
    _, found, detail = text.partition('data: "')
    return detail.partition('"')[0] if found else text.partition(":")[0]


def load_authorities(path: Path) -> list[x509.Certificate]:
    """The certificates of a PEM file.

    Raises:
        ConfigurationError: It can't be read, or holds none.
    """
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except OSError as exc:
        raise ConfigurationError(f"can't read the timestamp authorities' certificates {path}: {exc.strerror}") from exc
    except ValueError as exc:
        raise ConfigurationError(f"{path} holds no certificate in PEM; it names whom we let tell the time") from exc
