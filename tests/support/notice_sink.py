"""Where notices go in tests: a list, whose owner can have the broker fail or the process end at any point."""

from collections.abc import Sequence
from dataclasses import replace

from agents.attested_notices import MATERIAL_HEADER
from agents.notices import Notice, NoticeTopics


class Crashed(Exception):
    """The process ended here."""


class MemorySink:
    """Keeps what is published. A batch may be cut short, as when the broker goes away in the middle of it.

    Attributes:
        fail_after: Notices that still get through before everything fails; None: all do.
    """

    def __init__(self) -> None:
        self.notices: list[Notice] = []
        self.fail_after: int | None = None

    async def publish(self, notices: Sequence[Notice]) -> None:
        """Take the notices."""
        if self.fail_after is not None and len(notices) > self.fail_after:
            self.notices += notices[: self.fail_after]
            raise Crashed
        self.notices += notices

    def topic(self, name: str) -> list[Notice]:
        """What one topic holds, in order."""
        return [notice for notice in self.notices if notice.topic == name]


def topics_of(tenant: str) -> NoticeTopics:
    """A tenant's topics, named as the product names them."""
    return NoticeTopics(f"results.{tenant}", f"audit.{tenant}", f"dead-letters.{tenant}")


def header(notice: Notice, name: str) -> str | None:
    """One header of a notice, which has none twice."""
    found = [value.decode() for each, value in notice.headers if each == name]
    assert len(found) < 2
    return found[0] if found else None


def bare(notice: Notice) -> Notice:
    """The notice without its attestation, whose nonce is new each time it is published."""
    return replace(notice, headers=[header for header in notice.headers if header[0] != MATERIAL_HEADER])


def place(notice: Notice) -> tuple[str, int]:
    """Log and index: what a subscriber de-duplicates by."""
    origin, index = header(notice, "ce_seallog"), header(notice, "ce_sealindex")
    assert origin is not None
    assert index is not None
    return origin, int(index)
