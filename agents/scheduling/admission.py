"""Whether an item is taken: admit, shed to a later urgency, or refuse with a reason; and how much more may be fetched.

The test is Clockwork's: don't begin what will be late (Gujarati et al., OSDI 2020, section 4.3), by the work that goes
before it. Since a late answer to a record is worth more than none, what can't be in time becomes less urgent first, and
is refused when even that is hopeless. Back-pressure comes before refusals: `room` shrinks as the backlog grows, and a
lane isn't fetched from when there is none.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

import msgspec

from agents.scheduling.device import Device, Health
from agents.scheduling.fleet import Fleet
from agents.scheduling.queues import Queues
from agents.scheduling.work import Urgency, WorkItem

ALLOWANCES: Final[Mapping[Urgency, int]] = {
    Urgency.HIGH: 100_000,
    Urgency.NORMAL: 2_000_000,
    Urgency.LOW: 60_000_000,
}
"""Microseconds after its arrival that an item gets when it is shed to an urgency."""

Reason = Literal["known", "no_device", "overloaded", "queue_full", "too_long"]


class Admission(msgspec.Struct, frozen=True):
    """What was decided about an item.

    Attributes:
        item: As it is queued: shed, it has another urgency and deadline. None when it was refused.
        reason: Why it was refused; a leaf can say so.
        wait: Microseconds of waiting that were predicted, at the urgency it was queued under or last tried at.
    """

    item: WorkItem | None
    reason: Reason | None
    wait: int

    def shed_from(self, offered: WorkItem) -> bool:
        """Whether it is queued less urgently than it was offered."""
        return self.item is not None and self.item.urgency != offered.urgency


@dataclass(frozen=True, slots=True)
class Limits:
    """What may wait.

    Attributes:
        items: Items; more are refused.
        backlog_us: Microseconds that the fleet needs for its backlog, beyond which no more should be fetched.
    """

    items: int = 10_000
    backlog_us: int = 2_000_000
    allowances: Mapping[Urgency, int] = field(default_factory=lambda: ALLOWANCES)


@dataclass(frozen=True, slots=True)
class Work:
    """What an item costs, in microseconds, on the fastest device: by itself, and as its share of a full batch."""

    alone: int
    share: int


def work_of(item: WorkItem, length: int, fleet: Fleet) -> Work | None:
    """What an item costs; None when no device can ever take it. Degraded devices count: they may come back.

    Args:
        length: Its tokens, rounded as on its shelf.
    """
    able = [each for each in fleet.devices.values() if each.takes(item.model, length)]
    if not able:
        return None
    healthy = [each for each in able if each.health is Health.HEALTHY] or able
    predict = fleet.latencies.predict
    _, _, best = min([(predict(item.model, each.name, length, 1), each.name, each) for each in healthy])
    full = min(best.max_items, best.token_budget // length)
    share = predict(item.model, best.name, full * length, full) // full
    return Work(fleet.latencies.worst(item.model, best.name, length, 1), max(share, 1))


def admit(
    item: WorkItem, length: int, work: Work | None, now: int, queues: Queues, fleet: Fleet, limits: Limits
) -> Admission:
    """Decide about an item that is not queued yet."""
    if work is None:
        served = any(item.model in each.models for each in fleet.devices.values())
        return Admission(None, "too_long" if served else "no_device", 0)
    able = fleet.healthy(item.model, length)
    if not able:
        # A device is tried again with an item: without any it would stay degraded for ever.
        return Admission(None, "no_device", 0) if len(queues) else Admission(item, None, 0)
    if len(queues) >= limits.items:
        return Admission(None, "queue_full", 0)
    slots = sum(each.slots for each in able)
    wait = 0
    for urgency in Urgency:
        if urgency < item.urgency:
            continue
        shed = urgency is not item.urgency
        deadline = max(item.deadline, item.arrived + limits.allowances[urgency]) if shed else item.deadline
        before = sum(queues.work[each] for each in Urgency if each <= urgency)
        urgent = urgency is Urgency.HIGH
        idle = any(each.has_room_for_urgent() if urgent else each.has_room() for each in able)
        begun = sum(_begun(each, now, urgent=urgent) for each in able)
        wait = (before + (0 if idle and not before else begun)) // slots
        if now + wait + work.alone <= deadline:
            queued = msgspec.structs.replace(item, urgency=urgency, deadline=deadline) if shed else item
            return Admission(queued, None, wait)
    return Admission(None, "overloaded", wait)


def _begun(device: Device, now: int, *, urgent: bool) -> int:
    """Microseconds of what runs on a device and is computed before an item that comes."""
    if urgent and device.express:
        return max(device.express_until(now), 0)
    ordinary = [max(run.until - now, 0) for run in device.running if not run.express]
    return sum(ordinary) if ordinary else max(device.express_until(now), 0)


def room(queues: Queues, fleet: Fleet, limits: Limits) -> int:
    """How many more items should be fetched now, by what those that wait cost on average."""
    slots = sum(each.slots for each in fleet.devices.values() if each.health is Health.HEALTHY)
    if not slots:
        return 0 if len(queues) else 1  # to try a device with
    left = max(limits.items - len(queues), 0)
    waiting = sum(queues.work.values())
    if not waiting:
        return left
    spare = max(limits.backlog_us * slots - waiting, 0)
    return min(left, spare * len(queues) // waiting)
