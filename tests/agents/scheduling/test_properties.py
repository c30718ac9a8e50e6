"""What holds of every policy, whatever comes and whatever fails."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.scheduling.assignment import Assignment, Policy
from agents.scheduling.baselines import EARLIEST_DEADLINE, FIFO, ROUND_ROBIN
from agents.scheduling.latency import LOG_UNIT
from agents.scheduling.queues import Shelf, ShelfKey
from agents.scheduling.ranking import SPARE, WEIGHTS, YIELD
from agents.scheduling.scheduler import ATTEMPTS, Scheduler
from agents.scheduling.simulation import Outage, Simulation
from agents.scheduling.slack_policy import SlackPolicy
from agents.scheduling.work import Modality, Urgency, WorkItem
from tests.support.scheduling import MODEL, PROFILES, Checked, as_predicted, device, fleet, item, queues

POLICIES = [
    pytest.param(SlackPolicy(), id="slack"),
    pytest.param(SlackPolicy(patience_us=1_000, aged_every=2, linger_us=0), id="impatient"),
    pytest.param(FIFO, id="fifo"),
    pytest.param(ROUND_ROBIN, id="round-robin"),
    pytest.param(EARLIEST_DEADLINE, id="edf"),
]


@st.composite
def loads(draw: st.DrawFn) -> list[WorkItem]:
    count = draw(st.integers(1, 40))
    made = []
    for number in range(count):
        arrived = draw(st.integers(0, 60_000))
        made.append(
            WorkItem(
                id=f"i{number}",
                modality=draw(st.sampled_from([Modality.TEXT, Modality.PDF])),
                urgency=draw(st.sampled_from(list(Urgency))),
                model=draw(st.sampled_from([*PROFILES, MODEL])),
                tokens=draw(st.integers(1, 300)),
                size=draw(st.integers(0, 2_000)),
                arrived=arrived,
                deadline=arrived + draw(st.integers(0, 200_000)),
            )
        )
    return made


FLEETS = st.lists(
    st.builds(
        lambda slots, express, weight, most, budget: {
            "slots": slots,
            "express": express,
            "weight": weight,
            "max_items": most,
            "token_budget": budget,
        },
        st.integers(1, 3),
        st.booleans(),
        st.sampled_from([500, 1_000, 4_000]),
        st.integers(1, 16),
        st.sampled_from([64, 256, 1_024]),
    ),
    min_size=1,
    max_size=4,
)
OUTAGES = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 80_000), st.integers(0, 400_000)), max_size=3)


@pytest.mark.parametrize("policy", POLICIES)
@given(items=loads(), kinds=FLEETS, outages=OUTAGES, seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_nothing_is_lost_doubled_or_too_much_for_a_device(
    policy: Policy, items: list[WorkItem], kinds: list[dict[str, int]], outages: list[tuple[int, int, int]], seed: int
) -> None:
    devices = fleet(*[device(f"d{number}", **kind) for number, kind in enumerate(kinds)])
    down = [Outage(f"d{which}", begins, begins + length) for which, begins, length in outages if which < len(kinds)]
    scheduler = Scheduler(Checked(policy, seed), devices)
    outcome = Simulation(scheduler, as_predicted, down).run(items)
    ended = [
        *(done.item.id for done in outcome.done),
        *(each.id for each, _ in outcome.refused),
        *(each.id for each in outcome.given_up),
    ]
    assert Counter(ended) == Counter(each.id for each in items)
    assert len(scheduler) == 0
    assert all(each.attempts == ATTEMPTS for each in outcome.given_up)
    tried = Counter(each.id for _, a in outcome.started if a.explanation.why != "probe" for each in a.items)
    assert all(count <= ATTEMPTS for count in tried.values())


@given(
    items=loads(), now=st.integers(60_000, 90_000), linger=st.sampled_from([0, 2_000, 40_000]), count=st.integers(1, 3)
)
@settings(max_examples=150, deadline=None)
def test_the_first_batch_is_of_the_shelf_that_comes_first_by_the_rule(
    items: list[WorkItem], now: int, linger: int, count: int
) -> None:
    policy = SlackPolicy(linger_us=linger, fill_us=0)
    waiting = queues([], now)
    for each in items:
        waiting.add(each, each.arrived, work=each.tokens, share=1, alone=each.size % 7 == 0)
    for taken in {each.id for each in items[::5]}:
        waiting.remove(taken)
    if not len(waiting):
        return
    devices = fleet(*[device(f"d{number}") for number in range(count)])

    def rule(shelf: Shelf) -> tuple[int, ShelfKey]:
        first = shelf.by_start[0]
        slack = max(first.start - now, 0)
        priority = devices.latencies.log_density[shelf.model] - WEIGHTS[shelf.key.queue.urgency]
        lets_others_go = now - first.since < linger and slack > SPARE * linger
        return priority + slack * LOG_UNIT // policy.horizon_us + (YIELD if lets_others_go else 0), shelf.key

    made = policy.step(now, waiting, devices)
    priority, key = min(map(rule, waiting.shelves.values()))
    assert made[0].explanation.priority == priority
    assert made[0].explanation.queue == str(key.queue)
    assert made[0].items[0] == waiting.shelves[key].by_start[0].item
    assert sum(shelf.key.queue == group.queue for group in waiting.groups for shelf in group.by_start()) == len(
        waiting.shelves
    )


@given(
    older=st.integers(0, 12),
    every=st.integers(2, 5),
    flood=st.lists(st.sampled_from([Urgency.HIGH, Urgency.NORMAL]), min_size=1, max_size=8),
)
@settings(max_examples=60, deadline=None)
def test_what_has_waited_beyond_patience_starts_within_the_bound(older: int, every: int, flood: list[Urgency]) -> None:
    policy = SlackPolicy(patience_us=10_000, aged_every=every, linger_us=0, fill_us=0)
    scheduler = Scheduler(policy, fleet(device(max_items=1)))
    waiting = [item(number, urgency=Urgency.LOW) for number in range(older + 1)]
    for each in waiting:
        assert scheduler.offer(each, 0).item is not None
    now, batches, number = 10_001, 0, 1_000
    while waiting[-1].id in scheduler.queues:
        for urgency in flood:  # more than the device can do, all of it more urgent
            number += 1
            scheduler.offer(item(number, urgency=urgency, arrived=now, deadline=now + 10**9), now)
        (started,) = scheduler.assign(now)
        batches += 1
        now += started.assignment.predicted
        scheduler.completed(started.number, started.assignment.predicted)
    assert batches <= every * (older + 1)


def test_without_ageing_the_same_flood_starves_it() -> None:
    scheduler = Scheduler(SlackPolicy(patience_us=10**12, linger_us=0), fleet(device(max_items=1)))
    scheduler.offer(item(0, urgency=Urgency.LOW), 0)
    now = 20_000
    for number in range(1, 200):
        scheduler.offer(item(number, urgency=Urgency.HIGH, arrived=now, deadline=now + 10**9), now)
        (started,) = scheduler.assign(now)
        now += started.assignment.predicted
        scheduler.completed(started.number, started.assignment.predicted)
    assert "i0" in scheduler.queues


def makespan(lengths: list[int], count: int) -> tuple[int, list[Assignment]]:
    scheduler = Scheduler(SlackPolicy(), fleet(*[device(f"d{n}", max_items=4) for n in range(count)]))
    items = [item(number, tokens=length) for number, length in enumerate(lengths)]
    outcome = Simulation(scheduler, as_predicted).run(items)
    assert len(outcome.done) == len(items)
    return outcome.ended, [assignment for _, assignment in outcome.started]


@given(st.integers(1, 60), st.integers(1, 5))
@settings(max_examples=40, deadline=None)
def test_one_more_equal_device_never_ends_equal_work_later(items: int, devices: int) -> None:
    assert makespan([16] * items, devices + 1)[0] <= makespan([16] * items, devices)[0]


@given(st.lists(st.integers(1, 256), min_size=1, max_size=40), st.integers(1, 5))
@settings(max_examples=40, deadline=None)
def test_one_more_device_never_costs_more_than_the_longest_batch(lengths: list[int], devices: int) -> None:
    fewer, batches = makespan(lengths, devices)
    more, others = makespan(lengths, devices + 1)
    assert more <= fewer + max(each.predicted for each in [*batches, *others])


@given(
    st.lists(st.tuples(st.integers(1, 64), st.integers(1_000, 60_000)), min_size=1, max_size=30),
    st.integers(1_000, 40_000),
)
@settings(max_examples=80, deadline=None)
def test_no_item_is_made_late_by_those_that_join_its_batch(kinds: list[tuple[int, int]], longest: int) -> None:
    items = [item(number, tokens=tokens, deadline=due) for number, (tokens, due) in enumerate(kinds)]
    devices = fleet(device())
    (assignment,) = SlackPolicy(longest_us=longest).step(0, queues(items), devices)
    alone = devices.latencies.worst(MODEL, "d0", max(each.tokens for each in assignment.items) + 8, 1)
    together = devices.latencies.worst(MODEL, "d0", assignment.tokens, len(assignment.items))
    assert len(assignment.items) == 1 or together <= longest
    assert all(together <= each.deadline or alone > each.deadline for each in assignment.items)
