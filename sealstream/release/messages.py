"""What the API asks the key release, and what that answers. How it goes over the socket is sealstream.release.wire.

Messages hold values and keys: none of them shows itself.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

import msgspec

from agents.access.look_log import WrittenLook
from agents.opening.handing import HandedFields
from agents.platform.data_keys import KeyPlace
from agents.release import ShownRecord
from security.access.approval import SignedAct
from security.access.presented import Presented
from security.commitment import Commitments
from security.data_key import NewDataKey
from security.opening import OpenedField
from streams.storage.index_keys import IndexRotation

AWAY: Final = "away"
MALFORMED: Final = "malformed"
FAILED: Final = "failed"


class _Message(msgspec.Struct, frozen=True, tag=True):
    """Base of what is sent: it may hold values or keys, which no text of ours repeats."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class Hello(_Message, frozen=True):
    """Who connects.

    Attributes:
        answer: To the challenge, by that key.
    """

    public_key: bytes
    answer: bytes


class Welcome(_Message, frozen=True):
    """Who that is.

    Attributes:
        certificate: Of the key.
        authority: The key that certifies.
    """

    certificate: bytes
    authority: bytes


class AskDataKeys(_Message, frozen=True):
    """Make data keys."""

    wanted: Sequence[KeyPlace]


class DataKeys(_Message, frozen=True):
    """Those; and how each tenant's values are committed to."""

    keys: Sequence[NewDataKey]
    commitments: Mapping[str, Commitments]


class AskTerms(_Message, frozen=True):
    """Make the blind terms of a value, for somebody."""

    proof: Presented | None
    field: str
    value: str
    rotations: Sequence[IndexRotation]


class Terms(_Message, frozen=True):
    """Each with its log."""

    terms: Sequence[tuple[int, bytes]] | None


class AskRecords(_Message, frozen=True):
    """Open records."""

    look: WrittenLook
    names: Sequence[UUID]


class Records(_Message, frozen=True):
    """In the order asked."""

    records: Sequence[ShownRecord]


class AskHanded(_Message, frozen=True):
    """Open what is handed on."""

    look: WrittenLook
    names: Sequence[UUID]
    evidence: bool


class Handed(_Message, frozen=True):
    """In the order asked."""

    handed: Sequence[HandedFields]


class AskLetter(_Message, frozen=True):
    """Open a dead letter."""

    look: WrittenLook
    name: UUID


class Letter(_Message, frozen=True):
    """Its message."""

    evidence: OpenedField


class AskIds(_Message, frozen=True):
    """Open the ids that looks of these commits showed."""

    look: WrittenLook
    log_id: int
    commits: Sequence[int]


class Ids(_Message, frozen=True):
    """Commit and ordinal of each look, and its ids."""

    ids: Sequence[tuple[int, int, OpenedField]]


class AskSecret(_Message, frozen=True):
    """Give a secret that is no key to any field."""

    tenant: str
    name: str


class AskIssuer(_Message, frozen=True):
    """Give the seed of the embedded issuer."""


class Secret(_Message, frozen=True):
    """That."""

    secret: bytes


class AskVerifier(_Message, frozen=True):
    """Say how the checkpoints of a shard are verified."""

    tenant: str
    shard: int
    key: int


class Verifier(_Message, frozen=True):
    """That."""

    vkey: str


class AskVouched(_Message, frozen=True):
    """Say which rows of access control the platform made: kind, what was agreed, and MAC of each."""

    rows: Sequence[tuple[bytes, bytes, bytes]]


class Vouched(_Message, frozen=True):
    """In the order asked."""

    ours: Sequence[bool]


class Party(msgspec.Struct, frozen=True):
    """Whose console an authenticator signed for; see security.access.assertion."""

    rp_id: str
    origins: tuple[str, ...]


class AskAdopted(_Message, frozen=True):
    """Vouch for a version of the policies, or of an entry of the catalogue, that somebody adopts.

    Attributes:
        entry: Tenant and kind; None for policies.
        party: Counts where this process is not told another.
    """

    entry: tuple[str, str] | None
    act: SignedAct
    party: Party | None


class AskFirstKey(_Message, frozen=True):
    """Vouch for the first key of who asks and has none."""

    proof: Presented | None
    jwk: Mapping[str, str]


class Mac(_Message, frozen=True):
    """That of the row."""

    mac: bytes


class AskReplay(_Message, frozen=True):
    """Take dead letters in again, for somebody."""

    proof: Presented | None
    names: Sequence[UUID]


class ReplayedLetter(msgspec.Struct, frozen=True):
    """What became of one; see agents.replay.Replayed."""

    dead_letter: UUID
    outcome: str | None
    reason: str | None
    record: UUID | None
    message: UUID | None
    problem: bool


class Replays(_Message, frozen=True):
    """Of each, in the order asked."""

    letters: Sequence[ReplayedLetter]


class AskSession(_Message, frozen=True):
    """Log somebody in to the console."""

    proof: Presented


class Session(_Message, frozen=True):
    """What the browser keeps, until when."""

    text: str
    ends: dt.datetime


class AskStanding(_Message, frozen=True):
    """Say whether there are keys that serve."""


class Standing(_Message, frozen=True):
    """That, and if not why not."""

    keys: int
    why: str | None


class Fault(_Message, frozen=True):
    """Nothing is given. The code is a `Refusal`, or one of this module's."""

    code: str


Request = (
    Hello
    | AskDataKeys
    | AskTerms
    | AskRecords
    | AskHanded
    | AskLetter
    | AskIds
    | AskSecret
    | AskIssuer
    | AskVerifier
    | AskVouched
    | AskAdopted
    | AskFirstKey
    | AskReplay
    | AskSession
    | AskStanding
)
Answer = (
    Welcome
    | DataKeys
    | Terms
    | Records
    | Handed
    | Letter
    | Ids
    | Secret
    | Verifier
    | Vouched
    | Mac
    | Replays
    | Session
    | Standing
    | Fault
)


class Asked(msgspec.Struct, frozen=True, array_like=True):
    """A numbered request."""

    number: int
    what: Request


class Answered(msgspec.Struct, frozen=True, array_like=True):
    """The answer to the request of that number."""

    number: int
    what: Answer
