"""Run an audit of completeness with what this installation has: its database, its keyring, the producer's list."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from uuid import UUID

from agents.completeness import CompletenessAudit, CompletenessReport, ListedMessage, Period, read_list
from agents.opening.reading import Reader
from agents.platform.knowledge import load_knowledge
from schemas.errors import ConfigurationError
from sealstream.settings import Settings
from sealstream.wiring import connected, open_identity


async def completeness(
    settings: Settings, question: UUID | Period, *, tier: int, listing: Path | None = None, actor: str | None = None
) -> CompletenessReport:
    """Compare a closing, or a period, with what came in; the look is logged as one of this user's.

    Args:
        question: Record id of a closing, or a source and a period.
        tier: Evidence above it stays sealed.
        listing: The producer's list.
        actor: Who looks; the user of this process by default.
    """
    identity = open_identity(settings)
    async with connected(settings, "read", connections=2) as database:
        knowledge = await load_knowledge(database, identity, max_tier=tier)
        reader = Reader(database, identity, knowledge, identity.new_worker(), tier=tier, actor=actor)
        audit = CompletenessAudit(database, knowledge, tier, partial(reader.log_look, "read"))
        reading = _reading(listing) if listing is not None else None
        if isinstance(question, UUID):
            return await audit.of_closing(question, reading)
        return await audit.of_period(question, reading)


def _reading(listing: Path) -> Callable[[str], Sequence[ListedMessage]]:
    def read(source: str) -> Sequence[ListedMessage]:
        try:
            with listing.open("rb") as file:
                return read_list(file, source)
        except OSError as exc:
            raise ConfigurationError(f"the list {str(listing)!r} can't be read: {exc.strerror}") from exc

    return read
