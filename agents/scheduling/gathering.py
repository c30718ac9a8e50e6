"""Gathering: urgent work waits on its shelf for company, while the devices compute what is in their ordinary slots."""

from agents.scheduling.batching import Step
from agents.scheduling.device import Device, room
from agents.scheduling.places import Places
from agents.scheduling.queues import Queues, Shelf


def gathering(step: Step, places: Places, queues: Queues, gather_us: int, spare_us: int) -> list[Shelf]:
    """The shelves that wait in this step: only where nothing is idle for it, and only for express slots.

    Args:
        gather_us: So long at most.
        spare_us: The slack that they need for that.
    """
    since, start, free = step.now - gather_us, step.now + spare_us, places.urgent.free
    others_wait = any(group.by_start() for group in queues.groups if not group.is_urgent)
    if not others_wait and any(step.is_idle(each) for each in free):
        return []
    return [
        shelf
        for group in queues.groups
        if group.is_urgent
        for shelf in group.by_start()
        if shelf.since > since and shelf.start > start and not shelf.key.alone and _is_short_for(free, shelf)
    ]


def _is_short_for(free: list[Device], shelf: Shelf) -> bool:
    """Whether these devices could take it in express slots only, and none of them a full batch of it."""
    model, tokens, waiting = shelf.model, shelf.key.tokens, len(shelf.by_start)
    for device in free:
        if model not in device.models or tokens > device.token_budget:
            continue
        if not device.express or waiting >= room(tokens, device.max_items, device.token_budget):
            return False
    return True


def next_gathered(now: int, queues: Queues, gather_us: int) -> int | None:
    """When the next shelf has gathered for long enough."""
    groups = [group for group in queues.groups if group.is_urgent]
    ends = [shelf.since + gather_us for group in groups for shelf in group.by_start()]
    return min([end for end in ends if end > now], default=None)
