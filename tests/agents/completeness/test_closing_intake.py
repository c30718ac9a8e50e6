"""Closings on their way into the log: sealed like other records, told apart, seen by auditors and subscribers."""

import base64
import datetime as dt
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from schemas.closing import CLOSING, Closing, encode_closing
from schemas.control_totals import ControlTotal
from schemas.identity import message_record_id
from sealstream.feeds import FeedItem
from streams.storage.record_uuid import record_uuid
from tests.support.installation import BANK_A, BANK_B, Installation, Worker
from tests.support.messages import Inbox, transaction

DAY = dt.datetime(2026, 1, 5, tzinfo=dt.UTC)


def closing(name: str, *, replaces: str | None = None, data: bytes | None = None, days: int = 1) -> FeedItem:
    made = Closing(
        start=DAY,
        end=DAY + dt.timedelta(days=days),
        count=987654321,
        totals=(ControlTotal(currency="EUR", credit_debit="CRDT", count=1, amount=Decimal("7654321.09")),),
        root=name.encode().ljust(32, b"."),
        replaces=replaces,
    )
    return FeedItem("transactions", CLOSING, name, data or encode_closing(made), "application/json")


async def taken_in(
    platform: Installation, worker: Worker, *items: FeedItem, inbox: Inbox | None = None
) -> list[dict[str, Any]]:
    inbox = inbox or Inbox()
    BANK_A.put(inbox, *items)
    await worker.commit(inbox.take())
    await platform.sequence()
    return await platform.leaves("bank-a")


def name(item: str) -> str:
    return str(record_uuid(message_record_id(BANK_A.source, item)))


async def test_a_closing_is_a_leaf_of_its_kind_and_its_fields_are_sealed(
    platform: Installation, worker: Worker
) -> None:
    (leaf,) = await taken_in(platform, worker, closing("c1"))
    assert (leaf["kind"], leaf["outcome"], leaf["record"]) == ("closing", "closed", name("c1"))
    assert leaf["source"] == BANK_A.source
    assert set(leaf["fields"]) == {"count", "evidence", "from", "root", "to", "totals"}
    assert (await platform.audit()).findings == []
    (low,) = await (await platform.reader(2)).list()
    assert low.fields["from"].value == b"2026-01-05T00:00:00Z"
    assert {low.fields[each].state for each in ("count", "root", "totals")} == {"sealed"}
    (high,) = await (await platform.reader(3)).list()
    assert high.fields["count"].value == b"987654321"
    assert msgspec.json.decode(high.fields["totals"].value or b"")[0]["amount"] == "7654321.09"


async def test_nothing_of_a_closing_stands_in_the_open(platform: Installation, worker: Worker) -> None:
    await taken_in(platform, worker, closing("c1"))
    stored = b""
    for table in ("messages", "results", "bundles", "commits", "terms", "entry_keys"):
        for row in await platform.rows(f"SELECT * FROM {table}"):
            stored += b"|".join(value if isinstance(value, bytes) else str(value).encode() for value in row.values())
    for secret in (b"987654321", b"7654321.09", b"c1".ljust(32, b"."), base64.b64encode(b"c1".ljust(32, b"."))):
        assert secret not in stored


async def test_a_second_closing_of_a_period_is_kept_and_points_at_the_first(
    platform: Installation, worker: Worker
) -> None:
    inbox = Inbox()
    await taken_in(platform, worker, closing("c1"), inbox=inbox)
    leaves = await taken_in(platform, worker, closing("c2"), closing("week", days=7), inbox=inbox)
    assert [(leaf.get("note"), leaf.get("linked")) for leaf in leaves] == [
        (None, None),
        ("closing_conflict", name("c1")),
        (None, None),
    ]
    assert (await platform.audit()).findings == []


async def test_a_correction_names_the_closing_it_replaces_and_only_the_first_one_does(
    platform: Installation, worker: Worker
) -> None:
    corrections = closing("c2", replaces="c1"), closing("c3", replaces="c1"), closing("c4", replaces="c2")
    leaves = await taken_in(platform, worker, closing("c1"), *corrections)
    assert [(leaf["outcome"], leaf.get("note"), leaf.get("linked")) for leaf in leaves] == [
        ("closed", None, None),
        ("corrected", None, None),
        ("corrected", "closing_conflict", name("c2")),
        ("corrected", None, None),
    ]


async def test_closings_of_two_sources_have_nothing_to_do_with_each_other(
    platform: Installation, worker: Worker
) -> None:
    inbox = Inbox()
    BANK_A.put(inbox, closing("c1"))
    BANK_B.put(inbox, closing("c1"))
    await worker.commit(inbox.take())
    assert [leaf.get("note") for leaf in await platform.leaves()] == [None, None]


@pytest.mark.parametrize("data", [b"{}", b"{", b'{"count": -1}', b"x" * 200_000])
async def test_a_closing_that_is_none_is_refused_beside_sound_messages(
    platform: Installation, worker: Worker, data: bytes
) -> None:
    leaves = await taken_in(platform, worker, transaction("a"), closing("bad", data=data))
    assert [leaf["kind"] for leaf in leaves] == ["result", "rejected"]
    assert (await platform.audit()).findings == []
