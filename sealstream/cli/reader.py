"""Opening a reader for one command."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import TypeVar

from agents.erasing import erase_again
from agents.platform import load_knowledge
from agents.reading import Reader
from sealstream.attachment import attached_settings
from sealstream.wiring import connected, open_identity

T = TypeVar("T")


def with_reader(
    tier: int, read: Callable[[Reader], Awaitable[T]], domains: Collection[tuple[str, str]] | None = None
) -> T:
    """Run one reading at a tier, as the person who runs the command.

    Args:
        domains: Tenant and domain of the owners whose keys this process may hold; None for all.
    """

    async def run() -> T:
        settings = attached_settings()
        identity = open_identity(settings)
        async with connected(settings, "read", connections=2) as database:
            async with database.session() as connection:
                await erase_again(connection)
            knowledge = await load_knowledge(database, identity, max_tier=tier, domains=domains)
            return await read(Reader(database, identity, knowledge, identity.new_worker(), tier=tier))

    return asyncio.run(run())
