"""One commit while its leaves are compared with its rows: what earlier leaves of it say about later ones."""

from dataclasses import dataclass, field
from typing import Self
from uuid import UUID

import asyncpg

from agents.audit.findings import VerifyReport
from agents.audit.tree import LeafAt
from agents.audit.watermarks import SignedSteps
from schemas.leaf import Leaf
from security.verifiability import VerifiedEvent
from streams.storage.auditing import CommitContents
from streams.storage.auditing_replays import LeafPlace


@dataclass(frozen=True, slots=True)
class LeafInWork:
    """A leaf with its place, and the ids in it.

    Attributes:
        where: Log, index and commit, for findings.
        index: Place in the log.
        ordinal: Position in the commit.
        own_record: Whether the message is the record; a verified message that is refused whole is one too.
    """

    where: str
    index: int
    ordinal: int
    leaf: Leaf
    own_record: bool
    message: UUID | None
    record: UUID | None

    @classmethod
    def of(cls, where: str, at: LeafAt) -> Self:
        """Read the ids; what is no id counts as none."""
        leaf = at.leaf
        message = _uuid(leaf.message)
        if leaf.record == leaf.message:
            return cls(where, at.index, at.ordinal, leaf, message is not None, message, message)
        return cls(where, at.index, at.ordinal, leaf, False, message, _uuid(leaf.record))


@dataclass(frozen=True, slots=True)
class Statement:
    """An accepted message whose records stand in leaves of their own, right after its own leaf.

    Attributes:
        event: The message, where its evidence could be opened and verified.
    """

    ordinal: int
    event: VerifiedEvent | None


@dataclass(slots=True)
class ReplayClaim:
    """What a replay leaf says, until the leaf of its dead letter is read.

    Attributes:
        first: Where that leaf stands.
        message: The row of the message that it took in, or `entry` that of the entry alone; both None otherwise.
        letter_commit: The commit that wrote its dead letter, by its row; None where that does not say.
    """

    at: LeafInWork
    first: LeafPlace
    letter_commit: int | None = None
    message: asyncpg.Record | None = None
    entry: asyncpg.Record | None = None


@dataclass(slots=True)
class Replays:
    """The replays of one commit, by the message or the entry that each says it took in.

    Attributes:
        met: Those whose leaves were met.
    """

    by_message: dict[UUID, ReplayClaim] = field(default_factory=dict)
    by_entry: dict[UUID, ReplayClaim] = field(default_factory=dict)
    met: set[UUID] = field(default_factory=set)

    def kept_name(self, at: LeafInWork) -> bool:
        """Whether the message has had its name since it was refused."""
        claim = self.by_message.get(at.message) if at.message is not None else None
        return claim is not None and claim.at.leaf.linked == at.leaf.message


@dataclass(slots=True)
class CommitInWork:
    """What is known of the commit so far.

    Attributes:
        readable: Whether every leaf is: what stands in one that isn't is then no finding of its own.
        steps: Where its messages came from, by its signature.
        messages: The messages' rows, by the id in their leaves.
        replays: What its leaves say was taken in again; None when it moved watermarks.
    """

    commit_id: int
    readable: bool
    steps: SignedSteps | None
    rows: CommitContents
    statements: dict[UUID, Statement] = field(default_factory=dict)
    messages: dict[UUID, asyncpg.Record] = field(default_factory=dict)
    replays: Replays | None = None

    def only(self, report: VerifyReport, table: str, at: LeafInWork) -> asyncpg.Record | None:
        """The row of a table that belongs to a leaf; a finding when there is none or more than one."""
        rows = self.rows.tables[table].get(at.ordinal)
        if not rows:
            report.add(at.where, f"its row in {table} is gone")
            return None
        if len(rows) > 1:
            report.add(at.where, f"{len(rows)} rows in {table} claim this leaf")
        return rows[0]


def _uuid(text: str | None) -> UUID | None:
    if text is None:
        return None
    try:
        return UUID(text)
    except ValueError:
        return None


def compare_columns(
    report: VerifyReport, at: LeafInWork, row: asyncpg.Record, owner: str, said: dict[str, str | None]
) -> bool:
    """Compare columns with what the leaf says; returns whether all agree."""
    agreed = True
    for column, text in said.items():
        stored = row[column]
        if (None if stored is None else str(stored)) != text:
            report.add(at.where, f"column {column} of its {owner} is not what the leaf says")
            agreed = False
    return agreed
