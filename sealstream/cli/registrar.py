"""Opening the key registry for one command."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from agents.keys.registrar import Registrar
from sealstream.attachment import attached_settings
from sealstream.people.author import Author
from sealstream.people.signed_changes import make_change, must_be_signed
from sealstream.wiring import connected, create_all_topics, open_identity

T = TypeVar("T")


def with_registrar(author: Author | None, work: Callable[[Registrar], Awaitable[T]], topics_of: str | None = None) -> T:
    """Make one change.

    Args:
        author: Who makes it; None where nothing is changed.
        topics_of: A tenant whose outgoing topics are made afterwards.
    """

    async def run() -> T:
        settings = attached_settings()
        identity = open_identity(settings)
        async with connected(settings, "keys", connections=2) as database:
            answer = await make_change(
                author or Author(),
                identity,
                lambda actor, warrant: Registrar(database, identity, actor=actor, warrant=warrant),
                work,
                signed=must_be_signed(settings),
            )
        if topics_of is not None and settings.kafka_bootstrap:
            await create_all_topics(settings, [topics_of])
        return answer

    return asyncio.run(run())
