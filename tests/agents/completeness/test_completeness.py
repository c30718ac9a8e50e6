"""Audits of completeness over a real database: what a producer closed against what came in."""

import datetime as dt
import io
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from agents.completeness import CompletenessReport, Period
from schemas.closing import CLOSING, Closing, decode_closing, encode_closing
from schemas.errors import ConfigurationError, SealstreamError
from schemas.identity import message_record_id
from sealstream.audit.completeness import completeness
from sealstream.client import SignedRecord, Signer
from sealstream.closing_book import ClosingBook
from sealstream.feeds import Fault, FeedItem
from sealstream.producing.signed_items import sign_item
from security.merkle import leaf_hash, tree_root
from security.signing import Ed25519Signer
from streams.storage.record_uuid import record_uuid
from tests.support.installation import BANK_A, BANK_B, Installation, Worker
from tests.support.messages import Inbox, entry, statement, transaction

DAY = dt.datetime(2026, 1, 5, tzinfo=dt.UTC)
END = DAY + dt.timedelta(days=1)
PERIOD = Period(BANK_A.source, DAY, END)
SIGNER = Signer(BANK_A.source, BANK_A.signer)


@dataclass
class Day:
    """A producer's day: what goes into its book, and what it sends."""

    platform: Installation
    worker: Worker
    directory: Path
    inbox: Inbox = field(default_factory=Inbox)
    book: ClosingBook = field(default_factory=lambda: ClosingBook(SIGNER))

    def send(self, *items: FeedItem, booked: bool = True) -> None:
        for item in items:
            self.put(sign_item(item, SIGNER, self.book if booked else None))

    def put(self, record: SignedRecord) -> None:
        self.inbox.put_raw(list(record.headers), record.value, record.key)

    def enter(self, *items: FeedItem) -> None:
        """Into the book alone."""
        for item in items:
            sign_item(item, SIGNER, self.book)

    def close(self, **more: Any) -> SignedRecord:
        record = self.book.close(DAY, END, **more)
        self.put(record)
        return record

    @property
    def list_file(self) -> Path:
        text = io.StringIO()
        self.book.write_list(text)
        path = self.directory / "list.jsonl"
        path.write_text(text.getvalue())
        return path

    async def audit(self, *, listing: Path | None = None, tier: int = 4) -> CompletenessReport:
        await self.worker.commit(self.inbox.take())
        return await completeness(self.platform.settings, PERIOD, tier=tier, listing=listing, actor="auditor")


@pytest.fixture
def day(platform: Installation, worker: Worker, tmp_path: Path) -> Day:
    return Day(platform, worker, tmp_path)


def ids(messages: Any) -> list[str]:
    return sorted(each.event_id for each in messages)


def differing(report: CompletenessReport) -> dict[str, tuple[str, str]]:
    return {each.what: (each.closed, each.found) for each in report.differences}


PAYMENTS = [transaction(f"p{number}", amount=f"{number}.50") for number in range(5)]


async def test_a_day_that_came_in_whole_is_complete(day: Day) -> None:
    day.send(*PAYMENTS, statement("s1", [entry("R1"), entry("R2", "7.25")]), PAYMENTS[0])
    day.send(replace(transaction("yesterday"), time="2026-01-04T23:59:59Z"), booked=False)
    day.send(replace(transaction("tomorrow"), time="2026-01-06T00:00:00Z"), booked=False)
    BANK_B.put(day.inbox, transaction("of another source"))
    day.close()
    report = await day.audit()
    assert report.complete
    assert ids(report.accepted) == ["p0", "p1", "p2", "p3", "p4", "s1"]
    assert (report.repeats, report.differences, report.remarks) == (1, [], [])
    assert report.closing is not None
    assert [(total.count, str(total.amount)) for total in report.closing.closing.totals] == [(7, "29.75")]
    assert (await day.audit(listing=day.list_file)).complete
    named = await completeness(day.platform.settings, report.closing.message, tier=4)
    assert named.complete
    assert named.period == PERIOD


async def test_a_message_left_out_is_missing_and_the_list_names_it(day: Day) -> None:
    day.send(*PAYMENTS[:4])
    day.enter(PAYMENTS[4])
    day.close()
    report = await day.audit()
    assert not report.complete
    assert differing(report).keys() == {"count", "transactions EUR CRDT", "total EUR CRDT", "root"}
    assert differing(report)["count"] == ("5", "4")
    assert differing(report)["total EUR CRDT"] == ("12.50", "8.00")
    assert report.missing == []
    assert any("at least 1 messages are missing" in remark for remark in report.remarks)
    assert ids((await day.audit(listing=day.list_file)).missing) == ["p4"]


async def test_a_message_more_than_was_closed_is_named_by_the_list(day: Day) -> None:
    day.send(*PAYMENTS)
    day.send(transaction("slipped in"), booked=False)
    day.close()
    report = await day.audit()
    assert differing(report)["count"] == ("5", "6")
    assert any("at least 1 messages came in that were not closed" in remark for remark in report.remarks)
    assert ids((await day.audit(listing=day.list_file)).unexpected) == ["slipped in"]


async def test_a_message_that_is_not_the_one_that_was_closed_is_found(day: Day) -> None:
    day.send(*PAYMENTS[:4])
    day.enter(PAYMENTS[4])
    day.send(transaction("p4", amount="4.50", counterparty_name="somebody else"), booked=False)
    day.close()
    report = await day.audit()
    assert differing(report).keys() == {"root"}
    assert any("changed, or one for another" in remark for remark in report.remarks)
    named = await day.audit(listing=day.list_file)
    assert (ids(named.changed), named.missing, named.unexpected) == (["p4"], [], [])


async def test_a_refused_message_arrived_and_keeps_the_day_from_being_complete(day: Day) -> None:
    day.send(*PAYMENTS, transaction("bad", amount="-1"))
    day.close()
    report = await day.audit()
    assert report.differences == []
    assert [(each.event_id, each.reason) for each in report.refused] == [("bad", "schema_violation")]
    assert not report.complete


async def test_entries_refused_within_a_statement_are_named(day: Day) -> None:
    day.send(statement("s1", [entry("R1"), entry("R2", stated="x")]))
    day.close()
    report = await day.audit()
    assert report.differences == []
    assert [each.reason for each in report.entries] == ["schema_violation"]
    assert not report.complete


@pytest.mark.parametrize("fault", [Fault.TAMPERED_SIGNATURE, Fault.UNKNOWN_KEY])
async def test_what_no_key_vouches_for_is_found_to_be_what_is_missing(day: Day, fault: Fault) -> None:
    day.send(*PAYMENTS[:4])
    if fault is Fault.UNKNOWN_KEY:
        day.enter(PAYMENTS[4])
        day.inbox.put(PAYMENTS[4], BANK_B.signer, BANK_A.source)
    else:
        day.send(replace(PAYMENTS[4], fault=fault))
    day.close()
    report = await day.audit()
    assert not report.complete
    assert ids(report.unattested) == ids(report.missing) == ["p4"]
    assert any("with those messages the root is right" in remark for remark in report.remarks)


async def test_a_message_changed_on_the_way_is_shown_beside_what_is_missing(day: Day) -> None:
    day.send(*PAYMENTS[:4], replace(PAYMENTS[4], fault=Fault.TAMPERED_PAYLOAD))
    day.close()
    report = await day.audit(listing=day.list_file)
    assert ids(report.missing) == ["p4"]
    assert [(each.event_id, each.reason) for each in report.unattested] == [("p4", "digest_mismatch")]


async def test_strangers_who_claim_the_source_do_not_make_a_whole_day_incomplete(day: Day) -> None:
    day.send(*PAYMENTS)
    day.inbox.put(transaction("forged"), BANK_B.signer, BANK_A.source)
    day.close()
    report = await day.audit()
    assert report.complete
    assert ids(report.unattested) == ["forged"]


async def test_a_contradiction_is_named_and_counts_for_nothing(day: Day) -> None:
    day.send(*PAYMENTS)
    day.send(transaction("p0", amount="99"), booked=False)
    day.close()
    report = await day.audit()
    assert report.differences == []
    assert [(each.event_id, each.reason) for each in report.refused] == [("p0", "conflict")]


async def test_what_a_replay_took_in_is_accepted(day: Day) -> None:
    day.send(*PAYMENTS[:4])
    day.enter(PAYMENTS[4])
    later = Ed25519Signer("bank-a-later", b"later".ljust(32, b"."))
    day.inbox.put(PAYMENTS[4], later, BANK_A.source)
    day.close()
    assert ids((await day.audit()).missing) == ["p4"]
    new = replace(BANK_A.new_key(), name=later.key_id, jwk=later.jwk)
    await day.platform.registrar().register(new)
    await day.platform.sequence()
    assert [each.outcome for each in await day.platform.replay()] == ["booked"]
    report = await day.audit()
    assert report.complete
    assert report.unattested == []


WRONG: dict[str, Callable[[Closing], Closing]] = {
    "count": lambda made: Closing(**values(made) | {"count": made.count + 1}),
    "total": lambda made: Closing(
        **values(made) | {"totals": tuple(replaced(each, amount=each.amount + 1) for each in made.totals)}
    ),
    "transactions": lambda made: Closing(
        **values(made) | {"totals": tuple(replaced(each, count=each.count - 1) for each in made.totals)}
    ),
    "root": lambda made: Closing(**values(made) | {"root": b"w" * 32}),
}


def values(made: Closing) -> dict[str, Any]:
    return {name: getattr(made, name) for name in Closing.__struct_fields__}


def replaced(total: Any, **changes: Any) -> Any:
    return type(total)(**{name: getattr(total, name) for name in type(total).__struct_fields__} | changes)


@pytest.mark.parametrize("what", WRONG)
async def test_a_closing_that_says_something_else_is_told_apart_figure_by_figure(day: Day, what: str) -> None:
    day.send(*PAYMENTS)
    made = decode_closing(day.book.close(DAY, END).value)
    day.send(
        FeedItem("transactions", CLOSING, "c", encode_closing(WRONG[what](made)), "application/json"), booked=False
    )
    report = await day.audit()
    assert [name.split()[0] for name in differing(report)] == [what]
    assert not report.complete
    if what != "root":
        assert any("these are the messages" in r or "at least" in r for r in report.remarks)


async def test_two_closings_contradict_until_one_names_the_other(day: Day) -> None:
    day.send(*PAYMENTS[:4])
    first = decode_closing(day.close().value)
    day.send(PAYMENTS[4])
    day.close()
    report = await day.audit()
    assert not report.complete
    assert len(report.contradicting) == 1
    assert first.count == 4


async def test_a_correction_counts_instead_of_what_it_replaces(day: Day) -> None:
    day.send(*PAYMENTS[:4])
    former = dict(day.close().headers)["ce_id"].decode()
    day.send(PAYMENTS[4])
    day.close(replaces=former)
    report = await day.audit()
    assert report.complete
    replaced_one = await completeness(
        day.platform.settings, record_uuid(message_record_id(BANK_A.source, former)), tier=4
    )
    assert not replaced_one.complete
    assert "another closing replaces this one" in replaced_one.remarks


async def test_a_correction_of_something_unknown_says_so(day: Day) -> None:
    day.send(*PAYMENTS)
    day.close(replaces="nobody's")
    report = await day.audit()
    assert any("replaces one that is not here" in remark for remark in report.remarks)


async def test_a_period_without_closing_is_told_and_is_not_complete(day: Day) -> None:
    day.send(*PAYMENTS)
    report = await day.audit()
    assert len(report.accepted) == 5
    assert not report.complete
    assert any("has not closed" in remark for remark in report.remarks)
    with pytest.raises(ConfigurationError, match="this period has none"):
        await day.audit(listing=day.list_file)


async def test_gaps_in_the_sequence_are_named_without_a_closing(day: Day) -> None:
    for number in (3, 4, 7, 9):
        day.send(replace(PAYMENTS[0], id=f"n{number}", extensions=(("sequence", f"{number:06}"),)))
    other_day = replace(PAYMENTS[0], id="n8", time="2026-01-06T08:00:00Z", extensions=(("sequence", "8"),))
    day.send(other_day, booked=False)
    assert (await day.audit()).gaps == [(5, 6)]


async def test_messages_without_time_belong_to_no_period(day: Day) -> None:
    day.send(*PAYMENTS)
    day.send(replace(transaction("timeless"), time=None), booked=False)
    day.close()
    report = await day.audit()
    assert report.complete
    assert report.remarks == ["1 messages of the source have no time, and so belong to no period"]


async def test_a_list_of_another_closing_is_not_believed(day: Day) -> None:
    day.send(*PAYMENTS)
    day.close()
    path = day.list_file
    lines = path.read_text().splitlines()
    for wrong, text in (
        (lines[:-1], "another root"),
        ([*lines, lines[0]], "twice"),
        ([*lines, "{"], "line 6"),
        ([*lines, '{"id":"x","core":"AAAA"}'], "line 6"),
    ):
        path.write_text("\n".join(wrong))
        with pytest.raises(SealstreamError, match=text):
            await day.audit(listing=path)
    with pytest.raises(ConfigurationError, match="can't be read"):
        await day.audit(listing=path.parent / "absent")


async def test_erased_and_altered_evidence_is_unread_and_never_taken_for_missing(day: Day) -> None:
    day.send(*PAYMENTS)
    day.close()
    await day.audit()
    gone, altered = [record_uuid(message_record_id(BANK_A.source, name)) for name in ("p0", "p1")]
    await day.platform.execute("UPDATE messages SET evidence = NULL WHERE message_id = $1", gone)
    other = await day.platform.one("SELECT evidence FROM messages WHERE type = $1", CLOSING)
    await day.platform.execute("UPDATE messages SET evidence = $1 WHERE message_id = $2", other, altered)
    report = await completeness(day.platform.settings, PERIOD, tier=4, listing=day.list_file)
    assert (report.unread, report.missing, report.complete) == (2, [], False)


async def test_below_their_tier_messages_stay_sealed_and_nothing_is_claimed(day: Day) -> None:
    day.send(*PAYMENTS)
    day.inbox.put_raw([("ce_id", b"x")], b"anybody's")
    day.close()
    report = await day.audit(tier=2)
    assert (report.accepted, report.unread, report.complete) == ([], 5 + 1, False)
    assert any("tier 4 opens them" in remark for remark in report.remarks)
    name = await day.platform.one("SELECT message_id FROM messages WHERE type = $1", CLOSING)
    with pytest.raises(ConfigurationError, match="tier 2"):
        await completeness(day.platform.settings, name, tier=2)


async def test_the_look_is_a_leaf_over_what_was_shown_before_anything_is(day: Day) -> None:
    day.send(*PAYMENTS)
    day.inbox.put(transaction("forged"), BANK_B.signer, BANK_A.source)
    day.close()
    report = await day.audit()
    names = [each.message for each in report.accepted]
    leaves = [leaf for leaf in await day.platform.leaves() if leaf["kind"] == "read"]
    assert {leaf["count"] for leaf in leaves} == {len(names) + 1, 1}
    assert {leaf["basis"] for leaf in leaves} == {"tier:4"}
    await day.platform.sequence()
    assert (await day.platform.audit()).findings == []
    (forged,) = report.unattested
    assert tree_root([leaf_hash(forged.message.bytes)]).hex() in {leaf["unit"] for leaf in leaves}


async def test_a_closing_that_is_not_there_is_refused(day: Day) -> None:
    day.send(*PAYMENTS)
    await day.audit()
    for name in (record_uuid(message_record_id(BANK_A.source, "p0")), record_uuid(b"x" * 16)):
        with pytest.raises(ConfigurationError, match="no closing"):
            await completeness(day.platform.settings, name, tier=4)
