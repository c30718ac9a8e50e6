"""What is in work: records with the lane messages that brought them, and the answers they still wait for. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from agents.commits.routing import urgency_of
from agents.inference.text_model import PreparedText
from agents.lanes.answers import Answered
from agents.lanes.claims import OpenedText
from agents.lanes.prefix import Prefix
from agents.scheduling.work import Modality, Urgency, WorkItem
from streams.storage.deferring import Waiting, WaitingRecord

MAX_RECORDS: Final = 512
MAX_BYTES: Final = 64 << 20
"""In work at once. Less urgent lanes stop being read before: normal at three quarters, low at half of either."""

WINDOW: Final = 2_048
"""Messages of one partition beyond its finished prefix; so many at most are looked at again after a crash."""

_SHARES: Final[Mapping[Urgency, float]] = {Urgency.HIGH: 1.0, Urgency.NORMAL: 0.75, Urgency.LOW: 0.5}

Place = tuple[Prefix, int]
"""A partition and an offset."""


@dataclass(slots=True)
class InWork:
    """One record.

    Attributes:
        taken_us: When it was taken, by the worker's clock.
        deadline_us: Its deadline, by the same clock.
        places: The lane messages that end with it.
        wanted: Full names of the models here that have to answer.
        missing: Whether another one has to, that is not here.
        prepared: What each of them is given, as far as that is made.
        offered: Models the scheduler holds an item for.
        answers: What models answered, by the same name.
    """

    record: WaitingRecord
    opened: OpenedText
    taken_us: int
    deadline_us: int
    places: list[Place] = field(default_factory=list)
    wanted: list[str] = field(default_factory=list)
    missing: bool = False
    prepared: dict[str, PreparedText] = field(default_factory=dict)
    offered: set[str] = field(default_factory=set)
    answers: dict[str, Answered] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether all models have answered."""
        return not self.missing and self.answers.keys() == set(self.wanted)

    def item(self, model: str, now: int) -> WorkItem:
        """What the scheduler is offered for one model."""
        prepared = self.prepared[model]
        return WorkItem(
            f"{self.record.record_id}/{self.record.commit_id}/{model}",
            Modality.TEXT,
            urgency_of(self.record.lane),
            model,
            prepared.tokens,
            self.opened.size,
            now,
            self.deadline_us,
        )

    def to_offer(self) -> list[str]:
        """Models that it is not offered for yet."""
        return [model for model in self.prepared if model not in self.offered and model not in self.answers]


class Desk:
    """The records in work.

    Attributes:
        bytes: Of their messages.
    """

    def __init__(self) -> None:
        self._records: dict[Waiting, InWork] = {}
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._records)

    def __contains__(self, name: Waiting) -> bool:
        return name in self._records

    def get(self, name: Waiting) -> InWork | None:
        """A record in work."""
        return self._records.get(name)

    def add(self, work: InWork) -> None:
        """Take a record into work."""
        self._records[work.record.name] = work
        self.bytes += work.opened.size

    def remove(self, work: InWork) -> bool:
        """It has ended; False when it had before."""
        if self._records.pop(work.record.name, None) is None:
            return False
        self.bytes -= work.opened.size
        return True

    def all(self) -> list[InWork]:
        """All of them, in the order they were taken."""
        return list(self._records.values())

    def has_room(self, urgency: Urgency) -> bool:
        """Whether records of this urgency may be taken."""
        share = _SHARES[urgency]
        return len(self._records) < share * MAX_RECORDS and self.bytes < share * MAX_BYTES
