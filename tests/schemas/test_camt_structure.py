"""What breaks the published structure, and whether it costs the message or one entry."""

import pytest

from schemas.camt import decode_statement
from schemas.errors import Rejection
from schemas.reasons import Reason
from schemas.transaction import Transaction
from tests.schemas.camt_samples import HEADER, balance, entry, message, statement

GOOD = entry("1", reference="good")


def _refused_whole(data: bytes) -> str:
    with pytest.raises(Rejection) as refused:
        decode_statement(data)
    assert refused.value.reason is Reason.SCHEMA_VIOLATION
    return refused.value.detail


def _changed(old: str, new: str, *, version: int = 8) -> bytes:
    text = message(statement(entry(version=version)), version=version).decode()
    assert text.count(old) == 1
    return text.replace(old, new).encode()


@pytest.mark.parametrize(
    ("data", "detail"),
    [
        pytest.param(message(statement(), header=""), "GrpHdr is missing in BkToCstmrStmt", id="no-header"),
        pytest.param(message(), "Stmt is missing in BkToCstmrStmt", id="no-statement"),
        pytest.param(_changed("<MsgId>M-1</MsgId>", ""), "MsgId is missing in GrpHdr", id="no-message-id"),
        pytest.param(
            _changed("<CreDtTm>2026-04-30T17:00:00+02:00</CreDtTm>", ""), "CreDtTm is missing in GrpHdr", id="no-time"
        ),
        pytest.param(_changed("<Id>S-1</Id>", ""), "Id is missing in Stmt", id="no-statement-id"),
        pytest.param(
            _changed("<CreDtTm>2026-04-30T17:00:00</CreDtTm>", "", version=2),
            "CreDtTm is missing in Stmt",
            id="no-statement-time-before-07",
        ),
        pytest.param(
            _changed("<Acct><Id><IBAN>DE89370400440532013000</IBAN></Id></Acct>", ""),
            "Acct is missing in Stmt",
            id="no-account",
        ),
        pytest.param(
            _changed("<IBAN>DE89370400440532013000</IBAN>", ""), "IBAN or Othr is missing in Id", id="empty-account-id"
        ),
        pytest.param(
            _changed("</IBAN></Id>", "</IBAN><Othr><Id>1</Id></Othr></Id>"),
            "Othr out of order or repeated in Id",
            id="two-account-ids",
        ),
        pytest.param(message(statement(entry(), balances="")), "Bal is missing in Stmt", id="no-balance"),
        pytest.param(
            message(statement(GOOD, balances="").replace("</Stmt>", balance("OPBD", "0") + "</Stmt>")),
            "Bal out of order or repeated in Stmt",
            id="balance-after-entries",
        ),
        pytest.param(_changed("<Bal>", "<Foo/><Bal>"), "an element that Stmt does not have", id="unknown-element"),
        pytest.param(
            _changed("<Bal>", '<x:Ntry xmlns:x="urn:x"/><Bal>'),
            "an element that Stmt does not have",
            id="other-namespace",
        ),
        pytest.param(_changed("<Bal>", "stray<Bal>"), "text between the elements of Stmt", id="stray-text"),
        pytest.param(
            _changed("<MsgId>M-1</MsgId>", "<MsgId><a/></MsgId>"),
            "MsgId holds elements instead of a text",
            id="element-in-text",
        ),
        pytest.param(
            _changed("<MsgId>M-1</MsgId>", f"<MsgId>{'x' * 36}</MsgId>"),
            "MsgId: not a text of 1 to 35 characters",
            id="long-id",
        ),
        pytest.param(_changed("T17:00:00+02:00", "T25:00:00"), "CreDtTm: not a date and time", id="no-such-hour"),
        pytest.param(
            _changed('<Amt Ccy="EUR">0</Amt>', '<Amt Ccy="EUR">-1</Amt>'),
            "Amt: amount: not a plain non-negative decimal",
            id="negative-balance",
        ),
        pytest.param(_changed("DE89370400440532013000", "de89"), "IBAN: not of the form of iban", id="bad-iban"),
        pytest.param(
            message(statement(head="<StmtPgntn><PgNb>1</PgNb><LastPgInd>true</LastPgInd></StmtPgntn>"), version=2),
            "an element that Stmt does not have",
            id="element-of-a-later-version",
        ),
        pytest.param(
            message(statement(account="<Ccy>EUR</Ccy>"), version=9),
            "Acct has no identification",
            id="unidentified-account",
        ),
    ],
)
def test_a_fault_of_the_frame_refuses_the_message(data: bytes, detail: str) -> None:
    assert _refused_whole(data) == detail


def _bad(old: str, new: str, **options: str) -> str:
    text = entry("2", **options)  # type: ignore[arg-type]
    assert old in text
    return text.replace(old, new, 1)


@pytest.mark.parametrize(
    ("bad", "detail"),
    [
        pytest.param(_bad(">2<", ">12..34<"), "Amt: amount: not a plain non-negative decimal", id="garbled-amount"),
        pytest.param(_bad(">2<", "><"), "Amt: amount: not a plain non-negative decimal", id="empty-amount"),
        pytest.param(_bad(">2<", ">NaN<"), "Amt: amount: not a plain non-negative decimal", id="not-a-number"),
        pytest.param(_bad(">2<", ">-2<"), "Amt: amount: not a plain non-negative decimal", id="negative-amount"),
        pytest.param(_bad(">2<", ">0.000001<"), "Amt: amount: more than 5 digits after the point", id="six-decimals"),
        pytest.param(_bad('Ccy="EUR"', 'Ccy="euro"'), "Amt: Ccy: not a three-letter currency code", id="bad-currency"),
        pytest.param(_bad(' Ccy="EUR"', ""), "Amt: Ccy: not a three-letter currency code", id="no-currency"),
        pytest.param(_bad("CRDT", "CREDIT"), "CdtDbtInd: not a code of its list", id="unknown-indicator"),
        pytest.param(
            _bad("<Cd>BOOK</Cd>", "<Cd>FOO</Cd>"),
            "Sts: neither booked, pending, future nor information",
            id="unknown-status",
        ),
        pytest.param(
            _bad("<Cd>BOOK</Cd>", "<Prtry>BOOK</Prtry>"),
            "Sts: neither booked, pending, future nor information",
            id="proprietary-status",
        ),
        pytest.param(_bad("2026-04-10", "2026-02-30"), "Dt: not a day of the calendar", id="no-such-day"),
        pytest.param(_bad("2026-04-10", "10.04.2026"), "Dt: not a date", id="other-date-form"),
        pytest.param(_bad("2026-04-10", "٢٠٢٦-04-10"), "Dt: not a date", id="other-digits"),
        pytest.param(_bad("true", "maybe", reversal="true"), "RvslInd: neither true nor false", id="unknown-flag"),
        pytest.param(
            _bad("text", "x" * 501, info="text"), "AddtlNtryInf: not a text of 1 to 500 characters", id="too-long"
        ),
        pytest.param(_bad("text", "", info="text"), "AddtlNtryInf: not a text of 1 to 500 characters", id="empty-text"),
        pytest.param(_bad("text", "a&#x9b;b", info="text"), "AddtlNtryInf: holds a control character", id="control"),
        pytest.param(_bad("<Sts>", "<Sts/><Sts>"), "Cd or Prtry is missing in Sts", id="empty-status"),
        pytest.param(_bad("<CdtDbtInd>CRDT</CdtDbtInd>", ""), "CdtDbtInd is missing in Ntry", id="no-indicator"),
        pytest.param(_bad("<BkTxCd>", "<Foo/><BkTxCd>"), "an element that Ntry does not have", id="unknown-element"),
        pytest.param(
            _bad("<NtryDtls/>", "", details="<NtryDtls/>").replace("<BkTxCd>", "<NtryDtls/><BkTxCd>"),
            "BkTxCd out of order or repeated in Ntry",
            id="details-too-early",
        ),
    ],
)
def test_a_fault_within_an_entry_refuses_that_entry_alone(bad: str, detail: str) -> None:
    decoded = decode_statement(message(statement(GOOD, bad, GOOD)))
    first, refused, last = (item.transaction for item in decoded.items)
    assert isinstance(first, Transaction)
    assert isinstance(last, Transaction)
    assert isinstance(refused, Rejection)
    assert refused.reason is Reason.SCHEMA_VIOLATION
    assert refused.detail == f"Stmt 1, Ntry 2: {detail}"


def test_a_long_remittance_line_refuses_its_entry() -> None:
    details = "<NtryDtls><TxDtls><RmtInf><Ustrd>{}</Ustrd></RmtInf></TxDtls></NtryDtls>"
    decoded = decode_statement(
        message(statement(entry(details=details.format("x" * 140)), entry(details=details.format("x" * 141))))
    )
    fits, refused = (item.transaction for item in decoded.items)
    assert isinstance(fits, Transaction)
    assert isinstance(refused, Rejection)
    assert refused.detail == "Stmt 1, Ntry 2: Ustrd: not a text of 1 to 140 characters"


def test_a_message_of_misshapen_entries_alone_is_refused_whole() -> None:
    without_code = entry(bank_code="")
    assert _refused_whole(message(statement(without_code, without_code))) == "Stmt 1, Ntry 1: BkTxCd is missing in Ntry"


def test_bad_values_in_every_entry_still_refuse_the_entries() -> None:
    decoded = decode_statement(message(statement(entry("x"), entry("y"))))
    assert [type(item.transaction) for item in decoded.items] == [Rejection, Rejection]


def test_status_is_a_text_before_07_and_a_choice_from_07() -> None:
    old = decode_statement(message(statement(entry(version=2)), version=2))
    assert isinstance(old.items[0].transaction, Transaction)
    assert "text between" in _refused_whole(message(statement(entry(version=2)), version=8))
    assert "holds elements" in _refused_whole(message(statement(entry(version=8)), version=2))


def test_details_never_quote_the_record() -> None:
    secret = "DE00SECRET"
    bad = [
        entry(secret),
        entry(sign=secret),
        entry(dates=f"<BookgDt><Dt>{secret}</Dt></BookgDt>"),
        entry(bank_code=f"<{secret}/>"),
        entry(details=f"<NtryDtls>{secret}</NtryDtls>"),
        entry(currency=secret),
    ]
    decoded = decode_statement(message(statement(GOOD, *bad)))
    refused = [item.transaction for item in decoded.items[1:]]
    assert all(isinstance(one, Rejection) and "SECRET" not in str(one) for one in refused)
    assert "SECRET" not in _refused_whole(message(statement(), header=HEADER.replace("MsgId", secret)))
