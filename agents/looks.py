"""Who saw a record, and what somebody saw: the looks in a log, with the ids that each of them disclosed.

The ids are sealed beside the leaf that commits to them. Reading them is a look of its own: whoever asks logs it first.
"""

from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

import msgspec

from agents.data_keys import DataKeyCache
from agents.log_entries import Entry, Question, find_entries
from agents.log_tree import DamagedLog, SignedTree
from agents.look_log import IDS_FIELD
from agents.platform import ACCESS_DOMAIN
from schemas.errors import VerificationFailed
from security.merkle import leaf_hash, tree_root
from security.sealing import FieldOpener
from security.tier_keys import TierKeys
from streams.storage.log_entries import StoredDisclosure, disclosures_of

LOOKS: Final = ("deny", "export", "read", "search")

_IDS: Final = msgspec.msgpack.Decoder(list[bytes])


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
    access_keys: TierKeys,
    max_tier: int,
    about: Collection[UUID] = (),
    start: int = 0,
) -> AsyncIterator[Look]:
    """The looks that are asked for, in the order of the log.

    Args:
        access_keys: Open the ids.
        max_tier: Of the reader.
        about: Only those that showed one of these, or whose ids can't be opened any more; empty: all.
        start: The first index that is looked at.

    Raises:
        DamagedLog: A leaf is not the one that was sequenced, or its ids are missing or not those it commits to.
        SealBroken: The ids beside a leaf were altered.
    """
    data_keys = DataKeyCache()
    opener = FieldOpener(access_keys, data_keys.get, max_tier)
    async for entries in find_entries(tree, replace(question, kinds=LOOKS), start):
        stored = await disclosures_of(tree.connection, tree.row.log_id, {entry.leaf.commit for entry in entries})
        await data_keys.load(tree.connection, {each.pass_id for each in stored.values()})
        for entry in entries:
            ids = _open(tree, entry, stored.get((entry.leaf.commit, entry.ordinal)), opener)
            if not about or ids is None or not set(about).isdisjoint(ids):
                yield Look(entry, ids)


def _open(
    tree: SignedTree, entry: Entry, stored: StoredDisclosure | None, opener: FieldOpener
) -> tuple[UUID, ...] | None:
    if stored is None:
        raise _damaged(tree, entry, "the ids it disclosed are not there")
    name = entry.leaf.commit.to_bytes(16, "big")
    field = opener.open_record(stored.tenant, ACCESS_DOMAIN, name, stored.pass_id, stored.sealed).get(IDS_FIELD)
    if field is not None and field.state == "shredded":
        return None
    try:
        ids = _IDS.decode(field.value if field is not None and field.value is not None else b"")
        if (entry.leaf.count, entry.leaf.unit) != (len(ids), tree_root([leaf_hash(each) for each in ids]).hex()):
            raise VerificationFailed("other ids")
        return tuple(UUID(bytes=each) for each in ids)
    except (msgspec.MsgspecError, VerificationFailed, ValueError) as exc:
        raise _damaged(tree, entry, "the ids beside it are not those it disclosed") from exc


def _damaged(tree: SignedTree, entry: Entry, what: str) -> DamagedLog:
    return DamagedLog(f"log {tree.row.origin}, index {entry.index}: {what}; run `sealstream audit verify`")
