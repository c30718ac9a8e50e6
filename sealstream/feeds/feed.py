"""What every feed offers, whatever it reads. Choosing a feed for a name is `sealstream.producing.open_feed`."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from sealstream.feeds.expectation import Expectation
from sealstream.feeds.item import FeedItem


@dataclass(frozen=True, slots=True)
class Ignored:
    """Something a feed holds and does not publish.

    Attributes:
        name: The column, file or rows.
        reason: Why.
    """

    name: str
    reason: str


class Feed(Protocol):
    """Messages to publish, in order."""

    @property
    def name(self) -> str:
        """What a report calls the feed."""

    @property
    def ignored(self) -> tuple[Ignored, ...]:
        """What is left out; known before the first item."""

    @property
    def expectation(self) -> Expectation | None:
        """What the feed must come to, where that is known (samples)."""

    def items(self) -> Iterator[FeedItem]:
        """The messages, the same on every call, made one by one.

        Raises:
            ConfigurationError: The rest of a file can't be read.
        """
