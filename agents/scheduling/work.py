"""What is scheduled: items of work and the urgency of each. Queueing them is `queues`, deciding on them a policy."""

import enum

import msgspec


class Modality(enum.StrEnum):
    """What an item's payload is; with the urgency it names a queue, and a lane."""

    IMAGE = "image"
    PDF = "pdf"
    TEXT = "text"
    TRANSACTION = "transaction"


class Urgency(enum.IntEnum):
    """How soon an answer is wanted; a lower number is sooner."""

    HIGH = 0
    NORMAL = 1
    LOW = 2

    @property
    def label(self) -> str:
        """As in the name of a lane."""
        return self.name.lower()


class WorkItem(msgspec.Struct, frozen=True, gc=False):
    """One record that a model has to answer. All times are microseconds of the caller's clock.

    Attributes:
        id: Unique among all items that a scheduler holds.
        tokens: What the model works on, in units of its profile; a batch is padded to its longest item.
        size: Of the payload, in bytes.
        arrived: When the platform took it in.
        deadline: When the answer should be there.
        attempts: How many batches with this item have failed.
    """

    id: str
    modality: Modality
    urgency: Urgency
    model: str
    tokens: int
    size: int
    arrived: int
    deadline: int
    attempts: int = 0
