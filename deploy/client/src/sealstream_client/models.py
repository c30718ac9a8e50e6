"""What the service answers, typed.

Members that a newer service adds are ignored; texts for programs stay texts, since it may add words as well: states
of a field, outcomes, reasons.
"""

import datetime as dt
from typing import Any, Generic, TypeVar
from uuid import UUID

import msgspec

T = TypeVar("T")


class Fault(msgspec.Struct, frozen=True):
    """One thing that is wrong with a request: the part of it, and a code."""

    where: str
    what: str


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Problem details (RFC 9457) with the service's code."""

    status: int
    code: str
    detail: str = ""
    faults: tuple[Fault, ...] | None = None


class Field(msgspec.Struct, frozen=True):
    """A field as you may see it.

    Attributes:
        state: `open`, `masked`, `sealed`, `erased` or `shredded`.
        tier: 1 to 5; 5 is the most sensitive.
        value: Of one that is open or masked.
    """

    state: str
    tier: int
    value: str | None = None

    def __repr__(self) -> str:
        return f"Field({self.state!r}, tier {self.tier})"


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A record as you may see it.

    Attributes:
        note: Such as `duplicate`.
        linked: The record that the note speaks of.
        received: When the broker had it.
    """

    record: UUID
    message: UUID
    tenant: str
    domain: str
    type: str
    outcome: str
    received: dt.datetime
    fields: dict[str, Field]
    source: str | None = None
    note: str | None = None
    linked: UUID | None = None


class AccessRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request for fields above somebody's standing tier, and how it stands.

    Attributes:
        digest: What every step signs, hex.
        steps: Who took each step so far.
        next: Whose step is at hand.
    """

    request: UUID
    digest: str
    state: str
    requester: str
    unit: tuple[str, str]
    provider: tuple[str, str]
    kind: str
    fields: list[str]
    records: list[str]
    purpose: str
    reason: str
    basis: str
    level: int
    steps: list[str]
    next: str | None
    made: str
    deadline: str
    ends: str
    used: int
    quota: int


class Log(msgspec.Struct, frozen=True):
    """A log. Get the key that you trust on another way: this is the service's own word."""

    tenant: str
    origin: str
    vkey: str


class Entry(msgspec.Struct, frozen=True):
    """A leaf that a log holds.

    Attributes:
        leaf: Its members.
        body: What was hashed.
        proof: A C2SP tlog-proof.
    """

    index: int
    leaf: dict[str, Any]
    body: str
    proof: str


class Proof(msgspec.Struct, frozen=True):
    """The proof (C2SP tlog-proof) that a log holds a leaf, and the leaf's bytes."""

    origin: str
    index: int
    body: str
    proof: str


class Decided(msgspec.Struct, frozen=True):
    """A review's decision that is committed; the last one of a record counts."""

    record: UUID
    review: UUID
    number: int
    supersedes: UUID | None = None


class Classification(msgspec.Struct, frozen=True):
    """A model's answer about one transaction, with its probability and the model's name."""

    label: str
    confidence: float
    model: str


class Listed(msgspec.Struct, Generic[T], frozen=True):
    """A list as it comes; `next` is where it goes on."""

    data: list[T]
    next: str | int | None = None
