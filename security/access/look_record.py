"""Why a response showed what it showed: every decision behind it, written down so that it can be made again offline.

The leaf of the look commits to it, and it is sealed beside that leaf. One decision is security.access.decision_record.
"""

from typing import Final, Literal

import msgspec

from security.access.decision_record import DecisionRecord, NotReproduced, decide_again
from security.access.policy_set import PolicySet
from security.commitment import Commitments, verify_commitment

_ENCODER: Final = msgspec.json.Encoder(order="sorted")


class LookRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What one leaf of a look speaks of.

    Attributes:
        person: Who looked.
        purpose: What for.
        asked: What they asked: `list`, `show` and an id, `search` and a field; never a value.
        version: Of the policies.
        decisions: Each once: records of one shape share theirs.
        records: Of each record that was decided over: its id, and which of the decisions. Those of a denial were not
            shown; a record that is not there is decided over by none.
        grants: Digests of the requests that opened more of it, each with how many records were read by it.
    """

    v: Literal[1] = 1
    person: str
    purpose: str
    asked: str
    version: int
    decisions: tuple[DecisionRecord, ...]
    records: tuple[tuple[str, tuple[int, ...]], ...]
    grants: tuple[tuple[str, int], ...] = ()

    def encode(self) -> bytes:
        """Its canonical bytes: RFC 8785, no floats."""
        return _ENCODER.encode(self)


def read_look(body: bytes) -> LookRecord:
    """Read one back.

    Raises:
        NotReproduced: It has not the form of one, or another than `encode` gives.
    """
    try:
        record = msgspec.json.decode(body, type=LookRecord)
    except (msgspec.MsgspecError, UnicodeDecodeError) as exc:
        raise NotReproduced("a look's decisions have not the form of any") from exc
    if record.encode() != body:
        raise NotReproduced("a look's decisions are not in canonical form")
    numbers = {number for _, of in record.records for number in of}
    if not numbers <= set(range(len(record.decisions))):
        raise NotReproduced("a look's record names a decision that is not there")
    if any((each.person, each.purpose) != (record.person, record.purpose) for each in record.decisions):
        raise NotReproduced("a look's decisions are somebody else's, or for another purpose")
    return record


def replay_look(
    body: bytes, salt: bytes, commitment: bytes, policies: PolicySet, kind: Commitments = Commitments.SHA256
) -> LookRecord:
    """Make all decisions of a look again, with nothing but what was committed to.

    Args:
        policies: Of the digest that the leaf names.
        kind: How the leaf commits.

    Raises:
        CommitmentMismatch: The record is not what the log committed to.
        NotReproduced: It is no record, was made by other policies, or these say something else.
    """
    verify_commitment(commitment, salt, body, kind)
    record = read_look(body)
    for each in record.decisions:
        decide_again(each, policies)
    return record
