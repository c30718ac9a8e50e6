"""What auditors ask of a log: leaves, and looks with what they showed, some at a time across its shards.

Each question is a look itself, and is in the log before anything is answered.
"""

import asyncio
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import msgspec

from agents.access.look_log import WrittenLook
from agents.access.looks import Disclosures, OpenIds, find_looks
from agents.log.entries import Entry, Question, find_entries
from agents.log.tree import SignedTree
from agents.platform.actor import named_by_pseudonym
from sealstream.api.parts import Parts
from sealstream.audit.log_pages import NoSuchPage
from sealstream.audit.log_reading import Asked, question_of
from security.access.principal import Principal
from security.opening import OpenedField
from streams.storage.log_entries import related
from streams.storage.log_tree import place_of
from streams.storage.sequencing import LogRow
from streams.storage.shards import list_shards

AT_ONCE: Final = 50


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the timeline.

    Attributes:
        who: The actor's name, or the pseudonym where nobody of that pseudonym is registered.
        ids: What a look showed; None of a leaf that is no look, or where the key to the list is shredded.
    """

    tenant: str
    shard: int
    entry: Entry
    who: str | None
    ids: Sequence[UUID] | None = None

    @property
    def text(self) -> str:
        """The leaf, readable."""
        return msgspec.json.format(self.entry.body, indent=1).decode()


@dataclass(frozen=True, slots=True)
class Lines:
    """Some lines, in the order of the log.

    Attributes:
        after: Shard and index at which it goes on; None at the end.
        outside: Origins of shards whose leaves are held elsewhere.
    """

    lines: Sequence[Line]
    after: tuple[int, int] | None
    outside: Sequence[str]


async def tenants_with_logs(parts: Parts) -> list[str]:
    """Whose logs there are."""
    async with parts.database.session(clean=True) as connection:
        return sorted({row.tenant for row in await list_shards(connection)})


async def looks_at(parts: Parts, who: Principal, purpose: str, name: UUID, start: tuple[int, int]) -> Lines | None:
    """Who saw a record, or the message it came in; None where there is no such thing."""
    async with parts.database.session(clean=True) as connection:
        place, about = await place_of(connection, name), {name} | await related(connection, name)
        rows = await list_shards(connection)
    found = [row for row in rows if place is not None and row.log_id == place.log_id]
    look = await parts.desk.look_at_logs(who, purpose, f"looks at {name}", {row.log_id for row in found})
    asked = Asked(None, None, Question())
    return await _gathered(parts, found, asked, start, about, await _opening(parts, look)) if found else None


async def looks_by(parts: Parts, who: Principal, purpose: str, asked: Asked, start: tuple[int, int]) -> Lines | None:
    """What somebody saw in one tenant's log; None where there is no such log."""
    rows, look = await _announced(parts, who, purpose, asked, "looks")
    return await _gathered(parts, rows, asked, start, (), await _opening(parts, look)) if rows else None


async def leaves_of(parts: Parts, who: Principal, purpose: str, asked: Asked, start: tuple[int, int]) -> Lines | None:
    """The leaves of one tenant's log that are asked for; None where there is no such log."""
    rows, _ = await _announced(parts, who, purpose, asked, "entries")
    return await _gathered(parts, rows, asked, start) if rows else None


async def _announced(
    parts: Parts, who: Principal, purpose: str, asked: Asked, what: str
) -> tuple[list[LogRow], WrittenLook]:
    async with parts.database.session(clean=True) as connection:
        rows = await list_shards(connection, asked.tenant)
    return rows, await parts.desk.look_at_logs(who, purpose, what, {row.log_id for row in rows})


async def _opening(parts: Parts, look: WrittenLook) -> OpenIds:
    """What opens the ids that looks showed, for who looks at them."""
    release = await parts.desk.release()

    async def open_ids(tree: SignedTree, stored: Disclosures) -> Mapping[tuple[int, int], OpenedField]:
        return await release.shown_ids(look, tree.row.log_id, stored)

    return open_ids


async def _gathered(
    parts: Parts,
    rows: Sequence[LogRow],
    asked: Asked,
    start: tuple[int, int],
    about: Collection[UUID] = (),
    open_ids: OpenIds | None = None,
) -> Lines:
    """Lines from shard and index on: looks at some records or at all; leaves, where nothing opens what looks showed."""
    lines: list[Line] = []
    names = await _names(parts, rows[0].tenant)
    reached = [row for row in rows if row.shard >= start[0]]
    for row in reached:
        if row.is_dropped:
            continue
        first = start[1] if row.shard == start[0] else 0
        try:
            async with (
                parts.pages.tree(row.tenant, row.shard) as tree,
                aclosing(_lines(parts, tree, asked, first, about, names, open_ids)) as found,
            ):
                async for line in found:
                    if len(lines) == AT_ONCE:
                        return Lines(lines, (row.shard, line.entry.index), _outside(reached))
                    lines.append(line)
        except NoSuchPage:
            continue
    return Lines(lines, None, _outside(reached))


async def _lines(
    parts: Parts,
    tree: SignedTree,
    asked: Asked,
    first: int,
    about: Collection[UUID],
    names: Mapping[str, str],
    open_ids: OpenIds | None,
) -> AsyncGenerator[Line, None]:
    row = tree.row
    question = await asyncio.to_thread(question_of, parts.identity, row.tenant, asked)
    if open_ids is None:
        async for entries in find_entries(tree, question, first):
            for entry in entries:
                yield Line(row.tenant, row.shard, entry, _name(names, entry))
        return
    async for look in find_looks(tree, question, open_ids, about, first):
        yield Line(row.tenant, row.shard, look.entry, _name(names, look.entry), look.ids)


async def _names(parts: Parts, tenant: str) -> Mapping[str, str]:
    people = (await parts.keeper.current()).people
    return await asyncio.to_thread(named_by_pseudonym, parts.identity.keyring, tenant, people)


def _name(names: Mapping[str, str], entry: Entry) -> str | None:
    return names.get(entry.leaf.actor or "", entry.leaf.actor)


def _outside(rows: Sequence[LogRow]) -> list[str]:
    return [row.origin for row in rows if row.is_dropped]
