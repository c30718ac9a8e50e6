"""Opening the model registry for one command."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from agents.models.curator import Curator
from schemas.errors import ConfigurationError
from sealstream.attachment import attached_settings
from sealstream.people.author import Author
from sealstream.people.signed_changes import make_change, must_be_signed
from sealstream.wiring import connected, model_store, open_identity

T = TypeVar("T")


def with_curator(author: Author | None, work: Callable[[Curator], Awaitable[T]]) -> T:
    """Look at the registry, or change it as its author, if there is one."""

    async def run() -> T:
        settings = attached_settings()
        store = model_store(settings)
        if store is None:
            raise ConfigurationError("no model store: set SEALSTREAM_MODEL_STORE or SEALSTREAM_DATA_DIR")
        async with connected(settings, "models", connections=2) as database:
            identity = open_identity(settings)
            return await make_change(
                author or Author(),
                identity,
                lambda actor, warrant: Curator(database, identity, store, actor=actor, warrant=warrant),
                work,
                signed=must_be_signed(settings),
            )

    return asyncio.run(run())
