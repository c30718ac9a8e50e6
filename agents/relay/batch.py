"""What one relay transaction holds: checked leaves of any number of logs, made into signed notices and positions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from agents.lanes.messages import LaneMessage, lane_message
from agents.relay.attested_notices import attest_notices
from agents.relay.notices import Draft, Notice, NoticeTopics, draft_notices, topics_for
from schemas.errors import VerificationFailed
from schemas.leaf import Leaf, decode_leaf
from security.merkle import HASH_BYTES, packed_leaf_hashes
from security.signing import Signer
from streams.storage.relaying import RelayPosition, SequencedCommit, SizedLog


class TamperedLeaf(VerificationFailed):
    """A stored leaf is not the one that was sequenced."""


@dataclass(frozen=True, slots=True)
class NextLeaves:
    """The next leaves of one log, all of them what was sequenced.

    Attributes:
        at: Where the log's publication stands before them.
        leaves: Each with its bytes, in log order; the first has index `at.position`.
        last_hash: Hash of the last of them.
        checkpoint: The newest checkpoint that does not reach beyond them.
    """

    log: SizedLog
    at: RelayPosition
    leaves: Sequence[tuple[Leaf, bytes]]
    last_hash: bytes
    checkpoint: str | None


@dataclass(frozen=True, slots=True)
class RelayBatch:
    """One transaction: what is published, and where each of its logs stands then.

    Attributes:
        lanes: What is to be done later.
    """

    notices: list[Notice]
    lanes: list[LaneMessage]
    positions: Mapping[str, RelayPosition]


def check_leaves(commits: Sequence[SequencedCommit], origin: str, position: int) -> list[tuple[Leaf, bytes]]:
    """The leaves of these commits, which must follow each other from a position on.

    Raises:
        TamperedLeaf: A bundle no longer hashes to what was sequenced, or a place is gone.
        VerificationFailed: A leaf is in no form that this program reads.
    """
    found: list[tuple[Leaf, bytes]] = []
    index = position
    for commit in commits:
        leaves = commit.leaves()
        if commit.first_index != index:
            raise TamperedLeaf(f"index {index} of {origin}: the place of its commit is gone")
        if len(leaves) != commit.leaf_count or packed_leaf_hashes(leaves) != commit.hashes:
            raise TamperedLeaf(f"commit {commit.commit_id} of {origin}: its leaves are not those that were sequenced")
        found += [(decode_leaf(body), body) for body in leaves]
        index += len(leaves)
    return found


def last_hash_of(commits: Sequence[SequencedCommit]) -> bytes:
    """Hash of the last leaf of checked commits."""
    return (commits[-1].hashes or b"")[-HASH_BYTES:]


def make_batch(
    parts: Sequence[NextLeaves],
    topics: Callable[[str], NoticeTopics],
    signer_for: Callable[[SizedLog], Signer],
    traceparent: str | None = None,
) -> RelayBatch:
    """The notices of one transaction, all of them at once, and the positions after it.

    Args:
        topics: Gives a tenant's topics.
        signer_for: Gives the key that signs a log's notices.
        traceparent: Context of the publication's span, where it is traced.
    """
    notices: list[Notice] = []
    lanes: list[LaneMessage] = []
    positions: dict[str, RelayPosition] = {}
    for part in parts:
        outgoing = topics(part.log.tenant)
        drafts: list[Draft] = []
        previous = dict(part.at.previous)
        index = part.at.position
        for leaf, body in part.leaves:
            where = topics_for(leaf, outgoing)
            drafts += draft_notices(where, leaf, body, part.log.origin, index, previous, traceparent)
            previous.update(dict.fromkeys(where, index))
            if leaf.kind == "accepted" and (message := lane_message(leaf, part.log.origin)) is not None:
                lanes.append(message)
            index += 1
        notices += attest_notices(drafts, signer_for(part.log))
        positions[part.log.origin] = RelayPosition(index, previous, part.last_hash, part.checkpoint)
    return RelayBatch(notices, lanes, positions)
