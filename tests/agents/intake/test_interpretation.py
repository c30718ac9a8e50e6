import datetime as dt

import pytest

from agents.commits.leaves import LogRef
from agents.commits.outcomes import MessageOutcome, Owner, Place
from agents.intake.interpretation import DOCUMENT, RECORD, STATEMENT, TRANSACTION, Interpreter
from schemas.catalogue import DEFAULT_CATALOGUE, Catalogue, CatalogueRow
from schemas.events import Event
from schemas.identity import item_record_id, message_record_id
from schemas.reasons import Reason
from security.verifiability import VerifiedEvent
from tests.support.messages import entry, statement, transaction

SCHEMA = "urn:schema:case"
CATALOGUE = Catalogue.from_rows(
    [
        *DEFAULT_CATALOGUE,
        CatalogueRow("*", SCHEMA, "number", None, 2, None),
        CatalogueRow("*", SCHEMA, "suspect", None, 3, "name"),
        CatalogueRow("bank-b", "urn:schema:own", "x", None, 1, None),
    ]
)
MOMENT = dt.datetime(2026, 1, 5, tzinfo=dt.UTC)


def interpreted(data: bytes | None, kind: str, *, schema: str | None = None, tenant: str = "bank-a") -> MessageOutcome:
    """A verified message of that type, taken through the stage."""
    event = Event(id="e", source="urn:s", type=kind, dataschema=schema, data=data)
    verified = VerifiedEvent(
        event=event, core_digest=b"c" * 32, ext_digest=None, key_ids=("k",), tenant=tenant, domain="d"
    )
    message = MessageOutcome(
        Owner(LogRef(1, tenant, "o"), "d"),
        Place("t", 0, 0, MOMENT, MOMENT),
        message_record_id("urn:s", "e"),
        b"",
        event=verified,
        identity=b"i",
    )
    Interpreter(CATALOGUE, lambda owner, name: f"{owner}/{name}".encode().ljust(32, b".")).interpret(message)
    return message


def reason(message: MessageOutcome) -> Reason | None:
    assert message.rejection is None or not message.items
    return message.rejection.reason if message.rejection else None


def test_a_transaction_is_the_record_itself() -> None:
    message = interpreted(transaction("a").data, TRANSACTION)
    (item,) = message.items
    assert (item.n, item.record_id, item.outcome) == (None, message.message_id, "booked")
    names = [name for name, _ in item.values]
    assert names == sorted(names)
    assert dict(item.values)["amount"] == b"125.40"


def test_a_statement_s_items_are_named_by_their_order_in_the_document() -> None:
    message = interpreted(statement("s", [entry("R1"), entry("R2", stated="x"), entry("R3")]).data, STATEMENT)
    assert [item.n for item in message.items] == [0, 1, 2]
    assert [item.record_id for item in message.items] == [item_record_id("urn:s", "e", n) for n in range(3)]
    assert [item.rejection is None for item in message.items] == [True, False, True]
    assert message.header_outcome is not None


def test_entry_tokens_are_the_same_for_the_same_entry_and_differ_between_tenants_and_entries() -> None:
    def tokens(tenant: str, *references: str) -> list[bytes | None]:
        data = statement("any", [entry(reference) for reference in references]).data
        return [item.entry_token for item in interpreted(data, STATEMENT, tenant=tenant).items]

    first = tokens("bank-a", "R1", "R2")
    assert first == tokens("bank-a", "R1", "R2")
    assert tokens("bank-a", "R2", "R3")[0] == first[1]
    assert len({*first, *tokens("bank-b", "R1", "R2")}) == 4
    assert None not in first
    pending = interpreted(statement("s", [entry("R1", status="PDNG")]).data, STATEMENT)
    assert [item.entry_token for item in pending.items] == [None]


REFUSED = {
    "an-unheard-of-type": (b"{}", "io.sealstream.unheard-of.v1", None, Reason.UNSUPPORTED_TYPE),
    "a-type-that-looks-like-ours": (b"{}", TRANSACTION.upper(), None, Reason.UNSUPPORTED_TYPE),
    "a-transaction-without-data": (None, TRANSACTION, None, Reason.MALFORMED),
    "a-statement-without-data": (None, STATEMENT, None, Reason.MALFORMED),
    "a-statement-of-another-kind": (
        b'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"/>', STATEMENT, None, Reason.UNSUPPORTED_TYPE
    ),
    "an-empty-document": (b"", DOCUMENT, None, Reason.UNREADABLE_DOCUMENT),
    "no-document": (None, DOCUMENT, None, Reason.UNREADABLE_DOCUMENT),
    "a-record-without-a-schema": (b"{}", RECORD, None, Reason.SCHEMA_VIOLATION),
    "a-record-of-an-unregistered-schema": (b"{}", RECORD, "urn:schema:other", Reason.SCHEMA_VIOLATION),
    "a-record-of-another-tenant-s-schema": (b'{"x":1}', RECORD, "urn:schema:own", Reason.SCHEMA_VIOLATION),
    "a-record-with-an-unlisted-member": (b'{"number":1,"other":2}', RECORD, SCHEMA, Reason.SCHEMA_VIOLATION),
    "a-record-that-is-a-list": (b"[]", RECORD, SCHEMA, Reason.MALFORMED),
    "a-record-that-is-nothing": (None, RECORD, SCHEMA, Reason.MALFORMED),
    "a-record-that-is-cut-off": (b'{"number":1', RECORD, SCHEMA, Reason.MALFORMED),
    "a-record-with-a-member-twice": (b'{"number":1,"number":2}', RECORD, SCHEMA, Reason.MALFORMED),
    "a-record-with-a-nested-member-twice": (b'{"number":{"a":1,"a":2}}', RECORD, SCHEMA, Reason.MALFORMED),
    "a-record-of-bad-text": (b'{"suspect":"\xff\xfe"}', RECORD, SCHEMA, Reason.MALFORMED),
    "a-record-of-half-a-character": (b'{"suspect":"\\ud800"}', RECORD, SCHEMA, Reason.MALFORMED),
    "a-record-that-is-deep": (b'{"number":' + b"[" * 100_000 + b"]" * 100_000 + b"}", RECORD, SCHEMA, Reason.MALFORMED),
    "a-record-with-a-byte-order-mark": (b'\xef\xbb\xbf{"number":1}', RECORD, SCHEMA, Reason.MALFORMED),
}  # fmt: skip


@pytest.mark.parametrize(
    ("data", "kind", "schema", "expected"), [pytest.param(*case, id=name) for name, case in REFUSED.items()]
)
def test_what_cannot_be_read_is_refused_with_a_reason(
    data: bytes | None, kind: str, schema: str | None, expected: Reason
) -> None:
    assert reason(interpreted(data, kind, schema=schema)) is expected


def test_details_never_repeat_what_a_message_holds() -> None:
    secret = "Gaspard-Ulysse"
    for data, kind, schema in (
        (f'{{"{secret}":1}}'.encode(), RECORD, SCHEMA),
        (f'{{"amount":"{secret}"}}'.encode(), TRANSACTION, None),
        (f'{{"{secret}":"1"}}'.encode(), TRANSACTION, None),
        (f"<{secret}>".encode(), STATEMENT, None),
        (f"<a>{secret}</b>".encode(), STATEMENT, None),
    ):
        message = interpreted(data, kind, schema=schema)
        assert message.rejection is not None
        assert secret not in message.rejection.detail
    for item in interpreted(statement("s", [entry("R1", stated=secret)]).data, STATEMENT).items:
        assert item.rejection is not None
        assert secret not in item.rejection.detail


def test_a_registered_record_keeps_each_member_s_exact_text() -> None:
    data = b'{"suspect": "\\u5f20 Wei", "number": 1.000000000000000000001}'
    (item,) = interpreted(data, RECORD, schema=SCHEMA).items
    assert item.values == [("number", b"1.000000000000000000001"), ("suspect", b'"\\u5f20 Wei"')]
    assert (item.catalogue_type, item.outcome) == (SCHEMA, "stored")


def test_a_document_is_stored_as_it_is() -> None:
    (item,) = interpreted(b"%PDF-1.7", DOCUMENT).items
    assert (item.values, item.outcome) == ([], "stored")


def test_a_refused_message_is_left_alone() -> None:
    message = interpreted(b"{}", TRANSACTION)
    before = message.rejection
    assert before is not None
    Interpreter(CATALOGUE, lambda owner, name: b"k" * 32).interpret(message)
    assert message.rejection is before
    assert message.items == []
