"""What of a real `openssl ts` authority counts as a timestamp, and what does not."""

import datetime as dt
from pathlib import Path

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from schemas.errors import ConfigurationError
from security.timestamp import BadTimestamp, load_authorities, request_timestamp, verify_timestamp
from tests.support.timestamp_authority import DAY, STAMPING, Authority
from tests.support.witness_log import WitnessLog

UNSUITED = "unsuitable certificate purpose"
NOTE = WitnessLog().note(8)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.create(tmp_path_factory.mktemp("tsa") / "good")


def test_a_timestamp_tells_when_the_note_was_seen(authority: Authority) -> None:
    before = dt.datetime.now(dt.UTC).replace(microsecond=0)
    request = request_timestamp(NOTE)
    answer = authority.reply(request.body)
    roots = load_authorities(authority.ca_file)
    seen = verify_timestamp(answer, NOTE, roots, request.nonce)
    assert before <= seen <= dt.datetime.now(dt.UTC)
    assert verify_timestamp(answer, NOTE, roots) == seen


def test_each_request_has_a_nonce_of_its_own() -> None:
    assert len({request_timestamp(NOTE).nonce for _ in range(20)}) == 20


def test_an_answer_is_over_one_note_and_for_one_request(authority: Authority) -> None:
    request = request_timestamp(NOTE)
    answer = authority.reply(request.body)
    roots = load_authorities(authority.ca_file)
    with pytest.raises(BadTimestamp, match="messages"):
        verify_timestamp(answer, NOTE + b"x", roots, request.nonce)
    with pytest.raises(BadTimestamp, match="Nonce"):
        verify_timestamp(answer, NOTE, roots, request_timestamp(NOTE).nonce)


def test_an_authority_that_is_not_ours_tells_nothing(authority: Authority, tmp_path: Path) -> None:
    other = Authority.create(tmp_path / "other")
    request = request_timestamp(NOTE)
    with pytest.raises(BadTimestamp):
        verify_timestamp(other.reply(request.body), NOTE, load_authorities(authority.ca_file), request.nonce)


@pytest.mark.parametrize(
    ("made", "why"),
    [
        pytest.param({"age": 2 * DAY}, "expired", id="expired"),
        pytest.param({"age": -2 * DAY}, "not yet valid", id="not valid yet"),
        pytest.param({"critical": False}, UNSUITED, id="usage not critical"),
        pytest.param({"usage": ()}, UNSUITED, id="no usage"),
        pytest.param({"usage": (ExtendedKeyUsageOID.SERVER_AUTH,)}, UNSUITED, id="another usage"),
        pytest.param(
            {"usage": (*STAMPING, ExtendedKeyUsageOID.CODE_SIGNING)},
            UNSUITED,
            id="further usage",
        ),
    ],
)
def test_a_signer_who_may_not_stamp_now_is_refused(
    authority: Authority, tmp_path: Path, made: dict[str, object], why: str
) -> None:
    unfit = Authority.create(tmp_path / "unfit", **made)  # type: ignore[arg-type]
    request = request_timestamp(NOTE)
    with pytest.raises(BadTimestamp, match=why):
        verify_timestamp(unfit.reply(request.body), NOTE, load_authorities(unfit.ca_file), request.nonce)


def test_a_refusal_and_anything_else_are_no_timestamps(authority: Authority) -> None:
    roots = load_authorities(authority.ca_file)
    request = request_timestamp(NOTE)
    good = authority.reply(request.body)
    for bad in (b"", b"\x30", b"<html>", good[:-1], good[:200], authority.reply(b"no request")):
        with pytest.raises(BadTimestamp):
            verify_timestamp(bad, NOTE, roots)


def test_no_changed_byte_passes_as_another_time(authority: Authority) -> None:
    roots = load_authorities(authority.ca_file)
    request = request_timestamp(NOTE)
    good = authority.reply(request.body)
    seen = verify_timestamp(good, NOTE, roots, request.nonce)
    for place in range(0, len(good), 7):
        bad = bytearray(good)
        bad[place] ^= 1
        try:
            assert verify_timestamp(bytes(bad), NOTE, roots, request.nonce) == seen
        except BadTimestamp:
            continue


def test_authorities_come_from_a_file_of_certificates(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="can't read"):
        load_authorities(tmp_path / "none.pem")
    (tmp_path / "empty.pem").write_text("nothing")
    with pytest.raises(ConfigurationError, match="no certificate"):
        load_authorities(tmp_path / "empty.pem")
