"""Work, devices and a checked policy for tests of the scheduler."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from agents.scheduling.assignment import Assignment, Policy
from agents.scheduling.device import Device, Health
from agents.scheduling.fleet import Fleet
from agents.scheduling.latency import Latencies, ModelProfile
from agents.scheduling.queues import Queues
from agents.scheduling.slack_policy import SlackPolicy
from agents.scheduling.work import Modality, Urgency, WorkItem

MODEL = "encoder"
PROFILES = {MODEL: ModelProfile(1_000, 10_000), "kind": ModelProfile(100, 1_000)}
FAR = 10**12


def item(number: int, *, urgency: Urgency = Urgency.NORMAL, arrived: int = 0, **other: object) -> WorkItem:
    plain = WorkItem(f"i{number}", Modality.TEXT, urgency, MODEL, 16, 80, arrived, FAR)
    return replace_struct(plain, **other)


def replace_struct(plain: WorkItem, **changes: object) -> WorkItem:
    values = {name: getattr(plain, name) for name in WorkItem.__struct_fields__}
    return WorkItem(**(values | changes))


def device(name: str = "d0", **other: object) -> Device:
    return replace(Device(name, frozenset(PROFILES)), **other)


def fleet(*devices: Device) -> Fleet:
    return Fleet(devices, Latencies(PROFILES))


def queues(items: Sequence[WorkItem], now: int = 0, work: int = 1_000) -> Queues:
    found = Queues()
    for each in items:
        found.add(each, now, work=work, share=work)
    return found


def as_predicted(assignment: Assignment) -> int:
    return assignment.predicted


@dataclass(frozen=True)
class Checked:
    """A policy whose every answer is held against what holds of all policies."""

    inner: Policy
    seed: int = 0

    def step(self, now: int, waiting: Queues, devices: Fleet) -> tuple[Assignment, ...]:
        before = {key: list(shelf.by_start) for key, shelf in waiting.shelves.items()}, dict(devices.devices)
        answer = self.inner.step(now, waiting, devices)
        assert before == ({key: list(shelf.by_start) for key, shelf in waiting.shelves.items()}, devices.devices)
        assert self.inner.step(now, shuffled(waiting, self.seed), reordered(devices, self.seed)) == answer
        ids = [each.id for assignment in answer for each in assignment.items]
        assert len(ids) == len(set(ids))
        assert all(each in waiting for each in ids)
        for assignment in answer:
            self.check(assignment, devices.devices[assignment.device], now)
        for name, one in devices.devices.items():
            for express, slots in ((False, one.slots), (True, int(one.express))):
                given = sum(each.device == name and each.express is express for each in answer)
                running = sum(run.express is express for run in one.running)
                assert running + given <= slots or not given
            here = [each for each in answer if each.device == name]
            if isinstance(self.inner, SlackPolicy) and any(each.alone for each in (*here, *one.running)):
                assert len(one.running) + len(here) == 1
        return answer

    def next_call(self, now: int, waiting: Queues, devices: Fleet) -> int | None:
        return self.inner.next_call(now, waiting, devices)

    def check(self, assignment: Assignment, one: Device, now: int) -> None:
        assert 0 < len(assignment.items) <= one.max_items
        assert assignment.tokens == len(assignment.items) * max(each.tokens for each in assignment.items)
        assert assignment.tokens <= one.token_budget
        assert all(each.model in one.models for each in assignment.items)
        assert len({each.model for each in assignment.items}) == 1
        assert one.health is not Health.PROBING
        if one.health is Health.DEGRADED:
            assert len(assignment.items) == 1
            assert assignment.explanation.why == "probe"
            assert one.probe_at <= now
        else:
            assert assignment.explanation.why != "probe"


def shuffled(waiting: Queues, seed: int) -> Queues:
    """The same queues with their shelves in another order."""
    copy = Queues()
    copy.__dict__.update(waiting.__dict__)
    keys = list(waiting.shelves)
    random.Random(seed).shuffle(keys)
    copy.shelves = {key: waiting.shelves[key] for key in keys}
    return copy


def reordered(devices: Fleet, seed: int) -> Fleet:
    """The same devices in another order."""
    names = list(devices.devices)
    random.Random(seed).shuffle(names)
    return Fleet([devices.devices[name] for name in names], devices.latencies)
