"""What a response shows, while it is selected."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar
from uuid import UUID

from agents.access.response import Decided, Response
from streams.storage.database import Reach
from streams.storage.reading import Cursor


class Item(Protocol):
    """Something that can be shown: a record, a message, a dead letter."""

    @property
    def name(self) -> UUID:
        """Its id."""
        ...

    @property
    def log_id(self) -> int:
        """Of the log that has its leaf."""
        ...

    @property
    def decided(self) -> Decided:
        """How it may be seen."""
        ...


Shown = TypeVar("Shown", bound=Item)


@dataclass(slots=True)
class Selection(Generic[Shown]):
    """What a response shows.

    Attributes:
        reach: Whose rows the database shows for it.
        denied: What was found, and is not shown.
        next: Where the next page begins.
    """

    reach: Reach
    shown: list[Shown] = field(default_factory=list)
    denied: list[tuple[UUID, Decided]] = field(default_factory=list)
    next: Cursor | None = None

    def add(self, response: Response, item: Shown) -> None:
        """Show an item, if anything of it may be seen."""
        if item.decided.decision.opens:
            self.shown.append(item)
            response.take(item.decided)
        else:
            self.denied.append((item.name, item.decided))

    def by_log(self) -> dict[int, Sequence[tuple[UUID, Decided]]]:
        """What is shown, by log."""
        found: dict[int, list[tuple[UUID, Decided]]] = {}
        for each in self.shown:
            found.setdefault(each.log_id, []).append((each.name, each.decided))
        return dict(found)
