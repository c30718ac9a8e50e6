import asyncio
import datetime as dt
from dataclasses import replace
from typing import Any

import pytest

from agents.completeness.order_keeper import OrderKeeper
from schemas.events import Event, binary_headers
from schemas.identity import message_record_id
from schemas.reasons import Reason
from sealstream.feeds import FeedItem
from security.verifiability import with_signature
from streams.storage.ids import IdBlock
from streams.storage.record_uuid import record_uuid
from tests.support.installation import BANK_A, BANK_B, Installation, Producer
from tests.support.messages import Inbox, transaction

WINDOW = dt.timedelta(minutes=5)
START = dt.datetime(2026, 1, 5, 8, 0, tzinfo=dt.UTC)


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> dt.datetime:
        return self.now


def numbered(number: int | str, name: str | None = None, **members: str) -> FeedItem:
    item = transaction(name or f"n{number}", **members)
    return replace(item, extensions=(*item.extensions, ("sequence", f"{number:0>12}")))


class Order:
    """Two partitions, a worker, and the keeper behind them."""

    def __init__(self, platform: Installation, clock: Clock) -> None:
        self.platform = platform
        self.clock = clock
        self.inboxes = [Inbox(partition=0), Inbox(partition=1)]
        self.keeper = self.another_keeper()

    def another_keeper(self) -> OrderKeeper:
        return OrderKeeper(
            self.platform.database,
            self.platform.identity.new_worker(),
            IdBlock(self.platform.database, "commit_ids"),
            WINDOW,
            clock=self.clock,
        )

    async def arrive(self, *items: FeedItem, partition: int = 0, producer: Producer = BANK_A) -> None:
        inbox = self.inboxes[partition]
        producer.put(inbox, *items)
        await (await self.platform.worker()).commit(inbox.take())

    async def keep(self, minutes: float = 0) -> None:
        self.clock.now += dt.timedelta(minutes=minutes)
        while await self.keeper.step():
            pass

    async def notes(self, tenant: str = "bank-a") -> list[tuple[str, str, str]]:
        return [(leaf["note"], leaf["outcome"], leaf["sequence"]) for leaf in await self.leaves(tenant)]

    async def leaves(self, tenant: str = "bank-a") -> list[dict[str, Any]]:
        return [leaf for leaf in await self.platform.leaves(tenant) if leaf["kind"] == "order"]

    async def state(self) -> tuple[int, int, int]:
        """Rows of arrivals, heads and gaps."""
        row = await self.platform.rows(
            "SELECT (SELECT count(*) FROM sequence_arrivals), (SELECT count(*) FROM sequence_heads), "
            "(SELECT count(*) FROM sequence_gaps)"
        )
        return tuple(row[0])


@pytest.fixture
def order(platform: Installation) -> Order:
    return Order(platform, Clock())


async def test_a_gap_is_noted_once_after_the_window_and_closed_by_what_comes_late(order: Order) -> None:
    await order.arrive(*[numbered(n) for n in (1, 2, 6)])
    await order.keep()
    await order.keep(minutes=4.9)
    assert await order.notes() == []
    await order.keep(minutes=0.2)
    await order.keep(minutes=10)
    gap = ("sequence_gap", "missing", "3-5")
    assert await order.notes() == [gap]
    (leaf,) = await order.leaves()
    assert (leaf["count"], leaf["source"]) == (3, BANK_A.source)
    await order.arrive(numbered(3), numbered(5))
    await order.keep(minutes=10)
    assert await order.notes() == [gap, ("sequence_gap", "arrived", "3"), ("sequence_gap", "arrived", "5")]
    await order.arrive(numbered(4))
    await order.keep()
    assert (await order.notes())[3:] == [("sequence_gap", "arrived", "4")]
    assert await order.state() == (0, 1, 0)
    await order.platform.sequence()
    report = await order.platform.audit()
    assert report.ok, report.findings


async def test_what_comes_within_the_window_is_no_gap_though_it_comes_by_another_partition(order: Order) -> None:
    await order.arrive(*[numbered(n) for n in (2, 4, 6)])
    await order.keep()
    await order.arrive(*[numbered(n) for n in (1, 3, 5)], partition=1)
    await order.keep(minutes=4)
    await order.keep(minutes=10)
    assert await order.notes() == []
    assert await order.state() == (0, 1, 0)


async def test_each_source_has_its_own_numbers_in_its_own_log(order: Order) -> None:
    await order.arrive(numbered(1), numbered(3))
    await order.arrive(numbered(10), numbered(14), partition=1, producer=BANK_B)
    await order.keep()
    await order.keep(minutes=6)
    assert await order.notes("bank-a") == [("sequence_gap", "missing", "2")]
    assert await order.notes("bank-b") == [("sequence_gap", "missing", "11-13")]


async def test_a_number_under_another_id_is_a_conflict_and_a_repeat_of_the_message_is_not(order: Order) -> None:
    await order.arrive(numbered(1))
    await order.arrive(numbered(1), numbered(1, "other"))
    await order.keep()
    (leaf,) = await order.leaves()
    assert (leaf["note"], leaf["outcome"], leaf["sequence"]) == ("sequence_conflict", "repeated", "1")
    assert leaf["message"] == str(record_uuid(message_record_id(BANK_A.source, "other")))
    kinds = [each["kind"] for each in await order.platform.leaves("bank-a")]
    assert sorted(kinds) == ["duplicate", "order", "result", "result"]


async def test_a_message_whose_payload_is_refused_has_arrived(order: Order) -> None:
    await order.arrive(numbered(1), replace(numbered(2), data=b"[]"), numbered(3))
    await order.keep(minutes=6)
    await order.keep(minutes=6)
    assert await order.notes() == []


async def test_a_message_that_contradicts_an_earlier_one_has_not(order: Order) -> None:
    await order.arrive(numbered(1, "a"), numbered(2, "a", amount="9"), numbered(3))
    await order.keep()
    await order.keep(minutes=6)
    assert await order.notes() == [("sequence_gap", "missing", "2")]


async def test_a_sequence_that_is_no_number_is_a_violation_of_the_schema(order: Order) -> None:
    await order.arrive(transaction("plain"))
    item = transaction("odd")
    # A producer that is not ours: our own refuses to sign it.
    headers, value, key = _signed_elsewhere(replace(item, extensions=(("sequence", "A-7"),)))
    order.inboxes[0].put_raw(headers, value, key)
    await (await order.platform.worker()).commit(order.inboxes[0].take())
    (letter,) = await order.platform.rows("SELECT reason, detail FROM dead_letters")
    assert letter["reason"] == Reason.SCHEMA_VIOLATION
    assert "A-7" not in letter["detail"]
    assert await order.state() == (0, 0, 0)


async def test_two_keepers_at_once_note_a_gap_once(order: Order) -> None:
    await order.arrive(numbered(1), numbered(3))
    await order.keep()
    order.clock.now += 2 * WINDOW
    keepers = [order.another_keeper() for _ in range(4)]
    await asyncio.gather(*[keeper.step() for keeper in keepers])
    await order.keep()
    assert await order.notes() == [("sequence_gap", "missing", "2")]


async def test_a_step_takes_a_part_and_says_that_there_is_more(order: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agents.completeness.order_keeper.ROWS_PER_STEP", 1)
    await order.arrive(numbered(1))
    await order.arrive(numbered(2))
    assert await order.keeper.step()
    assert (await order.state())[0] == 1
    assert await order.keeper.step()
    assert not await order.keeper.step()
    assert await order.state() == (0, 1, 0)


async def test_what_a_replay_takes_in_closes_its_gap(order: Order) -> None:
    platform = order.platform
    await order.arrive(numbered(1), numbered(3))
    stranger = Producer("bank-a", "elsewhere")
    order.inboxes[0].put(numbered(2), stranger.signer, BANK_A.source)
    await (await platform.worker()).commit(order.inboxes[0].take())
    await order.keep()
    await order.keep(minutes=6)
    assert await order.notes() == [("sequence_gap", "missing", "2")]
    await platform.registrar().register(replace(stranger.new_key(), sources=[BANK_A.source], domain="payments"))
    await platform.sequence()
    (replayed,) = await platform.replay()
    assert replayed.outcome != "rejected"
    await order.keep()
    assert (await order.notes())[1:] == [("sequence_gap", "arrived", "2")]


def _signed_elsewhere(item: FeedItem) -> tuple[list[tuple[str, bytes]], bytes, bytes]:
    event = Event(
        id=item.id,
        source=BANK_A.source,
        type=item.type,
        datacontenttype=item.datacontenttype,
        data=item.data,
        extensions=dict(item.extensions),
    )
    return binary_headers(with_signature(event, BANK_A.signer, tuple(event.extensions))), item.data, item.id.encode()
