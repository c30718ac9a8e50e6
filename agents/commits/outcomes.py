"""What the stages make of a frame: one outcome for each message, in offset order, ready to be committed.

Nothing here decides; the stages fill these in and agents.intake.committer writes them down.
"""

import datetime as dt
from dataclasses import dataclass, field

import msgspec

from agents.commits.leaves import LogRef
from agents.commits.observation import UNWATCHED, FrameWatch
from agents.commits.routing import Plan
from schemas.errors import Rejection
from schemas.leaf import Span
from schemas.transaction import Transaction
from security.commitment import Commitments
from security.data_key import WrappedDataKey
from security.sealing import SealedRecord
from security.verifiability import VerifiedEvent
from streams.storage.watermarks import WatermarkStep


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose data a message is: the tenant with its log, and the domain within it."""

    log: LogRef
    domain: str


# A Struct, not a frozen dataclass: one is built for each record, and this takes a tenth of the time.
class Place(msgspec.Struct, frozen=True, gc=False):
    """Where a message stands in Kafka, and when.

    Attributes:
        stamped_at: The record's timestamp, by whoever set it; the epoch when that is no date.
        received_at: The moment by which keys are judged: the broker's, where it stamps records itself, else ours.
    """

    topic: str
    partition: int
    offset: int
    stamped_at: dt.datetime
    received_at: dt.datetime


@dataclass(slots=True)
class Item:
    """One record of a message: what a result row and its leaf are made from.

    Attributes:
        n: Position within a statement message; None when the message itself is the record.
        type: The record's CloudEvents type.
        catalogue_type: What the catalogue lists its fields under: the type, or a registered record's schema.
        values: Field name to canonical bytes, sorted by name; cleared once sealed.
        transaction: The decoded transaction, where the record is one: the input of inference.
        terms: (field, blind term) of searchable fields.
    """

    record_id: bytes
    n: int | None
    type: str
    catalogue_type: str
    outcome: str
    values: list[tuple[str, bytes]]
    transaction: Transaction | None = None
    entry_token: bytes | None = None
    rejection: Rejection | None = None
    model: str | None = None
    sealed: SealedRecord | None = None
    terms: list[tuple[str, bytes]] = field(default_factory=list)


@dataclass(slots=True)
class MessageOutcome:
    """What became of one message.

    Attributes:
        message_id: The message's record id when verified, else the id of its place.
        event: The verified view; None when the message failed verification and so may claim nothing.
        identity: Keyed digest that tells a repeat from a contradiction; None when unverified.
        rejection: Why the whole message is refused, if it is.
        header_outcome: For a statement: how its balances came out; its items follow it.
        deferral: What is to be done with it later; it is accepted then, and has no items yet.
        evidence: The bytes as received, packed; sealed into `sealed_evidence`.
        digest: Commitment to the Verifiability digests.
        commitments: How all its values are committed to.
        passed_over: Where this stands for a batch that can't be unpacked, and not for a message: the offsets it takes.
        count: How many records that batch has, where it tells.
        sequence: Its number within its source, where it has a signed one.
    """

    owner: Owner
    place: Place
    message_id: bytes
    evidence: bytes
    event: VerifiedEvent | None = None
    identity: bytes | None = None
    rejection: Rejection | None = None
    header_outcome: str | None = None
    deferral: Plan | None = None
    items: list[Item] = field(default_factory=list)
    sealed_evidence: SealedRecord | None = None
    digest: bytes | None = None
    commitments: Commitments = Commitments.SHA256
    pass_id: int = 0
    passed_over: Span | None = None
    count: int | None = None
    sequence: int | None = None


@dataclass(frozen=True, slots=True)
class FrameOutcome:
    """A processed frame: where it moves its partition, what its messages became, and the keys that sealed them.

    Attributes:
        registry: Revision of the key registry by which the messages were judged.
        watch: Is told of its commit.
    """

    step: WatermarkStep
    messages: list[MessageOutcome]
    data_keys: list[WrappedDataKey]
    registry: int
    watch: FrameWatch = UNWATCHED


def refuse_item(message: MessageOutcome, item: Item, rejection: Rejection) -> None:
    """Reject one record: a statement's entry alone, or the message where it is the record itself."""
    if item.n is None:
        message.rejection = rejection
        message.items = []
    else:
        item.rejection = rejection
        item.entry_token = None
