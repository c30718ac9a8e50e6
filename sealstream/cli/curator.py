"""Opening the model registry for one command."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from agents.models.curator import Curator
from schemas.errors import ConfigurationError
from sealstream.attachment import attached_settings
from sealstream.wiring import connected, model_store, open_identity

T = TypeVar("T")


def with_curator(actor: str | None, work: Callable[[Curator], Awaitable[T]]) -> T:
    """Look at the registry or change it, as a person."""

    async def run() -> T:
        settings = attached_settings()
        store = model_store(settings)
        if store is None:
            raise ConfigurationError("no model store: set SEALSTREAM_MODEL_STORE or SEALSTREAM_DATA_DIR")
        async with connected(settings, "models", connections=2) as database:
            return await work(Curator(database, open_identity(settings), store, actor=actor))

    return asyncio.run(run())
