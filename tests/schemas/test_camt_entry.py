"""What an entry becomes: fields, sides, details of a batch."""

import datetime as dt
from decimal import Decimal

import pytest

from schemas.camt import decode_statement
from schemas.errors import Rejection
from schemas.reasons import Reason
from schemas.transaction import Transaction
from tests.schemas.camt_samples import ACCOUNT, entry, message, statement


def _items(entry_xml: str, *, version: int = 8, **options: str) -> list[Transaction | Rejection]:
    decoded = decode_statement(message(statement(entry_xml, **options), version=version))
    return [item.transaction for item in decoded.items]


def _one(entry_xml: str, *, version: int = 8, **options: str) -> Transaction:
    (transaction,) = _items(entry_xml, version=version, **options)
    assert isinstance(transaction, Transaction), transaction
    return transaction


def _details(*details: str) -> str:
    return "<NtryDtls>" + "".join(f"<TxDtls>{detail}</TxDtls>" for detail in details) + "</NtryDtls>"


def _amount(amount: str, currency: str = "EUR") -> str:
    return f'<Amt Ccy="{currency}">{amount}</Amt>'


def test_fills_every_field_of_version_08() -> None:
    detail = (
        "<Refs><AcctSvcrRef>DETAIL-REF</AcctSvcrRef><InstrId>I-1</InstrId><EndToEndId>E-1</EndToEndId>"
        "<UETR>eb6305c9-1f7f-49de-aed0-16487c27b42d</UETR><TxId>T-1</TxId><MndtId>MND</MndtId></Refs>"
        "<BkTxCd><Domn><Cd>PMNT</Cd><Fmly><Cd>RCDT</Cd><SubFmlyCd>ESCT</SubFmlyCd></Fmly></Domn></BkTxCd>"
        "<RltdPties><Dbtr><Pty><Nm> ACME GmbH\n </Nm></Pty></Dbtr>"
        "<DbtrAcct><Id><Othr><Id>12 34 5</Id></Othr></Id></DbtrAcct>"
        "<UltmtDbtr><Pty><Nm>Parent AG</Nm></Pty></UltmtDbtr>"
        "<Cdtr><Pty><Nm>Us</Nm></Pty></Cdtr><CdtrAcct><Id><IBAN>DE02120300000000202051</IBAN></Id></CdtrAcct>"
        "</RltdPties>"
        "<RltdAgts><DbtrAgt><FinInstnId><BICFI>COBADEFFXXX</BICFI></FinInstnId></DbtrAgt></RltdAgts>"
        "<Purp><Cd>SALA</Cd></Purp>"
        "<RmtInf><Ustrd>Invoice\n   7</Ustrd><Ustrd>of April</Ustrd>"
        "<Strd><CdtrRefInf><Ref>RF18539007547034</Ref></CdtrRefInf></Strd></RmtInf>"
        "<AddtlTxInf>Detail words</AddtlTxInf>"
    )
    transaction = _one(
        entry(
            "1250.50",
            reference="N-1",
            reversal="false",
            bank_reference="ENTRY-REF",
            details=_details(detail),
            info="Entry words",
        ),
        account=f"<Id><IBAN>{ACCOUNT}</IBAN></Id><Svcr><FinInstnId><BICFI>DEUTDEFF</BICFI></FinInstnId></Svcr>",
    )
    assert transaction == Transaction(
        amount=Decimal("1250.50"),
        currency="EUR",
        credit_debit="CRDT",
        status="BOOK",
        reversal=False,
        booking_date=dt.date(2026, 4, 10),
        value_date=dt.date(2026, 4, 11),
        account=ACCOUNT,
        account_servicer="DEUTDEFF",
        counterparty_name="ACME GmbH",
        counterparty_account="12345",
        counterparty_agent="COBADEFFXXX",
        ultimate_counterparty_name="Parent AG",
        end_to_end_id="E-1",
        instruction_id="I-1",
        transaction_id="T-1",
        uetr="eb6305c9-1f7f-49de-aed0-16487c27b42d",
        mandate_id="MND",
        entry_reference="N-1",
        account_servicer_reference="DETAIL-REF",
        structured_reference="RF18539007547034",
        remittance_information="Invoice 7 of April",
        additional_information="Detail words",
        bank_transaction_code="PMNT-RCDT-ESCT",
        purpose="SALA",
    )


def test_reads_the_names_of_version_02() -> None:
    detail = (
        "<Refs><EndToEndId>NOTPROVIDED</EndToEndId></Refs>"
        "<RltdPties><Cdtr><Nm>Supplier</Nm></Cdtr></RltdPties>"
        "<RltdAgts><CdtrAgt><FinInstnId><BIC>COBADEFF</BIC></FinInstnId></CdtrAgt></RltdAgts>"
        "<Purp><Prtry>own purpose</Prtry></Purp>"
    )
    transaction = _one(
        entry(version=2, sign="DBIT", bank_reference="ENTRY-REF", details=_details(detail), info="Entry words"),
        version=2,
        account="<Id><Othr><Id>00 11 22</Id></Othr></Id><Svcr><FinInstnId><BIC>DEUTDEFF</BIC></FinInstnId></Svcr>",
    )
    assert transaction.account == "001122"
    assert transaction.account_servicer == "DEUTDEFF"
    assert transaction.counterparty_name == "Supplier"
    assert transaction.counterparty_agent == "COBADEFF"
    assert transaction.end_to_end_id is None
    assert transaction.account_servicer_reference == "ENTRY-REF"
    assert transaction.additional_information == "Entry words"
    assert transaction.bank_transaction_code == "PRTRY:XYZ"
    assert transaction.purpose == "own purpose"


def test_invents_nothing_for_a_bare_entry() -> None:
    transaction = _one(entry("7", dates=""))
    assert transaction == Transaction(
        amount=Decimal(7),
        currency="EUR",
        credit_debit="CRDT",
        status="BOOK",
        account=ACCOUNT,
        bank_transaction_code="PRTRY:XYZ",
    )


def test_an_empty_bank_code_gives_none() -> None:
    assert _one(entry(bank_code="<BkTxCd/>")).bank_transaction_code is None


def test_the_entrys_bank_code_stands_in_for_the_details() -> None:
    assert _one(entry(details=_details("<BkTxCd/>"))).bank_transaction_code == "PRTRY:XYZ"


@pytest.mark.parametrize(
    ("written", "day"),
    [
        pytest.param("<Dt>2026-04-10</Dt>", dt.date(2026, 4, 10), id="date"),
        pytest.param("<Dt>2026-04-10+02:00</Dt>", dt.date(2026, 4, 10), id="date-with-zone"),
        pytest.param("<DtTm>2026-04-10T23:59:59.999</DtTm>", dt.date(2026, 4, 10), id="time"),
        pytest.param("<DtTm>2026-04-10T23:30:00-05:00</DtTm>", dt.date(2026, 4, 10), id="time-stays-the-banks-day"),
        pytest.param("<DtTm>2026-04-10T24:00:00</DtTm>", dt.date(2026, 4, 11), id="midnight-ends-the-day"),
    ],
)
def test_reads_dates_in_either_form(written: str, day: dt.date) -> None:
    assert _one(entry(dates=f"<BookgDt>{written}</BookgDt>")).booking_date == day


@pytest.mark.parametrize(("sts", "status"), [("BOOK", "BOOK"), ("PDNG", "PDNG"), ("INFO", "INFO"), ("FUTR", "PDNG")])
def test_marks_what_is_not_booked(sts: str, status: str) -> None:
    assert _one(entry(sts=sts)).status == status


@pytest.mark.parametrize(
    ("sign", "reversal", "name"),
    [
        pytest.param("CRDT", "", "Debtor", id="credit"),
        pytest.param("DBIT", "", "Creditor", id="debit"),
        pytest.param("DBIT", "true", "Debtor", id="reversed-credit-keeps-its-debtor"),
        pytest.param("CRDT", "1", "Creditor", id="reversed-debit-keeps-its-creditor"),
    ],
)
def test_the_counterparty_is_the_other_side(sign: str, reversal: str, name: str) -> None:
    parties = (
        "<RltdPties><Dbtr><Pty><Nm>Debtor</Nm></Pty></Dbtr><UltmtDbtr><Pty><Nm>Debtor</Nm></Pty></UltmtDbtr>"
        "<Cdtr><Agt><FinInstnId><Nm>Creditor</Nm></FinInstnId></Agt></Cdtr>"
        "<UltmtCdtr><Pty><Nm>Creditor</Nm></Pty></UltmtCdtr></RltdPties>"
    )
    transaction = _one(entry(sign=sign, reversal=reversal, details=_details(parties)))
    assert transaction.counterparty_name == name
    assert transaction.ultimate_counterparty_name == name
    assert transaction.reversal is bool(reversal)
    assert transaction.credit_debit == sign


def test_a_single_detail_enriches_the_entry_and_leaves_its_amount() -> None:
    transaction = _one(entry("10", details=_details(_amount("3", "USD") + "<AddtlTxInf>more</AddtlTxInf>")))
    assert (transaction.amount, transaction.currency, transaction.additional_information) == (
        Decimal(10),
        "EUR",
        "more",
    )


def test_a_batch_without_details_stays_one_transaction() -> None:
    batch = "<NtryDtls><Btch><NbOfTxs>12</NbOfTxs></Btch></NtryDtls>"
    assert _one(entry("10", details=batch)).amount == Decimal(10)


@pytest.mark.parametrize(
    "details",
    [
        pytest.param(_details(_amount("4"), _amount("6.00")), id="amounts"),
        pytest.param(_details(_amount("4")) + _details(_amount("6")), id="over-two-blocks"),
        pytest.param(
            _details(
                f"<AmtDtls><InstdAmt>{_amount('9')}</InstdAmt><TxAmt>{_amount('4')}</TxAmt></AmtDtls>",
                f"<AmtDtls><InstdAmt>{_amount('6')}</InstdAmt></AmtDtls>",
            ),
            id="transaction-else-instructed-amounts",
        ),
        pytest.param(
            _details(
                _amount("5", "USD") + f"<AmtDtls><TxAmt>{_amount('4')}</TxAmt></AmtDtls>",
                f"<AmtDtls><InstdAmt>{_amount('6')}</InstdAmt><TxAmt>{_amount('7', 'USD')}</TxAmt></AmtDtls>",
            ),
            id="like-with-like-currencies",
        ),
    ],
)
def test_details_that_add_up_stand_for_the_entry(details: str) -> None:
    transactions = _items(entry("10", details=details))
    assert [one.amount for one in transactions if isinstance(one, Transaction)] == [Decimal(4), Decimal(6)]
    assert all(isinstance(one, Transaction) and one.currency == "EUR" for one in transactions)


def test_a_detail_against_the_entrys_direction_is_subtracted() -> None:
    details = _details(_amount("12") + "<CdtDbtInd>CRDT</CdtDbtInd>", _amount("2") + "<CdtDbtInd>DBIT</CdtDbtInd>")
    first, second = _items(entry("10", details=details))
    assert isinstance(first, Transaction)
    assert isinstance(second, Transaction)
    assert (first.credit_debit, second.credit_debit) == ("CRDT", "DBIT")


@pytest.mark.parametrize(
    "details",
    [
        pytest.param(_details(_amount("4"), _amount("5.99999")), id="too-little"),
        pytest.param(_details(_amount("4"), _amount("6"), _amount("0.00001")), id="too-much"),
        pytest.param(_details(_amount("4"), "<AddtlTxInf>no amount</AddtlTxInf>"), id="no-amount"),
        pytest.param(_details(_amount("4"), _amount("6", "USD")), id="other-currency"),
        pytest.param(_details(_amount("4"), _amount("6") + "<CdtDbtInd>DBIT</CdtDbtInd>"), id="other-direction"),
    ],
)
def test_details_that_do_not_add_up_refuse_the_entry_alone(details: str) -> None:
    decoded = decode_statement(message(statement(entry("1"), entry("10", details=details), entry("2"))))
    first, refused, last = (item.transaction for item in decoded.items)
    assert isinstance(first, Transaction)
    assert isinstance(last, Transaction)
    assert isinstance(refused, Rejection)
    assert refused.reason is Reason.INCOMPLETE
    assert refused.detail.startswith("Stmt 1, Ntry 2: ")


def test_bounds_the_remittance_text() -> None:
    lines = "<RmtInf>" + f"<Ustrd>{'x' * 140}</Ustrd>" * 600 + "</RmtInf>"
    (refused,) = _items(entry(details=_details(lines)))
    assert isinstance(refused, Rejection)
    assert refused.reason is Reason.OVERSIZED


def test_comments_do_not_cut_a_value() -> None:
    text = entry("12<!-- x -->3.<?y z?>5", reference="A<!-- -->B")
    assert (_one(text).amount, _one(text).entry_reference) == (Decimal("123.5"), "AB")


@pytest.mark.parametrize(
    ("written", "amount"),
    [
        (" 5 ", "5"),
        (".5", "0.5"),
        ("5.", "5.0"),
        ("1.12345", "1.12345"),
        ("+5.50", "5.50"),
        ("-0.00", "0.00"),
        ("-0", "0.0"),
        ("1.5000000", "1.50000"),
        ("123456789012345678.00", "123456789012345678"),
    ],
)
def test_amounts_are_xml_schema_decimals(written: str, amount: str) -> None:
    read = _one(entry(written)).amount
    assert (read, read.is_signed()) == (Decimal(amount), False)


@pytest.mark.parametrize("written", ["+-1", "-1", "-0.001", "--0", "+", "-", ".", "1.5.0", "1e1", "1.1234560", "+ 1"])
def test_what_is_no_such_decimal_refuses_the_entry(written: str) -> None:
    (refused,) = _items(entry(written))
    assert isinstance(refused, Rejection)
    assert refused.detail.startswith("Stmt 1, Ntry 1: Amt: amount: ")


def test_the_proxy_identifies_an_account_without_id() -> None:
    transaction = _one(entry(version=9), version=9, account="<Prxy><Id>+49 170 1</Id></Prxy>")
    assert transaction.account == "+491701"
