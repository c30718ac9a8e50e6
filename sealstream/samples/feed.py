"""Samples: made-up feeds whose outcome is known to the last cent. Sizes and faults are `sealstream.samples.plan`."""

import datetime as dt
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from random import Random

from sealstream.feeds.expectation import Expectation, Tally
from sealstream.feeds.fault import Fault
from sealstream.feeds.feed import Ignored
from sealstream.feeds.item import STATEMENT_TYPE, STATEMENTS_TOPIC, TRANSACTION_TYPE, TRANSACTIONS_TOPIC, FeedItem
from sealstream.samples.letters import make_letter
from sealstream.samples.plan import SamplePlan, sample_plan
from sealstream.samples.statement_series import FIRST_DAY, StatementKind, StatementSeries, count_statement, kinds
from sealstream.samples.statements import render_statement
from sealstream.samples.transactions import (
    TransactionMembers,
    contradicting,
    cut_short,
    encode_transaction,
    make_transaction,
    violating,
)
from sealstream.samples.world import World

DEFAULT_SEED = 20_260_105

# Account data is C2 of JR/T 0171, which makes it level 3 of JR/T 0197.
_EXTENSIONS = (("datalevel", "3"),)
_START = dt.datetime.combine(FIRST_DAY, dt.time(8), dt.UTC)
_PACE = dt.timedelta(seconds=20)
_REPEATABLE = 500
_UNKNOWN_TYPE = "io.sealstream.unheard-of.v1"


@dataclass(frozen=True, slots=True)
class _Sent:
    """A sound transaction that may be repeated or contradicted later."""

    item: FeedItem
    members: TransactionMembers


class SampleFeed:
    """Transactions and statements in the order in which they would be published.

    The same name and seed give the same messages, byte for byte.

    Args:
        name: What a report calls the sample.
        plan: Its make-up.
        seed: Of every choice.
        topic: Where to publish everything; by type when not given.
    """

    ignored: tuple[Ignored, ...] = ()

    def __init__(self, name: str, plan: SamplePlan, *, seed: int = DEFAULT_SEED, topic: str | None = None) -> None:
        self.name = name
        self._plan = plan
        self._seed = seed
        self._topic = topic
        self._expectation: Expectation | None = None

    @property
    def expectation(self) -> Expectation:
        """What the sample must come to; free after a complete run over `items`, else one is made for it."""
        if self._expectation is None:
            deque(self.items(), maxlen=0)
        assert self._expectation is not None
        return self._expectation

    def items(self) -> Iterator[FeedItem]:
        """The messages."""
        tally = Tally()
        rng = Random(self._seed)  # noqa: S311 - made-up data, and the same on every run
        world = World(rng)
        transactions = _transactions(rng, world, self._plan, tally)
        statements = _statements(rng, world, self._plan, tally)
        # One statement after every so many transactions, as they would arrive; what is left comes at the end.
        letters = _letters(self._seed, world, self._plan, tally)
        letter_stride = max(1, self._plan.transactions // max(1, self._plan.letters))
        stride = max(1, self._plan.transactions // max(1, self._plan.statements))
        for number, item in enumerate(transactions, start=1):
            yield self._placed(item)
            if number % letter_stride == 0:
                for letter in letters:
                    yield self._placed(letter)
                    break
            if number % stride == 0:
                for statement in statements:
                    yield self._placed(statement)
                    break
        for statement in statements:
            yield self._placed(statement)
        for letter in letters:
            yield self._placed(letter)
        self._expectation = tally.expectation()

    def _placed(self, item: FeedItem) -> FeedItem:
        return item if self._topic is None else replace(item, topic=self._topic)


def open_sample(name: str, *, topic: str | None = None) -> SampleFeed:
    """Open a sample by its name, without `sample:`.

    Raises:
        ConfigurationError: There is no sample of that name.
    """
    return SampleFeed(f"sample:{name}", sample_plan(name), topic=topic)


def _transactions(rng: Random, world: World, plan: SamplePlan, tally: Tally) -> Iterator[FeedItem]:
    faults = _schedule(rng, plan)
    sent: deque[_Sent] = deque(maxlen=_REPEATABLE)
    for number in range(1, plan.transactions + 1):
        fault = faults.get(number)
        if fault is Fault.REPEATED:
            tally.duplicates += 1
            yield replace(_take(rng, sent).item, fault=fault)
            continue
        if fault is Fault.CONTRADICTING:
            _count_fault(fault, tally)
            earlier = _take(rng, sent)
            yield replace(earlier.item, data=encode_transaction(contradicting(earlier.members)), fault=fault)
            continue
        moment = _START + number * _PACE
        members = make_transaction(rng, world, number, moment.date())
        item = FeedItem(
            topic=TRANSACTIONS_TOPIC,
            type=TRANSACTION_TYPE,
            id=f"transaction-{number:07}",
            data=encode_transaction(members),
            datacontenttype="application/json",
            time=_rfc3339(moment),
            extensions=_EXTENSIONS,
        )
        if fault is None:
            sent.append(_Sent(item, members))
            tally.transactions += 1
            amount = Decimal(members["amount"])
            tally.add_to_totals(members.get("currency"), members.get("credit_debit"), members.get("status"), amount)
            yield item
        else:
            _count_fault(fault, tally)
            yield _spoilt(rng, item, members, fault)


def _schedule(rng: Random, plan: SamplePlan) -> dict[int, Fault]:
    """Which transaction carries which fault. The first tenth carries none, so that there is something to repeat."""
    faults = [fault for fault, count in plan.faults.items() for _ in range(count)]
    numbers = rng.sample(range(plan.transactions // 10 + 1, plan.transactions + 1), len(faults))
    return dict(zip(numbers, faults, strict=True))


def _take(rng: Random, sent: deque[_Sent]) -> _Sent:
    """A recent transaction, for good: a second repeat of the same one would not be noted a second time."""
    position = rng.randrange(len(sent))
    taken = sent[position]
    del sent[position]
    return taken


def _spoilt(rng: Random, item: FeedItem, members: TransactionMembers, fault: Fault) -> FeedItem:
    if fault is Fault.UNSUPPORTED_TYPE:
        return replace(item, type=_UNKNOWN_TYPE, fault=fault)
    if fault is Fault.MALFORMED_PAYLOAD:
        return replace(item, data=cut_short(item.data), fault=fault)
    if fault is Fault.SCHEMA_VIOLATION:
        return replace(item, data=encode_transaction(violating(rng, members)), fault=fault)
    return replace(item, fault=fault)


def _statements(rng: Random, world: World, plan: SamplePlan, tally: Tally) -> Iterator[FeedItem]:
    series = StatementSeries(rng, world, plan.entries)
    item = None
    for number, kind in enumerate(kinds(plan.statements, special=plan.special_statements), start=1):
        statement = series.make(kind)
        count_statement(statement, kind, tally)
        item = _statement_item(number, render_statement(statement), statement.created_at)
        yield item
    if not plan.special_statements or item is None:
        return
    tally.duplicates += 1
    yield replace(item, fault=Fault.REPEATED)
    for number, fault in enumerate(
        (Fault.TAMPERED_PAYLOAD, Fault.UNSIGNED, Fault.MALFORMED_PAYLOAD), start=plan.statements + 1
    ):
        _count_fault(fault, tally)
        statement = series.make(StatementKind.ORDINARY)
        data = render_statement(statement)
        if fault is Fault.MALFORMED_PAYLOAD:
            # A document type could make a parser fetch files; no bank sends one.
            data = data.replace(b"\n", b'\n<!DOCTYPE Document SYSTEM "statement.dtd">\n', 1)
        yield replace(_statement_item(number, data, statement.created_at), fault=fault)


def _letters(seed: int, world: World, plan: SamplePlan, tally: Tally) -> Iterator[FeedItem]:
    # Choices of their own: a sample's transactions are the same with and without letters.
    rng = Random(seed + 1)  # noqa: S311
    for number in range(1, plan.letters + 1):
        tally.documents += 1
        yield make_letter(rng, world, number, _START + number * _PACE)


def _statement_item(number: int, data: bytes, created_at: str) -> FeedItem:
    return FeedItem(
        topic=STATEMENTS_TOPIC,
        type=STATEMENT_TYPE,
        id=f"statement-{number:05}",
        data=data,
        datacontenttype="application/xml",
        time=created_at,
        extensions=_EXTENSIONS,
    )


def _count_fault(fault: Fault, tally: Tally) -> None:
    reason = fault.reason
    assert reason is not None
    tally.rejected_messages[reason] += 1


def _rfc3339(moment: dt.datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
