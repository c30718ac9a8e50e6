"""Who saw a record, and what somebody saw: the looks in a log, with the ids that each of them disclosed.

The ids are sealed beside the leaf that commits to them. Reading them is a look of its own: whoever asks logs it first.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

import msgspec

from agents.access.look_log import IDS_FIELD, disclosure_name
from agents.log.entries import Entry, Question, find_entries
from agents.log.tree import DamagedLog, SignedTree
from agents.platform.data_keys import DataKeyCache
from agents.platform.knowledge import ACCESS_DOMAIN
from schemas.errors import VerificationFailed
from security.merkle import leaf_hash, tree_root
from security.opening import FieldOpener, OpenedField
from security.tier_keys import TierKeys
from streams.storage.log_entries import StoredDisclosure, disclosures_of

LOOKS: Final = ("deny", "export", "read", "search")

_IDS: Final = msgspec.msgpack.Decoder(list[bytes])


Disclosures = Mapping[tuple[int, int], StoredDisclosure]
"""What was sealed beside looks of one log, by commit and ordinal."""

OpenIds = Callable[[SignedTree, Disclosures], Awaitable[Mapping[tuple[int, int], OpenedField]]]
"""Opens the ids beside looks, as far as there are any."""


def opened_with(access_keys: TierKeys, max_tier: int) -> OpenIds:
    """Open ids with keys of this process.

    Args:
        max_tier: Of the reader.
    """

    async def open_them(tree: SignedTree, stored: Disclosures) -> Mapping[tuple[int, int], OpenedField]:
        data_keys = DataKeyCache()
        await data_keys.load(tree.connection, {each.pass_id for each in stored.values()})
        return ids_beside(FieldOpener(access_keys, data_keys.get, max_tier), stored)

    return open_them


def ids_beside(opener: FieldOpener, stored: Disclosures) -> Mapping[tuple[int, int], OpenedField]:
    """The ids beside looks; nothing else of what is sealed there is opened."""
    opened = {}
    for (commit_id, ordinal), each in stored.items():
        name = disclosure_name(commit_id)
        found = opener.open_record(each.tenant, ACCESS_DOMAIN, name, each.pass_id, each.sealed, {IDS_FIELD})
        if IDS_FIELD in found:
            opened[commit_id, ordinal] = found[IDS_FIELD]
    return opened


@dataclass(frozen=True, slots=True)
class Look:
    """A response that showed records.

    Attributes:
        ids: What it showed, records or messages; None where the key that sealed the list is shredded.
    """

    entry: Entry
    ids: tuple[UUID, ...] | None


async def find_looks(
    tree: SignedTree,
    question: Question,
    open_ids: OpenIds,
    about: Collection[UUID] = (),
    start: int = 0,
) -> AsyncIterator[Look]:
    """The looks that are asked for, in the order of the log.

    Args:
        open_ids: Opens what the looks showed.
        about: Only those that showed one of these, or whose ids can't be opened any more; empty: all.
        start: The first index that is looked at.

    Raises:
        DamagedLog: A leaf is not the one that was sequenced, or its ids are missing or not those it commits to.
        SealBroken: The ids beside a leaf were altered.
    """
    async for entries in find_entries(tree, replace(question, kinds=LOOKS), start):
        stored = await disclosures_of(tree.connection, tree.row.log_id, {entry.leaf.commit for entry in entries})
        wanted = {place: stored[place] for entry in entries if (place := (entry.leaf.commit, entry.ordinal)) in stored}
        opened = await open_ids(tree, wanted)
        for entry in entries:
            ids = _ids(tree, entry, opened.get((entry.leaf.commit, entry.ordinal)))
            if not about or ids is None or not set(about).isdisjoint(ids):
                yield Look(entry, ids)


def _ids(tree: SignedTree, entry: Entry, field: OpenedField | None) -> tuple[UUID, ...] | None:
    if field is None:
        raise _damaged(tree, entry, "the ids it disclosed are not there")
    if field.state == "shredded":
        return None
    try:
        ids = _IDS.decode(field.value if field.value is not None else b"")
        if (entry.leaf.count, entry.leaf.unit) != (len(ids), tree_root([leaf_hash(each) for each in ids]).hex()):
            raise VerificationFailed("other ids")
        return tuple(UUID(bytes=each) for each in ids)
    except (msgspec.MsgspecError, VerificationFailed, ValueError) as exc:
        raise _damaged(tree, entry, "the ids beside it are not those it disclosed") from exc


def _damaged(tree: SignedTree, entry: Entry, what: str) -> DamagedLog:
    return DamagedLog(f"log {tree.row.origin}, index {entry.index}: {what}; run `sealstream audit verify`")
