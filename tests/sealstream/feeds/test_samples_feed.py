"""What a sample claims about itself is checked against the platform's own decoders and signature checks."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from decimal import Decimal

import pytest

from schemas.camt import decode_statement
from schemas.errors import Rejection
from schemas.events import Event, decode_event
from schemas.reasons import Reason
from schemas.statement import BalanceCheck, EntryKey
from schemas.transaction import Transaction
from schemas.transaction_json import decode_transaction
from sealstream.client import Signer
from sealstream.feeds import STATEMENT_TYPE, TRANSACTION_TYPE, Fault, FeedItem, TotalKey
from sealstream.producing.open_feed import open_feed
from sealstream.producing.signed_items import sign_item
from sealstream.samples.feed import DEFAULT_SEED, SampleFeed
from sealstream.samples.plan import PAYMENTS, SMALL, SamplePlan
from security.key_registry import KeyRegistry, SigningKey
from security.signing import Ed25519Signer
from security.verifiability import verify_event

SOURCE = "urn:sealstream:sample"
SIGNER = Ed25519Signer("sample", b"s" * 32)
STRANGER = Ed25519Signer("stranger", b"x" * 32)
REGISTRY = KeyRegistry(
    [
        SigningKey(
            key_id="sample",
            algorithm=SIGNER.algorithm,
            public_key=SIGNER.public_key,
            tenant="t",
            domain="d",
            sources=(SOURCE,),
        )
    ]
)


@dataclass
class Outcome:
    """What records come to, by the rules of the interface, in the order they are read."""

    messages: int = 0
    transactions: int = 0
    statements: int = 0
    unbalanced: int = 0
    results: int = 0
    duplicates: int = 0
    duplicate_entries: int = 0
    rejected_messages: Counter[Reason] = field(default_factory=Counter)
    rejected_entries: Counter[Reason] = field(default_factory=Counter)
    totals: dict[TotalKey, tuple[int, Decimal]] = field(default_factory=dict)
    by_fault: dict[Fault | None, Counter[str]] = field(default_factory=dict)
    _seen: dict[str, bytes] = field(default_factory=dict)
    _taken: set[str] = field(default_factory=set)
    _entries: set[EntryKey] = field(default_factory=set)

    def read(self, item: FeedItem) -> None:
        self.messages += 1
        headers, value, _ = sign_item(item, Signer(SOURCE, STRANGER if item.fault is Fault.UNKNOWN_KEY else SIGNER))
        try:
            verified = verify_event(decode_event(headers, value), REGISTRY, 0)
            outcome = self._take(verified.event, verified.core_digest)
        except Rejection as rejection:
            self.rejected_messages[rejection.reason] += 1
            outcome = rejection.reason
        self.by_fault.setdefault(item.fault, Counter())[outcome] += 1

    def _take(self, event: Event, digest: bytes) -> str:
        known = self._seen.setdefault(event.id, digest)
        if event.type not in {TRANSACTION_TYPE, STATEMENT_TYPE}:
            raise Rejection(Reason.UNSUPPORTED_TYPE, "type")
        if known != digest:
            raise Rejection(Reason.CONFLICT, "id")
        if event.id in self._taken:
            self.duplicates += 1
            return "duplicate"
        assert event.data is not None
        if event.type == TRANSACTION_TYPE:
            self._count(decode_transaction(event.data))
            self.transactions += 1
        else:
            self._take_statement(event.data)
            self.statements += 1
        self._taken.add(event.id)
        return "accepted"

    def _take_statement(self, data: bytes) -> None:
        message = decode_statement(data)
        self.unbalanced += message.balance is BalanceCheck.UNBALANCED
        for item in message.items:
            if isinstance(item.transaction, Rejection):
                self.rejected_entries[item.transaction.reason] += 1
                continue
            self._count(item.transaction)
            if item.entry_key is not None:
                self.duplicate_entries += item.entry_key in self._entries
                self._entries.add(item.entry_key)

    def _count(self, found: Transaction) -> None:
        self.results += 1
        key = TotalKey(found.currency, found.credit_debit, found.status)
        count, amount = self.totals.get(key, (0, Decimal(0)))
        self.totals[key] = (count + 1, amount + found.amount)


def outcome_of(items: Iterable[FeedItem]) -> Outcome:
    outcome = Outcome()
    for item in items:
        outcome.read(item)
    return outcome


@pytest.mark.parametrize(
    ("plan", "seed"),
    [
        pytest.param(SMALL, 1, id="small-1"),
        pytest.param(SMALL, 2, id="small-2"),
        pytest.param(SMALL, 3, id="small-3"),
        # Every fault and statement of the default sample among fewer sound transactions: each costs a signature.
        pytest.param(replace(PAYMENTS, transactions=3_000), DEFAULT_SEED, id="payments"),
    ],
)
def test_a_sample_comes_to_exactly_what_it_claims(plan: SamplePlan, seed: int) -> None:
    feed = SampleFeed("sample", plan, seed=seed)
    outcome = outcome_of(feed.items())
    claim = feed.expectation
    assert outcome.messages == claim.messages
    assert outcome.transactions == claim.transactions
    assert outcome.statements == claim.statements
    assert outcome.unbalanced == claim.unbalanced_statements == 1
    assert outcome.results == claim.results
    assert outcome.duplicates == claim.duplicates
    assert outcome.duplicate_entries == claim.duplicate_entries > 0
    assert outcome.rejected_messages == claim.rejected_messages
    assert outcome.rejected_entries == claim.rejected_entries == {Reason.INCOMPLETE: 1, Reason.SCHEMA_VIOLATION: 1}
    assert outcome.totals == claim.totals


@pytest.fixture(scope="module")
def default() -> tuple[SampleFeed, list[FeedItem]]:
    """The default sample and its messages, made once: there are twenty thousand."""
    feed = open_feed("sample:payments")
    assert isinstance(feed, SampleFeed)
    return feed, list(feed.items())


def test_every_fault_is_in_the_small_sample_and_ends_as_it_should() -> None:
    outcome = outcome_of(open_feed("sample:small").items())
    assert set(outcome.by_fault) == {None, *Fault}
    for fault, ends in outcome.by_fault.items():
        assert set(ends) == ({"accepted"} if fault is None else {fault.reason or "duplicate"})


def test_every_message_of_a_clean_sample_is_accepted() -> None:
    feed = open_feed("sample:clean-600")
    outcome = outcome_of(feed.items())
    assert (outcome.messages, outcome.transactions, outcome.statements) == (601, 600, 1)
    assert not outcome.rejected_messages
    assert not outcome.rejected_entries


def test_the_default_sample_has_the_promised_size(default: tuple[SampleFeed, list[FeedItem]]) -> None:
    claim = default[0].expectation
    assert claim.messages == 20_000 + 40 + 4
    assert claim.statements == 40
    assert 800 < claim.results - claim.transactions < 1_300
    assert set(claim.rejections) == {
        Reason.BAD_SIGNATURE, Reason.CONFLICT, Reason.DIGEST_MISMATCH, Reason.INCOMPLETE, Reason.MALFORMED,
        Reason.MISSING_SIGNATURE, Reason.SCHEMA_VIOLATION, Reason.UNKNOWN_KEY, Reason.UNSUPPORTED_TYPE,
    }  # fmt: skip
    assert claim.messages == (
        claim.transactions + claim.statements + claim.duplicates + sum(claim.rejected_messages.values())
    )


def test_the_same_seed_gives_the_same_bytes_and_another_one_others() -> None:
    first, again, other = (list(SampleFeed("s", SMALL, seed=seed).items()) for seed in (7, 7, 8))
    assert first == again
    assert [item.data for item in first] != [item.data for item in other]


def test_the_expectation_needs_no_run_over_the_items() -> None:
    asked_first, run_first = SampleFeed("s", SMALL), SampleFeed("s", SMALL)
    list(run_first.items())
    assert asked_first.expectation == run_first.expectation


def test_names_come_in_both_scripts_and_booked_totals_leave_pending_entries_out(
    default: tuple[SampleFeed, list[FeedItem]],
) -> None:
    feed, items = default
    names = [decode_transaction(item.data).counterparty_name or "" for item in items if item.fault is None
             and item.type == TRANSACTION_TYPE]  # fmt: skip
    chinese = sum("\u4e00" <= name[:1] <= "\u9fff" for name in names)
    assert 0.1 < chinese / len(names) < 0.5
    everything = feed.expectation.totals_by_direction(booked_only=False)
    booked = feed.expectation.totals_by_direction(booked_only=True)
    assert sum(total.transactions for total in everything.values()) == feed.expectation.results
    assert booked["EUR", "DBIT"].transactions < everything["EUR", "DBIT"].transactions
    assert booked["EUR", "DBIT"].amount < everything["EUR", "DBIT"].amount


def test_a_repeat_keeps_key_and_content_and_no_message_is_repeated_twice(
    default: tuple[SampleFeed, list[FeedItem]],
) -> None:
    _, items = default
    sound = {item.id: item for item in items if item.fault is None}
    again = [item for item in items if item.fault in {Fault.REPEATED, Fault.CONTRADICTING}]
    assert len({item.id for item in again}) == len(again)
    for item in again:
        assert (item.data == sound[item.id].data) == (item.fault is Fault.REPEATED)
        assert (item.time, item.topic, item.key) == (sound[item.id].time, sound[item.id].topic, sound[item.id].key)


def test_a_topic_of_the_callers_choice() -> None:
    assert {item.topic for item in open_feed("sample:small", topic="mine").items()} == {"mine"}
