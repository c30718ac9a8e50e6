"""Reading this installation's logs: entries by what they say, looks by whom and at what."""

import asyncio
from collections.abc import Callable, Collection
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from uuid import UUID

from agents.access.keeper import AccessKeeper
from agents.access.looks import Look, find_looks, opened_with
from agents.log.entries import Entry, Question, find_entries
from agents.log.tree import NothingSigned, SignedTree
from agents.platform.actor import named_by_pseudonym, pseudonym
from agents.platform.identity import Identity
from agents.platform.knowledge import ACCESS_TIER
from sealstream.audit.entry_table import writing_table
from sealstream.audit.log_access import in_reach, logs_of
from sealstream.people.principals import Said, acting_person, open_readers
from sealstream.settings import Settings
from sealstream.wiring import connected, open_identity, showing
from streams.storage.log_entries import related
from streams.storage.log_tree import place_of

NOBODY: Final = Said()
"""Nobody is named: who runs the command, or nobody in development where nobody is registered."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of which log.

    Attributes:
        tenant: The one log that is asked; None for all.
        actor: The person's name, from which each log's pseudonym is made.
        question: All the rest.
    """

    tenant: str | None
    actor: str | None
    question: Question


@dataclass(frozen=True, slots=True)
class FoundLook:
    """A look, with the name of who looked where that is among the names that were given."""

    origin: str
    look: Look
    who: str | None


async def read_entries(
    settings: Settings,
    asked: Asked,
    out: Path | None,
    limit: int | None,
    show: Callable[[str, Entry], None],
    said: Said = NOBODY,
) -> int:
    """Show the entries that are asked for, or write them to a table; returns how many.

    Args:
        said: Who reads; nothing sealed is opened, so that only somebody who reads by right leaves a look.

    Raises:
        NotPermitted: Who reads is no auditor.
        ConfigurationError: There is no such log, or the table's name has an unknown ending.
        DamagedLog: A leaf is not the one that was sequenced.
    """
    done = 0
    identity = open_identity(settings)
    async with connected(settings, "entries", connections=2) as database, database.session() as connection:
        if await acting_person(settings, AccessKeeper(database, identity), said) is not None:
            readers = await open_readers(settings, database, identity, said, max_tier=0)
            await readers.look_at_logs(
                "entries", sorted({row.log_id for row in await logs_of(connection, asked.tenant)})
            )
        with ExitStack() as stack:
            write = stack.enter_context(writing_table(out)) if out is not None else None
            for row in in_reach(await logs_of(connection, asked.tenant)):
                try:
                    tree = await SignedTree.newest(connection, row, showing=showing(settings))
                except NothingSigned:
                    continue
                async for entries in find_entries(tree, question_of(identity, row.tenant, asked)):
                    wanted = entries if limit is None else entries[: limit - done]
                    done += len(wanted)
                    if write is not None:
                        await asyncio.to_thread(write, row.origin, wanted)
                    else:
                        for entry in wanted:
                            show(row.origin, entry)
                    if limit is not None and done >= limit:
                        return done
    return done


async def read_looks(
    settings: Settings,
    asked: Asked,
    name: UUID | None,
    known: Collection[str],
    show: Callable[[FoundLook], None],
    said: Said = NOBODY,
) -> int:
    """Show who looked: at a record or its message where one is named, once that look is in the log too.

    Args:
        known: Names of people, to name those who looked.
        said: Who asks.

    Raises:
        ConfigurationError: There is no such log.
        DamagedLog: A leaf, or what it disclosed, is not what was sequenced.
    """
    done = 0
    identity = open_identity(settings)
    async with connected(settings, "looks", connections=2) as database:
        readers = await open_readers(settings, database, identity, said, max_tier=0)
        async with database.session() as connection:
            rows = await logs_of(connection, asked.tenant)
            about = set() if name is None else {name} | await related(connection, name)
            place = await place_of(connection, name) if name is not None else None
        # Who saw what is worth protecting as the records are.
        if readers.acting is None and place is not None and name is not None:
            await readers.reader.log_look("search", {place.log_id: [name]})
        else:
            logs = sorted({row.log_id for row in rows}) if place is None else [place.log_id]
            await readers.look_at_logs("looks" if name is None else f"looks at {name}", logs)
        open_ids = opened_with(readers.knowledge.access_keys, ACCESS_TIER)
        async with database.session() as connection:
            for row in in_reach(rows):
                try:
                    tree = await SignedTree.newest(connection, row, showing=showing(settings))
                except NothingSigned:
                    continue
                names = named_by_pseudonym(identity.keyring, row.tenant, known)
                question = question_of(identity, row.tenant, asked)
                async for look in find_looks(tree, question, open_ids, about):
                    show(FoundLook(row.origin, look, names.get(look.entry.leaf.actor or "")))
                    done += 1
    return done


def question_of(identity: Identity, tenant: str, asked: Asked) -> Question:
    """The question as one log understands it: people by their pseudonyms there."""
    if asked.actor is None:
        return asked.question
    return replace(asked.question, actor=pseudonym(identity.keyring, tenant, asked.actor))
