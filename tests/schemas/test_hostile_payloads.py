"""Whatever arrives as a statement or a transaction ends in a result or a rejection, never in another exception."""

import json
from collections.abc import Callable

import pytest

from schemas.camt import decode_statement
from schemas.errors import Rejection
from schemas.reasons import Reason
from schemas.statement import StatementMessage
from schemas.transaction import Transaction
from schemas.transaction_json import decode_transaction
from tests.schemas.camt_samples import entry, message, statement
from tests.shared_data import shared

_REASONS = (Reason.MALFORMED, Reason.SCHEMA_VIOLATION, Reason.UNSUPPORTED_TYPE, Reason.OVERSIZED)


def _outcome(decode: Callable[[bytes], object], data: bytes) -> object:
    """The decoded value, or the reason it is refused for; any other exception fails the test."""
    try:
        return decode(data)
    except Rejection as exc:
        return exc.reason


def test_every_hostile_file_is_refused_or_read() -> None:
    files = [path for path in shared("data/hostile").rglob("*") if path.is_file()]
    assert len(files) > 300
    for path in files:
        data = path.read_bytes()
        for decode, kind in ((decode_statement, StatementMessage), (decode_transaction, Transaction)):
            outcome = _outcome(decode, data)
            assert isinstance(outcome, kind) or outcome in _REASONS, path.name


def test_naughty_strings_are_carried_or_refused() -> None:
    lines = (shared("data/hostile/blns") / "blns.txt").read_text().split("\n")
    for line in lines:
        payload = json.dumps({"amount": "1", "remittance_information": line}).encode()
        outcome = _outcome(decode_transaction, payload)
        if isinstance(outcome, Transaction):
            assert outcome.remittance_information == (line or None)
        else:
            assert outcome is Reason.SCHEMA_VIOLATION
            assert not line.isprintable()


@pytest.mark.parametrize("position", range(0, 1100, 7))
def test_a_cut_or_damaged_statement_never_crashes(position: int) -> None:
    data = message(statement(entry(details="<NtryDtls><TxDtls/></NtryDtls>", reference="R"), entry("5")))
    for damaged in (data[:position], data[:position] + b"<" + data[position:], data[:position] + data[position + 9 :]):
        outcome = _outcome(decode_statement, damaged)
        assert isinstance(outcome, StatementMessage) or outcome in _REASONS


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("<Ntry/>" * 150_000, id="empty-entries"),
        pytest.param(entry(details="<NtryDtls>" + "<TxDtls/>" * 200_000 + "</NtryDtls>"), id="empty-details"),
        pytest.param("<a>" * 200 + "</a>" * 200, id="nested"),
        pytest.param(entry("9" * 5_000_000), id="endless-amount"),
        pytest.param(entry(info=" " * 5_000_000 + "\n"), id="endless-blanks"),
    ],
)
def test_bulk_is_refused_within_bounds(body: str) -> None:
    outcome = _outcome(decode_statement, message(statement(body)))
    if isinstance(outcome, StatementMessage):
        assert [type(item.transaction) for item in outcome.items] == [Rejection]
    else:
        assert outcome in (Reason.MALFORMED, Reason.OVERSIZED, Reason.SCHEMA_VIOLATION)
