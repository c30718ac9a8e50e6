"""Which device takes a shelf's batch: those on which it can start, and the one that would be done with it first."""

from itertools import filterfalse
from typing import Final

from agents.scheduling.batching import Step
from agents.scheduling.device import Device
from agents.scheduling.places import Places, Slots
from agents.scheduling.queues import Shelf

FOREVER: Final = 1 << 62


def able_devices(step: Step, places: Places, shelf: Shelf) -> list[Device]:
    """The devices on which a batch of a shelf can start.

    An item's last try has a device to itself; when it finds none, the next one to be idle is kept for it.
    """
    model, tokens = shelf.model, shelf.key.tokens
    able = [each for each in places.of(shelf.group).free if model in each.models and tokens <= each.token_budget]
    if places.are_apart and shelf.group.is_urgent:
        # Of equal ones where it makes nothing wait.
        able = [*filter(step.is_idle, able), *filterfalse(step.is_idle, able)]
    if not shelf.key.alone:
        return able
    idle = [each for each in able if step.is_idle(each)]
    if able and not idle:
        first = min(able, key=lambda each: (max([run.until for run in each.running], default=0), each.name))
        step.for_one.add(first.name)
        places.keep_for_one(first)
    return idle


def first_done(
    step: Step, shelf: Shelf, count: int, able: list[Device], busy: dict[str, int]
) -> tuple[Device, int, bool]:
    """Which healthy device would be done first with a batch of so many, in how many µs, and whether it is free.

    Args:
        able: The free ones among them; they win a tie.
        busy: Microseconds until devices are free that get, or are left, a batch in this step.
    """
    model, length, now = shelf.key.model, shelf.key.tokens, step.now
    predict = step.fleet.latencies.predict
    best, best_done, is_free = able[0], FOREVER, True
    urgent = shelf.group.is_urgent
    for device in able:
        took = predict(model, device.name, count * length, count) * 1_000 // device.weight
        if device.express and not urgent:
            took += max(device.express_until(now), 0)
        if took < best_done:
            best, best_done = device, took
    for end, device in step.fleet.by_end(model, urgent=urgent):
        if end - now >= best_done:
            break
        # What is overdue is taken to need as long again as it is over.
        wait = busy.get(device.name) or (abs(end - now) if end else FOREVER)
        if wait < best_done and length <= device.token_budget:
            took = predict(model, device.name, count * length, count) * 1_000 // device.weight
            if wait + took < best_done:
                best, best_done, is_free = device, wait + took, False
    return best, best_done, is_free


def holds_up(step: Step, device: Device, urgent: Slots, model: str, bear_us: int) -> bool:
    """Whether urgent work that came next would have to wait for this device, all others being busy for longer."""
    busy = urgent.busy
    others = [each for each in step.fleet.by_end(model, urgent=True) if each[1].name != device.name]
    waits = [busy.get(other.name) or (abs(end - step.now) if end else 0) for end, other in others]
    return bool(waits) and min(waits) > bear_us
