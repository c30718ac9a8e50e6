import base64

import pytest

from schemas.errors import VerificationFailed
from security.checkpoint import verify_checkpoint
from security.note import Signer, sign_note
from security.notice_key import BadNoticeCertificate, certify_notice_key, notice_signer, trusted_notice_key

ORIGIN = "example.org/logs/t"
LOG = Signer(ORIGIN, b"l" * 32)
KEY = notice_signer(ORIGIN, b"n" * 32)
TEXT = base64.b64encode(KEY.public_key.material).decode()


def test_who_trusts_the_log_trusts_its_notice_key() -> None:
    key = trusted_notice_key(certify_notice_key(LOG, KEY.public_key), LOG.verifier)
    assert (key.key_id, key.public_key) == (KEY.key_id, KEY.public_key)
    assert key.covers(ORIGIN, "io.sealstream.result.v1")
    assert not key.covers(ORIGIN + "x", "io.sealstream.result.v1")
    assert not key.covers(ORIGIN, "org.example")


def test_a_certificate_by_another_log_is_refused() -> None:
    other = Signer("example.org/logs/u", b"u" * 32)
    for verifier in (other.verifier, Signer(ORIGIN, b"x" * 32).verifier):
        with pytest.raises(VerificationFailed):
            trusted_notice_key(certify_notice_key(LOG, KEY.public_key), verifier)


@pytest.mark.parametrize(
    "text",
    [
        f"sealstream/notices/v1\nexample.org/logs/u\n{TEXT}\n",
        f"sealstream/notices/v2\n{ORIGIN}\n{TEXT}\n",
        f"{ORIGIN}\n3\n{TEXT}\n",
        f"sealstream/notices/v1\n{ORIGIN}\n{TEXT}\nmore\n",
        f"sealstream/notices/v1\n{ORIGIN}\n{TEXT[:-2]}B=\n",
        f"sealstream/notices/v1\n{ORIGIN}\nAA==\n",
        f"sealstream/notices/v1\n{ORIGIN}\n\n",
        f"sealstream/notices/v1\n{ORIGIN}\n{base64.b64encode(bytes(32)).decode()}\n",
    ],
)
def test_anything_else_that_the_log_signed_is_no_certificate(text: str) -> None:
    with pytest.raises(BadNoticeCertificate):
        trusted_notice_key(sign_note(text, [LOG]), LOG.verifier)


def test_a_certificate_is_no_checkpoint() -> None:
    with pytest.raises(VerificationFailed):
        verify_checkpoint(certify_notice_key(LOG, KEY.public_key), ORIGIN, [LOG.verifier])
