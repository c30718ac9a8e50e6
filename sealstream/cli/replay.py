"""Opening a replayer for one command."""

from collections.abc import AsyncIterator, Sequence
from uuid import UUID

from agents.inference.transaction_kind import load_default_engine
from agents.platform.knowledge import load_knowledge
from agents.replay import Replayed, Replayer
from schemas.reasons import Reason
from sealstream.attachment import attached_settings
from sealstream.wiring import connected, model_store, open_identity


async def replayed(names: Sequence[UUID], reason: Reason | None) -> AsyncIterator[Replayed]:
    """Replay dead letters by id, or all open ones of a reason, as the person who runs the command."""
    settings = attached_settings()
    identity = open_identity(settings)
    async with connected(settings, "replay", connections=2) as database:
        knowledge = await load_knowledge(database, identity)
        worker, engine = identity.new_worker(), load_default_engine()
        replayer = Replayer(database, identity, knowledge, worker, engine, store=model_store(settings))
        async for each in replayer.replay_reason(reason) if reason is not None else replayer.replay(names):
            yield each
