"""Where notices go in tests: a list, whose owner can have the broker fail or the process end at any point."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from msgspec import structs

from agents.lanes.messages import LaneMessage
from agents.relay.notices import Draft, Notice, NoticeTopics
from agents.relay.relay import Parts, RelayWork
from streams.storage.relaying import RelayPosition
from tests.support.installation import Installation


class Crashed(Exception):
    """The process ended here."""


class MemoryBroker:
    """A broker without transactions: keeps what is published, and how far, from one publication to the next.

    A batch may be cut short, as when the broker goes away in the middle of it.

    Attributes:
        positions: What the position topic holds.
        fail_after: Notices that still get through before everything fails; None: all do, and the positions too.
    """

    def __init__(self) -> None:
        self.notices: list[Notice] = []
        self.lanes: list[LaneMessage] = []
        self.positions: dict[str, RelayPosition] = {}
        self.fail_after: int | None = None

    async def publish(self, messages: Sequence[Notice | LaneMessage], after: Mapping[str, RelayPosition]) -> None:
        """Take the notices, then the positions."""
        through = messages[: self.fail_after]
        self.notices += [each for each in through if isinstance(each, Notice)]
        self.lanes += [each for each in through if isinstance(each, LaneMessage)]
        if self.fail_after is not None:
            raise Crashed
        self.positions.update(after)

    @asynccontextmanager
    async def open(self) -> "AsyncIterator[MemoryBroker]":
        """A publication, as a relay opens one."""
        yield self

    def topic(self, name: str) -> list[Notice]:
        """What one topic holds, in order."""
        return [notice for notice in self.notices if notice.topic == name]


def topics_of(tenant: str) -> NoticeTopics:
    """A tenant's topics, named as the product names them."""
    return NoticeTopics(f"results.{tenant}", f"audit.{tenant}", f"dead-letters.{tenant}")


def parts_of(platform: Installation) -> Parts:
    """What a relay of that platform works with."""
    return Parts(topics_of, lambda log: platform.identity.notice_signer(log.tenant, log.shard))


async def relay_all(platform: Installation, broker: MemoryBroker, work: RelayWork | None = None) -> int:
    """Publish until nothing is left, by a relay that begins where the broker says that the last one stopped."""
    published = 0
    async with platform.database.session() as connection:
        made = work or await RelayWork.take_over(connection, broker, parts_of(platform))
        while now := await made.step(connection):
            published += now
    return published


def header(notice: Notice, name: str) -> str | None:
    """One header of a notice, which has none twice."""
    found = [value.decode() for each, value in notice.headers if each == name]
    assert len(found) < 2
    return found[0] if found else None


def bare(notice: Notice) -> Draft:
    """The notice without its attestation, whose nonce is new each time it is published."""
    return Draft(notice.topic, notice.key, structs.replace(notice.event, batchmaterial=None))


def place(notice: Notice) -> tuple[str, int]:
    """Log and index: what a subscriber de-duplicates by."""
    origin, index = header(notice, "ce_seallog"), header(notice, "ce_sealindex")
    assert origin is not None
    assert index is not None
    return origin, int(index)
