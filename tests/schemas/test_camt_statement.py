"""Whole camt.053 messages: real files, wrappers, refusals, entry keys."""

from collections.abc import Callable
from pathlib import Path

import pytest

from schemas.camt import decode_statement
from schemas.errors import Rejection
from schemas.reasons import Reason
from schemas.statement import StatementMessage
from schemas.transaction import Transaction
from tests.schemas.camt_samples import ACCOUNT, HEADER, balance, entry, message, namespace, statement
from tests.shared_data import shared


def _manifest() -> list[tuple[Path, str, str]]:
    """Path, message type and XSD verdict of the real messages that are present."""
    folder = shared("data/iso20022")
    rows = []
    for line in (folder / "MANIFEST.tsv").read_text().splitlines()[1:]:
        repository, path, kind, verdict = line.split("\t")
        file = folder / "messages" / repository / path
        if file.exists():
            rows.append((file, kind, verdict))
    return rows


def _refusal(data: bytes) -> Rejection:
    with pytest.raises(Rejection) as refused:
        decode_statement(data)
    return refused.value


def _transactions(decoded: StatementMessage) -> list[Transaction]:
    return [item.transaction for item in decoded.items if isinstance(item.transaction, Transaction)]


def test_real_statements_give_113_transactions() -> None:
    files = [
        (file, kind) for file, kind, verdict in _manifest() if kind.startswith("camt.053") and verdict == "xsd-valid"
    ]
    decoded = [(decode_statement(file.read_bytes()), kind) for file, kind in files]
    assert len(decoded) == 21
    assert all(one.message_type == kind for one, kind in decoded)
    assert sum(len(one.items) for one, _ in decoded) == 113
    assert sum(len(_transactions(one)) for one, _ in decoded) == 113


def test_real_statements_that_break_the_schema_are_refused_whole() -> None:
    files = [file for file, kind, verdict in _manifest() if kind.startswith("camt.053") and verdict != "xsd-valid"]
    details = {file.name: (_refusal(file.read_bytes()).reason, _refusal(file.read_bytes()).detail) for file in files}
    assert details == {
        "camt053_garbled_amount.xml": (Reason.SCHEMA_VIOLATION, "Bal is missing in Stmt"),
        "camt053_multicurrency.xml": (Reason.SCHEMA_VIOLATION, "Stmt 1, Ntry 1: BkTxCd is missing in Ntry"),
    }


def test_real_messages_of_other_types_are_unsupported_and_named() -> None:
    others = [(file, kind) for file, kind, _ in _manifest() if not kind.startswith("camt.053")]
    assert len(others) > 200
    for file, kind in others:
        refused = _refusal(file.read_bytes())
        assert refused.reason is Reason.UNSUPPORTED_TYPE, file.name
        if kind != "message":
            assert kind in refused.detail, file.name


@pytest.mark.parametrize("version", range(2, 15))
def test_reads_every_version(version: int) -> None:
    decoded = decode_statement(message(statement(entry(version=version)), version=version))
    assert decoded.message_type == f"camt.053.001.{version:02}"
    assert len(_transactions(decoded)) == 1


def test_reads_version_01_with_its_own_names() -> None:
    data = (
        f'<Document xmlns="{namespace(1)}"><BkToCstmrStmtV01>{HEADER}<Stmt><Id>S</Id><CreDtTm>2026-04-30T17:00:00Z'
        "</CreDtTm><Acct><Id><PrtryAcct><Id>12 34</Id></PrtryAcct></Id></Acct>"
        '<Bal><Tp><Cd>OPBD</Cd></Tp><Amt Ccy="EUR">1</Amt><CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>2026-04-10</Dt></Dt></Bal>'
        '<Bal><Tp><Cd>CLBD</Cd></Tp><Amt Ccy="EUR">4</Amt><CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>2026-04-10</Dt></Dt></Bal>'
        '<Ntry><Amt Ccy="EUR">3</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts>BOOK</Sts><BkTxCd/>'
        "<TxDtls><RmtInf><Strd><CdtrRefInf><CdtrRef>RF18</CdtrRef></CdtrRefInf></Strd></RmtInf></TxDtls></Ntry>"
        "</Stmt></BkToCstmrStmtV01></Document>"
    ).encode()
    decoded = decode_statement(data)
    (transaction,) = _transactions(decoded)
    assert (transaction.account, transaction.structured_reference) == ("1234", "RF18")
    assert decoded.balance == "balanced"
    iban = data.replace(b"<PrtryAcct><Id>12 34</Id></PrtryAcct>", b"<IBAN>de89370400440532013000</IBAN>")
    assert _transactions(decode_statement(iban))[0].account == "de89370400440532013000"


@pytest.mark.parametrize(
    "wrap",
    [
        pytest.param(lambda body: f"<message>{body}</message>", id="bare-message"),
        pytest.param(
            lambda body: (
                '<Envelope xmlns="urn:swift:xsd:envelope">'
                '<AppHdr xmlns="urn:iso:std:iso:20022:tech:xsd:head.001.001.02">'
                f"<MsgDefIdr>camt.053.001.08</MsgDefIdr></AppHdr>{body}</Envelope>"
            ),
            id="swift-envelope",
        ),
        pytest.param(
            lambda body: (
                f'<Saa:DataPDU xmlns:Saa="urn:swift:saa:xsd:saa.2.0"><Saa:Body>{body}</Saa:Body></Saa:DataPDU>'
            ),
            id="data-pdu",
        ),
        pytest.param(
            lambda body: f'<BizMsg xmlns="urn:x"><Document>other</Document>{body}</BizMsg>',
            id="foreign-document-beside",
        ),
    ],
)
def test_finds_the_document_in_any_wrapper(wrap: Callable[[str], str]) -> None:
    decoded = decode_statement(wrap(message(statement(entry())).decode()).encode())
    assert len(decoded.items) == 1


def test_reads_prefixed_names() -> None:
    plain = message(statement(entry())).decode()
    prefixed = plain.replace("</", "</d:").replace("<", "<d:").replace("<d:/d:", "</d:").replace("xmlns=", "xmlns:d=")
    assert decode_statement(prefixed.encode()).items == decode_statement(plain.encode()).items


def test_a_document_inside_supplementary_data_is_not_the_message() -> None:
    inner = f'<SplmtryData><Envlp><Document xmlns="{namespace(2)}"/></Envlp></SplmtryData>'
    assert len(decode_statement(message(statement(entry()), inner)).items) == 1


def test_a_day_without_movements_is_a_statement() -> None:
    decoded = decode_statement(message(statement()))
    assert (decoded.statements, decoded.items) == (1, ())


@pytest.mark.parametrize(
    ("data", "reason", "words"),
    [
        pytest.param(b"", Reason.MALFORMED, "line 1", id="empty"),
        pytest.param(b"<Document", Reason.MALFORMED, "line 1", id="cut-off"),
        pytest.param(b"<Invoice xmlns='urn:x'/>", Reason.UNSUPPORTED_TYPE, "no ISO 20022 Document", id="other-xml"),
        pytest.param(b"<Document/>", Reason.UNSUPPORTED_TYPE, "no ISO 20022 Document", id="no-namespace"),
        pytest.param(
            message(statement()).replace(b"camt.053.001", b"camt.052.001"),
            Reason.UNSUPPORTED_TYPE,
            "camt.052.001.08",
            id="intraday-report",
        ),
        pytest.param(
            message(statement()).replace(b"camt.053.001.08", b"camt.053.002.08"),
            Reason.UNSUPPORTED_TYPE,
            "camt.053.002.08",
            id="other-variant",
        ),
        pytest.param(
            message(statement()).replace(b"camt.053.001.08", b"<b>"), Reason.MALFORMED, "line 1", id="broken-namespace"
        ),
        pytest.param(
            message(statement()).replace(b"camt.053.001.08", b"secret-words"),
            Reason.UNSUPPORTED_TYPE,
            "a type of another form",
            id="unknown-namespace-is-not-repeated",
        ),
        pytest.param(
            b"<AppHdr xmlns='urn:iso:std:iso:20022:tech:xsd:head.001.001.02'/>",
            Reason.UNSUPPORTED_TYPE,
            "found head.001.001.02",
            id="header-alone",
        ),
        pytest.param(
            b"<m>" + message(statement()) + message(statement()) + b"</m>",
            Reason.SCHEMA_VIOLATION,
            "more than one",
            id="two-documents",
        ),
    ],
)
def test_refuses_what_is_no_single_statement_message(data: bytes, reason: Reason, words: str) -> None:
    refused = _refusal(data)
    assert refused.reason is reason
    assert words in refused.detail


def test_bounds_the_number_of_transactions() -> None:
    assert len(decode_statement(message(statement(*[entry()] * 3)), max_items=3).items) == 3
    with pytest.raises(Rejection) as refused:
        decode_statement(message(statement(*[entry()] * 4)), max_items=3)
    assert refused.value.reason is Reason.OVERSIZED


def test_entry_key_names_account_reference_date_amount_and_occurrence() -> None:
    same = entry("12.50", bank_reference="B-1", reference="N-1")
    decoded = decode_statement(
        message(statement(same, entry("12.5", bank_reference="B-1"), entry("7", reference="N-2")))
    )
    assert [item.entry_key for item in decoded.items] == [
        (ACCOUNT, "B-1", "2026-04-10", "12.5", "0"),
        (ACCOUNT, "B-1", "2026-04-10", "12.5", "1"),
        (ACCOUNT, "N-2", "2026-04-10", "7", "0"),
    ]


def test_an_entry_has_the_same_key_in_another_message() -> None:
    first = decode_statement(message(statement(entry("100.00", bank_reference="B-1"))))
    second = decode_statement(
        message(statement(entry("5", bank_reference="X"), entry("100", version=2, bank_reference="B-1")), version=2)
    )
    assert first.items[0].entry_key == second.items[1].entry_key


@pytest.mark.parametrize(
    "kept",
    [
        pytest.param(entry(), id="no-reference"),
        pytest.param(entry(sts="PDNG", bank_reference="B-1"), id="pending"),
        pytest.param(entry(sts="INFO", bank_reference="B-1"), id="information"),
        pytest.param(entry("1,5", bank_reference="B-1"), id="refused"),
    ],
)
def test_only_booked_entries_with_a_bank_reference_have_a_key(kept: str) -> None:
    assert decode_statement(message(statement(kept))).items[0].entry_key is None


def test_details_of_one_batch_have_keys_of_their_own() -> None:
    details = "<NtryDtls>" + '<TxDtls><Amt Ccy="EUR">5</Amt></TxDtls>' * 2 + "</NtryDtls>"
    decoded = decode_statement(message(statement(entry("10", bank_reference="B-1", details=details))))
    keys = [item.entry_key for item in decoded.items]
    assert len(set(keys)) == 2
    assert all(key is not None and key[:2] == (ACCOUNT, "B-1") for key in keys)


def test_several_statements_keep_their_accounts_and_order() -> None:
    other = "<Id><Othr><Id>US-ACCT 0099</Id></Othr></Id>"
    decoded = decode_statement(
        message(
            statement(entry("1"), entry("2")),
            statement(entry("3", currency="USD"), account=other, balances=balance("OPBD", "0", currency="USD")),
        )
    )
    assert decoded.statements == 2
    assert [(str(one.amount), one.account) for one in _transactions(decoded)] == [
        ("1", ACCOUNT),
        ("2", ACCOUNT),
        ("3", "US-ACCT0099"),
    ]
