import msgspec
import pytest

from agents.intake.door import Evidence, unpack_evidence
from schemas.errors import VerificationFailed


def test_evidence_is_read_back_as_it_was_packed() -> None:
    kept = Evidence([("ce_id", b"1"), ("h", None)], b"key", None)
    assert unpack_evidence(msgspec.msgpack.encode(kept)) == kept


@pytest.mark.parametrize(
    "packed",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\xc1", id="no-msgpack"),
        pytest.param(b"\x93\x91\x92\xa1\xe4\xc0\xc0\xc0", id="a-header-s-name-is-no-text"),
        pytest.param(b"\x91" * 100_000, id="deep"),
        pytest.param(b"\x93\xdd\xff\xff\xff\xff", id="headers-without-end"),
    ],
)
def test_what_is_no_message_is_refused(packed: bytes) -> None:
    with pytest.raises(VerificationFailed):
        unpack_evidence(packed)
