"""What a person looked at before deciding a record: at a tier, or by their right. The look is in the log by then."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from agents.commits.recording import LABEL_FIELD
from agents.opening.reading import Reader
from agents.reading.desk import Desk
from schemas.errors import ConfigurationError
from security.access.decision import FieldState
from security.access.principal import Principal

REVIEW_TIER: Final = 3
"""The least tier of a reason: it is free text, and what its author saw may be in it."""


@dataclass(frozen=True, slots=True)
class Considered:
    """A record as it was seen.

    Attributes:
        label: State of the model's label; `open` where it was seen.
        label_tier: Of that label, and of the one that supersedes it.
        reason_tier: The highest of what was seen, and at least that of reviews.
    """

    label: str
    label_tier: int
    reason_tier: int


Consider = Callable[[UUID], Awaitable[Considered | None]]
"""Looks at a record; None where there is none for whoever looks."""


def at_tier(reader: Reader, tier: int) -> Consider:
    """Look at that tier, without anybody's right.

    Raises:
        ConfigurationError: The tier is below that of a reason.
    """
    if tier < REVIEW_TIER:
        raise ConfigurationError(f"deciding needs tier {REVIEW_TIER} or above; the reason is sealed at it")

    async def consider(record_id: UUID) -> Considered | None:
        for view in await reader.show(record_id):
            if view.stored.record_id == record_id:
                label = view.fields.get(LABEL_FIELD)
                state = "not there" if label is None else label.state
                return Considered(state, label.tier if label is not None else 0, tier)
        return None

    return consider


def by_right(desk: Desk, who: Principal, purpose: str) -> Consider:
    """Look as somebody, for a purpose."""

    async def consider(record_id: UUID) -> Considered | None:
        for seen in await desk.show(who, purpose, record_id):
            if seen.record == record_id:
                label = seen.fields.get(LABEL_FIELD)
                tiers = [each.tier for each in seen.fields.values() if each.state is FieldState.OPEN]
                state = "not there" if label is None else label.state.value
                return Considered(state, label.tier if label is not None else 0, max(REVIEW_TIER, *tiers))
        return None

    return consider
