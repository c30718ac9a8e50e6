"""How a document is processed: now, or later in a lane; how urgently, until when, by which models. Pure."""

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from agents.inference.engine import ModelIdentity
from agents.inference.model_store import identities_in_force
from agents.inference.slots import Slot, choose
from agents.scheduling.work import Modality, Urgency
from schemas.events import AttributeValue
from schemas.leaf import Leaf
from security.field_binding import EVIDENCE_FIELD
from streams.storage.models import ModelRow

URGENCY: Final = "urgency"
"""A signed CloudEvents extension: `high`, `normal` or `low`. Anything else, and nothing, is normal."""

DEADLINES: Final[Mapping[Urgency, dt.timedelta]] = {
    Urgency.HIGH: dt.timedelta(seconds=5),
    Urgency.NORMAL: dt.timedelta(minutes=1),
    Urgency.LOW: dt.timedelta(minutes=15),
}
"""From the moment a document was received to when its answer should be there."""

DEFERRED: Final = "deferred"
"""Outcome of the `accepted` leaf of a record that waits in a lane."""

LANES: Final = tuple(f"{Modality.TEXT.value}.{urgency.label}" for urgency in Urgency)
"""The lanes there are, the most urgent first."""

_BY_LABEL: Final = {urgency.label: urgency for urgency in Urgency}


class Plan(msgspec.Struct, frozen=True):
    """What is to be done with a record later. Members are declared in sorted order: that order is the RFC 8785 form.

    Attributes:
        deadline: RFC 3339 in UTC, milliseconds.
        lane: Modality and urgency.
        models: `name@version` of each that has to answer.
    """

    deadline: str
    lane: str
    models: tuple[str, ...]

    def text(self) -> str:
        """Canonical JSON: the `decision` of the leaf that accepts the record."""
        return msgspec.json.encode(self).decode()


def read_plan(text: str | None) -> Plan | None:
    """The plan in a leaf's decision; None where there is none."""
    try:
        return msgspec.json.decode(text or "", type=Plan)
    except msgspec.MsgspecError:
        return None


def postponed(plan: Plan, now: dt.datetime) -> Plan:
    """The same plan, with the time that it has from now on."""
    return msgspec.structs.replace(plan, deadline=_moment(now + DEADLINES[urgency_of(plan.lane)]))


def _moment(at: dt.datetime) -> str:
    return at.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def urgency_of(lane: str) -> Urgency:
    """How urgent a lane's work is."""
    return _BY_LABEL[lane.rpartition(".")[2]]


def ends_deferred(leaf: Leaf) -> bool:
    """Whether a leaf ends a record that an earlier one accepted: it commits to none of its message's bytes."""
    return (
        leaf.kind in ("result", "rejected")
        and leaf.message is not None
        and leaf.record == leaf.message
        and EVIDENCE_FIELD not in (leaf.fields or {})
    )


class Router:
    """Plans documents, for models that are in force; without any there is no router.

    Args:
        models: The text models in force, by name; each is asked about each text.
    """

    def __init__(self, models: Mapping[str, Slot[ModelIdentity]]) -> None:
        self._models = [models[name] for name in sorted(models)]

    def plan_text(self, record_id: bytes, urgency: AttributeValue | None, received_at: dt.datetime) -> Plan:
        """The plan for a text document.

        Args:
            record_id: Decides which records a candidate on trial answers.
            urgency: What the producer signed about it.
        """
        chosen = _BY_LABEL.get(urgency, Urgency.NORMAL) if isinstance(urgency, str) else Urgency.NORMAL
        return Plan(
            _moment(received_at + DEADLINES[chosen]),
            f"{Modality.TEXT.value}.{chosen.label}",
            tuple(choose(slot, record_id).full_name for slot in self._models),
        )


def router_for(rows: Iterable[ModelRow]) -> Router | None:
    """Plans documents by the registry; None when no text model is in force: then they are stored and not read.

    Raises:
        ConfigurationError: A row of the registry is damaged.
    """
    models = identities_in_force(rows, Modality.TEXT.value)
    return Router(models) if models else None
