"""Opening what reads for one command: by a person's right, or at a tier."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

if TYPE_CHECKING:
    from agents.opening.reading import Reader
    from agents.reading.desk import Desk
    from sealstream.people.principals import Acting, Said

T = TypeVar("T")

As = Annotated[str | None, typer.Option("--as", help="Id of who reads; by default who runs the command, if registered")]
Purpose = Annotated[str | None, typer.Option(help="What for, in the word that the policies use")]
Tier = Annotated[
    int | None,
    typer.Option(min=1, max=5, help="Read at a tier, without anybody's right: not in production. Its default is 1"),
]


def read_by(
    said: "Said",
    at_tier: "Callable[[Reader], Awaitable[T]]",
    by_right: "Callable[[Desk, Acting], Awaitable[T]]",
    domains: Collection[tuple[str, str]] | None = None,
) -> T:
    """Run one reading, as it was asked for.

    Args:
        domains: Tenant and domain of the owners whose keys this process may hold; None for all.
    """
    from agents.upkeep.erasing import erase_again
    from sealstream.attachment import attached_settings
    from sealstream.people.principals import open_readers
    from sealstream.wiring import connected, open_identity

    async def run() -> T:
        settings = attached_settings()
        identity = open_identity(settings)
        async with connected(settings, "read", connections=2) as database:
            async with database.session() as connection:
                await erase_again(connection)
            readers = await open_readers(settings, database, identity, said, domains)
            return await readers.read(at_tier, by_right)

    return asyncio.run(run())


def with_reader(tier: int, read: "Callable[[Reader], Awaitable[T]]") -> T:
    """Run a reading for which people have no rights of their own yet; at a tier, and not in production."""
    from sealstream.people.principals import Said

    async def nobodys(desk: "Desk", acting: "Acting") -> T:
        raise RuntimeError("a tier was named")

    return read_by(Said(tier=tier), read, nobodys)
