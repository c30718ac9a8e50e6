"""Reading a log as an auditor does: the leaves that a question is about, each proved against a signed checkpoint.

What is given is what the log holds; that nothing was left out is what `audit verify` establishes. Opening what looks
disclosed is agents.access.looks.
"""

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from agents.log.tree import DamagedLog, SignedTree
from schemas.errors import VerificationFailed
from schemas.leaf import Leaf, decode_leaf
from schemas.model_reference import read_references
from security.merkle import RootMismatch, WrongProofLength, leaf_hash, verify_inclusion
from security.proof import TlogProof
from streams.storage.log_entries import StoredLeaf, leaves_with

PROVED_AT_ONCE: Final = 1_000


@dataclass(frozen=True, slots=True)
class Question:
    """Which leaves are wanted; None and empty ask for all.

    Attributes:
        name: Id of a record, message or dead letter: the leaves about it, or that point to it.
        source: CloudEvents source.
        signer: Key id.
        actor: Pseudonym, as the log has it.
        kinds: Of the leaf, any of these.
        model: `name`, `name@version`, or the digest.
        type: CloudEvents type.
        since: RFC 3339 in UTC with milliseconds, inclusive.
        until: Likewise, exclusive.
    """

    name: str | None = None
    source: str | None = None
    signer: str | None = None
    actor: str | None = None
    kinds: Collection[str] = ()
    model: str | None = None
    type: str | None = None
    since: str | None = None
    until: str | None = None

    def texts(self) -> list[list[bytes]]:
        """What a leaf that is wanted has in it, one text of each group."""
        exact = {"actor": self.actor, "source": self.source, "type": self.type}
        groups = [[_member(name, value)] for name, value in exact.items() if value is not None]
        if self.kinds:
            groups.append([_member("kind", kind) for kind in sorted(self.kinds)])
        return groups + [[_inside(value)] for value in (self.name, self.model, self.signer) if value is not None]

    def wants(self, leaf: Leaf) -> bool:
        """Whether the leaf is among those that are asked for."""
        return (
            (self.name is None or self.name in (leaf.record, leaf.message, leaf.linked))
            and (self.source is None or leaf.source == self.source)
            and (self.signer is None or self.signer in (leaf.signer or "").split(","))
            and (self.actor is None or leaf.actor == self.actor)
            and (not self.kinds or leaf.kind in self.kinds)
            and (self.model is None or _names_model(leaf.model or "", self.model))
            and (self.type is None or leaf.type == self.type)
            and (self.since is None or leaf.time >= self.since)
            and (self.until is None or leaf.time < self.until)
        )


@dataclass(frozen=True, slots=True)
class Entry:
    """A leaf that the log holds, with the proof that it does.

    Attributes:
        ordinal: Within its commit.
        body: The leaf's bytes.
    """

    index: int
    ordinal: int
    body: bytes
    leaf: Leaf
    proof: TlogProof


async def find_entries(tree: SignedTree, question: Question, start: int = 0) -> AsyncIterator[list[Entry]]:
    """The leaves that are asked for, in the order of the log, some at a time.

    Args:
        start: The first index that is looked at.

    Raises:
        DamagedLog: A leaf is not the one that was sequenced.
    """
    base = tree.row.start
    end = base + tree.checkpoint.size
    async for stored in leaves_with(tree.connection, tree.row.log_id, end, question.texts(), base + start):
        found = [replace(each, index=each.index - base) for each in stored]
        wanted = [(each, leaf) for each in found if question.wants(leaf := _decode(tree, each))]
        for at in range(0, len(wanted), PROVED_AT_ONCE):
            yield await _proved(tree, wanted[at : at + PROVED_AT_ONCE])


async def _proved(tree: SignedTree, found: Sequence[tuple[StoredLeaf, Leaf]]) -> list[Entry]:
    proofs = await tree.inclusion([stored.index for stored, _ in found])
    size, root = tree.checkpoint.size, tree.checkpoint.root
    for (stored, _), proof in zip(found, proofs, strict=True):
        try:
            verify_inclusion(leaf_hash(stored.body), stored.index, size, proof.path, root)
        except (RootMismatch, WrongProofLength) as exc:
            raise _damaged(tree, stored.index) from exc
    return [
        Entry(stored.index, stored.ordinal, stored.body, leaf, proof)
        for (stored, leaf), proof in zip(found, proofs, strict=True)
    ]


def _decode(tree: SignedTree, stored: StoredLeaf) -> Leaf:
    try:
        return decode_leaf(stored.body)
    except VerificationFailed as exc:
        raise _damaged(tree, stored.index) from exc


def _damaged(tree: SignedTree, index: int) -> DamagedLog:
    return DamagedLog(
        f"log {tree.row.origin}: the leaf at index {index} is not the one that was sequenced; "
        "run `sealstream audit verify`"
    )


def _member(name: str, value: str) -> bytes:
    return b'"%b":%b' % (name.encode(), msgspec.json.encode(value))


def _inside(value: str) -> bytes:
    """A text as it stands within a JSON string."""
    return msgspec.json.encode(value)[1:-1]


def _names_model(said: str, asked: str) -> bool:
    """Whether a leaf's `model`, which may be several, is the one that is asked for, by name, version or digest."""
    return any(
        asked in (each.name, f"{each.name}@{each.version}", each.digest, str(each)) for each in read_references(said)
    )
