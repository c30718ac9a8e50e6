"""A producer's book: what it counts and refuses, and that its closing says the same as the records."""

import base64
import datetime as dt
import io
import re
import tracemalloc
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import pytest

from schemas.closing import Closing, decode_closing
from schemas.events import decode_event
from schemas.identity import message_record_id
from sealstream.client import Message, SignedRecord, Signer, SigningRefusedError
from sealstream.closing_book import ClosingBook
from security.merkle import leaf_hash, tree_root
from security.signing import Ed25519Signer
from security.verifiability import claimed_payload

SOURCE = "urn:bank-a:core"
SIGNER = Signer(SOURCE, Ed25519Signer("anna", b"a" * 32))
STATED = re.compile(r"```python\n(.*?)```", re.DOTALL)
GUIDE = Path(__file__).parents[2] / "docs" / "producing.md"
UTC = dt.UTC


def payment(number: int, amount: str = "5.10", **more: Any) -> Message:
    return Message(
        id=f"p{number}",
        type="io.sealstream.transaction.v1",
        data=msgspec.json.encode({"amount": amount, "currency": "EUR", "credit_debit": "CRDT"}),
        **{"time": f"2026-01-05T00:{number // 60 % 60:02}:{number % 60:02}Z"} | more,
    )


def closed(messages: Iterable[Message], **period: Any) -> Closing:
    with ClosingBook(SIGNER) as book:
        for message in messages:
            book.add(SIGNER.sign(message))
        return closing_of(book.close(**period))


def closing_of(record: SignedRecord) -> Closing:
    event = decode_event(record.headers, record.value)
    assert event.type == "io.sealstream.closing.v1"
    return decode_closing(event.data or b"")


def test_a_closing_says_count_totals_and_root_of_what_was_entered() -> None:
    messages = [payment(2), payment(1, "7"), payment(3, extensions={"datalevel": "3"})]
    closing = closed(messages)
    leaves = {}
    for message in messages:
        event = decode_event(*SIGNER.sign(message)[:2])
        payload = claimed_payload(event)
        name = message_record_id(SOURCE, message.id)
        leaves[name] = leaf_hash(name + payload.core + (payload.ext or b""))
    assert closing.root == tree_root([leaves[name] for name in sorted(leaves)])
    assert (closing.start, closing.end) == (
        dt.datetime(2026, 1, 5, 0, 0, 1, tzinfo=UTC),
        dt.datetime(2026, 1, 5, 0, 0, 4, tzinfo=UTC),
    )
    assert closing.count == 3
    (total,) = closing.totals
    assert (total.direction, total.count, total.amount) == (("EUR", "CRDT"), 3, Decimal("17.20"))


def test_neither_order_nor_repeats_nor_the_way_of_signing_change_it() -> None:
    messages = [payment(number) for number in range(5)]
    expected = closed(messages)
    assert closed([*reversed(messages), messages[0]]) == expected
    with ClosingBook(SIGNER) as book:
        for record in SIGNER.sign_batch(messages):
            book.add(record)
        assert closing_of(book.close()) == expected


def test_the_same_book_closes_alike_and_other_content_has_another_id() -> None:
    with ClosingBook(SIGNER) as book:
        book.add(SIGNER.sign(payment(1)))
        first, again = [decode_event(*book.close()[:2]) for _ in range(2)]
        assert (first.id, first.data, first.time) == (again.id, again.data, again.time)
        book.add(SIGNER.sign(payment(2)))
        period = {"start": dt.datetime(2026, 1, 5, tzinfo=UTC), "end": dt.datetime(2026, 1, 6, tzinfo=UTC)}
        assert decode_event(*book.close(**period)[:2]).id != first.id


def test_an_empty_period_can_be_closed_and_a_correction_names_what_it_replaces() -> None:
    period = {"start": dt.datetime(2026, 1, 5, tzinfo=UTC), "end": dt.datetime(2026, 1, 6, tzinfo=UTC)}
    closing = closed([], **period, replaces="former")
    assert (closing.count, closing.totals, closing.replaces) == (0, (), "former")


@pytest.mark.parametrize(
    ("record", "text"),
    [
        pytest.param(SIGNER.sign(payment(1, time=None)), "no period", id="no-time"),
        pytest.param(SIGNER.sign(payment(1, "6")), "other content", id="contradiction"),
        pytest.param(
            Signer("urn:x", Ed25519Signer("x", b"x" * 32)).sign(payment(2)), "another source", id="another-source"
        ),
        pytest.param(
            SIGNER.sign(payment(3))._replace(value=b"{}"), "not a record as it was signed", id="changed-after-signing"
        ),
        pytest.param(SIGNER.sign(replace(payment(4), type="io.sealstream.closing.v1")), "each other", id="a-closing"),
    ],
)
def test_what_no_closing_can_count_is_refused_and_changes_nothing(record: SignedRecord, text: str) -> None:
    with ClosingBook(SIGNER) as book:
        book.add(SIGNER.sign(payment(1)))
        before = closing_of(book.close())
        with pytest.raises(SigningRefusedError, match=text):
            book.add(record)
        assert closing_of(book.close()) == before


@pytest.mark.parametrize(
    ("period", "text"),
    [
        pytest.param({"end": dt.datetime(2026, 1, 5, 0, 0, 1, tzinfo=UTC)}, "a later one", id="nothing-in-it"),
        pytest.param({"start": dt.datetime(2026, 1, 5, 0, 0, 2, tzinfo=UTC)}, "later one|outside", id="too-late"),
        pytest.param({"start": dt.datetime(2026, 1, 5)}, "zones", id="no-zone"),
        pytest.param({"start": dt.datetime(2026, 1, 5, 0, 0, 0, 5, tzinfo=UTC)}, "whole second", id="fraction"),
    ],
)
def test_a_period_that_is_none_or_leaves_messages_out_is_refused(period: dict[str, dt.datetime], text: str) -> None:
    with pytest.raises(SigningRefusedError, match=text):
        closed([payment(1)], **period)


def test_nothing_sent_needs_a_period() -> None:
    with pytest.raises(SigningRefusedError, match="which period"):
        closed([])


def test_the_list_leads_to_the_root_and_holds_no_content() -> None:
    with ClosingBook(SIGNER) as book:
        for number in range(3):
            book.add(SIGNER.sign(payment(number, extensions={"datalevel": "3"} if number else {})))
        file = io.StringIO()
        book.write_list(file)
        closing = closing_of(book.close())
    leaves = {}
    for line in file.getvalue().splitlines():
        entry = msgspec.json.decode(line)
        assert set(entry) <= {"id", "core", "ext"}
        name = message_record_id(SOURCE, entry["id"])
        leaves[name] = leaf_hash(name + b"".join(base64.b64decode(entry[part]) for part in entry if part != "id"))
    assert tree_root([leaves[name] for name in sorted(leaves)]) == closing.root


def test_memory_does_not_grow_with_the_period() -> None:
    # Of one second, since the caches of times are others'.
    records = (SIGNER.sign(replace(payment(1), id=f"m{number}")) for number in range(4000))
    with ClosingBook(SIGNER) as book:
        tracemalloc.start()
        try:
            for record in islice(records, 2000):
                book.add(record)
            grown, _ = tracemalloc.get_traced_memory()
            for record in records:
                book.add(record)
            later, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert book.count == 4000
    assert later < grown + 2000 * 20, "an id and its digests alone are four times as long"


def test_the_lines_of_the_guide_close_what_they_send() -> None:
    _, lines = STATED.findall(GUIDE.read_text())
    sent: list[SignedRecord] = []

    class Producer:
        def send(self, topic: str, value: bytes, key: bytes, headers: list[tuple[str, bytes]]) -> None:
            sent.append(SignedRecord(headers, value, key))

    file = io.StringIO()
    exec(
        lines,
        {"signer": SIGNER, "messages": [payment(1), payment(2)], "producer": Producer(), "list_file": file},
    )
    assert closing_of(sent[-1]).count == len(sent) - 1 == len(file.getvalue().splitlines()) == 2
