"""What a witness agrees to, without network or disk."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import VerificationFailed
from security.checkpoint import Checkpoint, sign_checkpoint
from security.cosignature import Cosigner
from security.merkle import EMPTY_ROOT
from security.note import Signer, sign_note
from security.witness import (
    MAX_REQUEST_BYTES,
    AddCheckpoint,
    MalformedRequest,
    NotConsistent,
    Refusal,
    StaleRequest,
    UnknownLog,
    UntrustedNote,
    check_extends,
    checkpoint_of,
    format_add_checkpoint,
    parse_add_checkpoint,
    verify_cosignatures,
)
from tests.support.witness_log import ORIGIN, WitnessLog

LOG = WitnessLog()
KEYS = {ORIGIN: [LOG.signer.verifier]}
WITNESS = Cosigner("witness.example/w", bytes(32))


@given(
    st.integers(0, 2**64 - 1),
    st.lists(st.binary(min_size=32, max_size=32), max_size=63),
    st.binary(max_size=200),
)
def test_a_request_survives_its_body(old, proof, note):
    request = AddCheckpoint(old, tuple(proof), note)
    assert parse_add_checkpoint(format_add_checkpoint(request)) == request


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"old 1\n",
        b"old 01\n\nnote",
        b"old -1\n\nnote",
        b"new 1\n\nnote",
        b"old 1\r\n\nnote",
        b"old 18446744073709551616\n\nnote",
        b"old 1\nAAAA\n\nnote",
        b"old 1\n" + b"A" * 44 + b"\n\nnote",
        b"old 1\n" + b"\xff\n\nnote",
        b"old 1\n" + (b"A" * 43 + b"=\n") * 64 + b"\nnote",
        b"old 1\n\n" + b"a" * MAX_REQUEST_BYTES,
    ],
)
def test_what_is_no_request_is_refused(body):
    with pytest.raises(MalformedRequest):
        parse_add_checkpoint(body)


@given(st.binary(max_size=300))
def test_nothing_but_a_refusal_comes_of_anything(body):
    with pytest.raises(Refusal):
        checkpoint_of(parse_add_checkpoint(body), KEYS)


def ask(request: AddCheckpoint, last: int | None) -> None:
    agreed = checkpoint_of(request, KEYS)
    check_extends(request, agreed.checkpoint, LOG.checkpoint(last) if last is not None else None)


@pytest.mark.parametrize("new", [0, 1, 2, 7, 8, 255])
@pytest.mark.parametrize("last", [None, 0, 1, 7, 8, 200])
def test_every_extension_is_agreed_to(last, new):
    if (last or 0) <= new:
        ask(LOG.request(last or 0, new), last)


OTHER = WitnessLog("other")


@pytest.mark.parametrize(
    ("request_", "error", "status"),
    [
        pytest.param(LOG.request(8, 8, say=9), MalformedRequest, 400, id="smaller than it says"),
        pytest.param(AddCheckpoint(8, (), b"x\n\ny\n"), MalformedRequest, 400, id="no note"),
        pytest.param(
            AddCheckpoint(8, (), sign_note(f"{ORIGIN}\nnine\nAAAA\n", [LOG.signer])),
            MalformedRequest,
            400,
            id="no checkpoint",
        ),
        pytest.param(
            AddCheckpoint(8, (), sign_checkpoint(LOG.checkpoint(8), [Signer(ORIGIN, bytes([9]) * 32)])),
            UntrustedNote,
            403,
            id="signed by somebody",
        ),
        pytest.param(
            AddCheckpoint(8, (), LOG.note(9).replace(b"\n9\n", b"\n8\n")), UntrustedNote, 403, id="signature of another"
        ),
        pytest.param(
            AddCheckpoint(8, (), sign_checkpoint(Checkpoint("log.example/z", 8, bytes(32)), [LOG.signer])),
            UnknownLog,
            404,
            id="unknown log",
        ),
        pytest.param(LOG.request(0, 9), StaleRequest, 409, id="from nothing"),
        pytest.param(LOG.request(7, 9), StaleRequest, 409, id="from before"),
        pytest.param(LOG.request(4, 4), StaleRequest, 409, id="rollback"),
        pytest.param(OTHER.request(8, 8), NotConsistent, 422, id="same size, other root"),
        pytest.param(OTHER.request(8, 20), NotConsistent, 422, id="fork"),
        pytest.param(AddCheckpoint(8, (), LOG.note(20)), NotConsistent, 422, id="no proof"),
        pytest.param(AddCheckpoint(8, (bytes(32),), LOG.note(8)), NotConsistent, 422, id="proof for nothing"),
        pytest.param(
            AddCheckpoint(0, (), sign_note(f"{ORIGIN}\n0\n{'A' * 43}=\n", [LOG.signer])),
            NotConsistent,
            422,
            id="empty tree with a root",
        ),
    ],
)
def test_refusals_have_the_protocol_s_status(request_, error, status):
    with pytest.raises(error) as refused:
        ask(request_, 8)
    assert refused.value.status == status


def test_the_size_of_the_last_one_is_told():
    with pytest.raises(StaleRequest) as refused:
        ask(LOG.request(0, 20), 8)
    assert refused.value.size == 8


def test_a_first_request_has_no_proof():
    with pytest.raises(NotConsistent):
        ask(AddCheckpoint(0, (bytes(32),), LOG.note(8)), None)


def test_an_empty_log_can_be_cosigned():
    assert LOG.checkpoint(0).root == EMPTY_ROOT
    ask(LOG.request(0, 0), None)


def test_an_answer_s_lines_are_kept_when_they_verify():
    note = LOG.note(8)
    text = LOG.checkpoint(8).text
    line = WITNESS.cosign(text, 7).line
    stranger = Cosigner("witness.example/x", bytes([1]) * 32).cosign(text, 7).line
    assert verify_cosignatures((stranger + line).encode(), note, WITNESS.verifier) == [line]
    for bad in (
        b"",
        b"\n",
        b"<html>",
        stranger.encode(),
        line.encode()[:-1],
        WITNESS.cosign(LOG.checkpoint(9).text, 7).line.encode(),
        b"\n" + line.encode(),
    ):
        with pytest.raises(VerificationFailed):
            verify_cosignatures(bad, note, WITNESS.verifier)
