"""Signed messages as Kafka would serve them, and small payloads for them. Nothing here is made up at random."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import msgspec

from agents.commits.record_batch import RecordBatch
from agents.intake.door import LOG_APPEND_TIME
from sealstream.client import Signer
from sealstream.feeds import FeedItem
from sealstream.feeds.item import STATEMENT_TYPE, STATEMENTS_TOPIC, TRANSACTION_TYPE, TRANSACTIONS_TOPIC
from sealstream.producing.signed_items import sign_item
from sealstream.samples.parties import Party
from sealstream.samples.statements import SampleDetail, SampleEntry, SampleStatement, render_statement
from security.signing import Signer as Key

APPENDED_MS = 1_767_600_000_000
"""When every record was appended: 2026-01-05, 08:00 UTC."""

OWNER = Party("Aurora Logistik GmbH", "DE89370400440532013000", "QNORDEFF", "latin")
PAYER = Party("Zoé Lefèvre", "FR1420041010050500013M02606", "QALTFRPP", "latin")


@dataclass(slots=True)
class Record:
    """A Kafka record with the attributes that aiokafka's has."""

    topic: str
    partition: int
    offset: int
    headers: Sequence[tuple[str, bytes | None]]
    value: bytes | None
    key: bytes | None = None
    timestamp: int = APPENDED_MS
    timestamp_type: int = LOG_APPEND_TIME
    leader_epoch: int = -1


@dataclass(slots=True)
class Inbox:
    """One partition of a topic, filled by a producer and read frame by frame."""

    topic: str = TRANSACTIONS_TOPIC
    partition: int = 0
    first: int = 0
    records: list[Record] = field(default_factory=list)
    taken: int = 0

    def put(self, item: FeedItem, signer: Key, source: str) -> Record:
        """Publish an item."""
        headers, value, key = sign_item(item, Signer(source, signer))
        return self.put_raw(list(headers), value, key)

    def put_raw(
        self, headers: Sequence[tuple[str, bytes | None]], value: bytes | None, key: bytes | None = None
    ) -> Record:
        """Publish whatever somebody sends."""
        record = Record(self.topic, self.partition, self.first + len(self.records), headers, value, key)
        self.records.append(record)
        return record

    def take(self, count: int | None = None) -> RecordBatch:
        """The next records, as one frame."""
        start = self.taken
        end = len(self.records) if count is None else min(start + count, len(self.records))
        self.taken = end
        return self.batch(start, end)

    def batch(self, start: int, end: int, *, first_ever: bool | None = None) -> RecordBatch:
        """The records from one number to another, as one frame; asked again it is a redelivery."""
        fresh = start == 0 if first_ever is None else first_ever
        return RecordBatch(
            self.topic, self.partition, self.first + start, self.first + end, fresh, self.records[start:end]
        )


def transaction(name: str, **members: str) -> FeedItem:
    """A transaction message; members replace those of a plain booked one, an empty text removes one."""
    sound = {
        "amount": "125.40",
        "currency": "EUR",
        "credit_debit": "CRDT",
        "status": "BOOK",
        "booking_date": "2026-01-05",
        "account": OWNER.iban,
        "counterparty_name": PAYER.name,
        "counterparty_account": PAYER.iban,
        "end_to_end_id": f"E2E-{name}",
        "remittance_information": f"Rechnung zu {name}",
    }
    found = {member: text for member, text in (sound | members).items() if text}
    return FeedItem(
        topic=TRANSACTIONS_TOPIC,
        type=TRANSACTION_TYPE,
        id=name,
        data=msgspec.json.encode(found),
        datacontenttype="application/json",
        time="2026-01-05T08:00:00Z",
        extensions=(("datalevel", "3"),),
    )


def entry(reference: str, amount: str = "10.00", *, status: str = "BOOK", stated: str | None = None) -> SampleEntry:
    """A statement's entry with one detail."""
    value = Decimal(amount)
    return SampleEntry(
        amount=value,
        credit_debit="CRDT",
        status=status,  # type: ignore[arg-type]  # a test may name any
        date=dt.date(2026, 1, 5),
        reference=reference,
        bank_transaction_code="PMNT-RCDT-ESCT",
        details=(SampleDetail(value, PAYER, f"E2E-{reference}", f"Miete {reference}"),),
        stated_amount=stated or str(value),
    )


def statement(name: str, entries: Sequence[SampleEntry], *, off_by: str = "0") -> FeedItem:
    """A camt.053 message about one account; its closing balance may be off."""
    moved = sum((each.booked_amount for each in entries), Decimal(0))
    data = render_statement(
        SampleStatement(
            message_id=name,
            number=1,
            account=OWNER,
            currency="EUR",
            date=dt.date(2026, 1, 5),
            opening=Decimal("100.00"),
            closing=Decimal("100.00") + moved + Decimal(off_by),
            entries=tuple(entries),
        )
    )
    return statement_of(name, data)


def statement_of(name: str, data: bytes) -> FeedItem:
    """A statement message with these bytes."""
    return FeedItem(
        topic=STATEMENTS_TOPIC,
        type=STATEMENT_TYPE,
        id=name,
        data=data,
        datacontenttype="application/xml",
        time="2026-01-05T22:30:00Z",
        extensions=(("datalevel", "3"),),
    )
