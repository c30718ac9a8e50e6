"""Gathering: urgent work waits on its shelf for company, while the devices compute what is in their ordinary slots."""

from collections.abc import Iterable

from agents.scheduling.batching import Step
from agents.scheduling.device import Device, room
from agents.scheduling.queues import Queues, Shelf
from agents.scheduling.work import Urgency


def gathers(step: Step, able: Iterable[Device], shelf: Shelf, queues: Queues, *, gather_us: int, spare_us: int) -> bool:
    """Whether an urgent shelf waits: not for too long, not without slack, not a full batch, not while a device is idle.

    Args:
        able: Devices on which it could start.
        spare_us: The slack that it needs for that.
    """
    if shelf.key.alone or step.now - shelf.since >= gather_us or shelf.start - step.now <= spare_us:
        return False
    if any(len(shelf.by_start) >= room(shelf.key.tokens, each.max_items, each.token_budget) for each in able):
        return False
    others_wait = any(queues.work[each] for each in Urgency if each is not Urgency.HIGH)
    return others_wait or not any(step.is_idle(each) for each in able)


def next_gathered(now: int, queues: Queues, gather_us: int) -> int | None:
    """When the next shelf has gathered for long enough."""
    gathering = [group for group in queues.groups if group.urgency == Urgency.HIGH]
    ends = [shelf.since + gather_us for group in gathering for shelf in group.by_start()]
    return min([end for end in ends if end > now], default=None)
