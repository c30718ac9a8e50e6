"""Devices with an express slot: what is urgent goes before what has begun, and nothing else changes."""

import msgspec
import pytest

from agents.scheduling.device import Health, Running
from agents.scheduling.scheduler import ATTEMPTS, Fault, Scheduler, Started
from agents.scheduling.simulation import Interruption, Simulation
from agents.scheduling.slack_policy import SlackPolicy
from agents.scheduling.work import Urgency, WorkItem
from tests.support.scheduling import MODEL, PROFILES, as_predicted, device, fleet, item, queues

HIGH = Urgency.HIGH
GATHER = 6_000
AT_ONCE = SlackPolicy(linger_us=0, fill_us=0, gather_us=0)
LONG = PROFILES[MODEL].prior(1_000)
SHORT = PROFILES[MODEL].prior(16)


def express(name: str = "d0", **other: object) -> Scheduler:
    return Scheduler(AT_ONCE, fleet(device(name, express=True, **other)))


def offered(one: Scheduler, *items: WorkItem, now: int = 0) -> list[Started]:
    for each in items:
        assert one.offer(each, now).reason is None
    return one.assign(now)


def long_work(number: int = 1) -> WorkItem:
    return item(number, tokens=1_000)


def urgent(number: int = 2, **other: object) -> WorkItem:
    return item(number, urgency=HIGH, **other)


def test_urgent_work_starts_beside_what_has_begun_and_says_so() -> None:
    one = express()
    (bulk,) = offered(one, long_work())
    (second,) = offered(one, urgent(), now=50)
    assert (second.assignment.device, second.assignment.express) == ("d0", True)
    assert second.assignment.explanation.slot == "express"
    assert bulk.assignment.explanation.slot == "ordinary"
    assert not bulk.assignment.express
    assert offered(one, urgent(3), long_work(4), now=60) == []  # both slots are taken


def test_neither_kind_of_work_goes_into_the_other_slot() -> None:
    one = express()
    assert [each.assignment.express for each in offered(one, urgent(), urgent(3, tokens=200))] == [True]
    one = express()
    assert [each.assignment.express for each in offered(one, item(1), item(2, tokens=200))] == [False]


def test_urgent_work_and_other_work_share_no_batch() -> None:
    made = SlackPolicy(linger_us=0, gather_us=0).step(0, queues([urgent(1), item(2)]), fleet(device(express=True)))
    assert {each.express: [one.id for one in each.items] for each in made} == {True: ["i1"], False: ["i2"]}


def test_a_device_without_express_slot_explains_itself_as_before() -> None:
    (made,) = AT_ONCE.step(0, queues([urgent()]), fleet(device()))
    assert "slot" not in msgspec.json.decode(made.explanation.text())
    (made,) = AT_ONCE.step(0, queues([urgent()]), fleet(device(express=True)))
    text = made.explanation.text()
    assert text.encode() == msgspec.json.encode(msgspec.json.decode(text), order="sorted")
    assert msgspec.json.decode(text)["slot"] == "express"


def test_in_a_mixed_fleet_urgent_work_passes_where_it_can_and_else_takes_what_is_free() -> None:
    devices = fleet(device("a", express=True), device("b"))
    one = Scheduler(AT_ONCE, devices)
    assert len(offered(one, long_work(1), item(2, tokens=600, model="kind"))) == 2
    (passing,) = offered(one, urgent(3), now=10)
    assert (passing.assignment.device, passing.assignment.express) == ("a", True)
    busy = fleet(device("a", express=True).started(Running(1, 10**6, express=True)), device("b"))
    (other,) = AT_ONCE.step(0, queues([urgent(4)]), busy)
    assert (other.device, other.express, other.explanation.slot) == ("b", False, msgspec.UNSET)


def test_what_is_interrupted_is_expected_later_by_what_the_urgent_work_takes() -> None:
    one = express()
    offered(one, long_work())
    (second,) = offered(one, urgent(), now=50)
    (bulk,) = [run for run in one.fleet.devices["d0"].running if not run.express]
    assert (bulk.until, bulk.held_us) == (LONG + SHORT, SHORT)
    one.completed(second.number, 4 * SHORT)
    (bulk,) = one.fleet.devices["d0"].running
    assert (bulk.until, bulk.held_us) == (LONG + 4 * SHORT, 4 * SHORT)


def test_what_begins_beside_urgent_work_is_expected_after_it() -> None:
    one = express()
    offered(one, urgent())
    (bulk,) = offered(one, long_work(), now=SHORT // 2)
    (run,) = [run for run in one.fleet.devices["d0"].running if run.number == bulk.number]
    assert run.until == SHORT + LONG


def test_a_batch_that_stood_still_for_too_long_is_brought_to_its_end_first() -> None:
    policy = SlackPolicy(linger_us=0, gather_us=0, patience_us=1_000)
    held = device(express=True).started(Running(1, 10**6, held_us=1_001))
    assert policy.step(0, queues([urgent()]), fleet(held)) == ()
    (made,) = policy.step(0, queues([urgent()]), fleet(held.finished(1)))
    assert made.express


def test_a_flood_of_urgent_work_does_not_keep_other_work_from_its_end() -> None:
    """More of it than the device can do, for ever: without the bound the long document would never be done."""
    policy = SlackPolicy(linger_us=0, gather_us=0, patience_us=20 * SHORT)
    one = Scheduler(policy, fleet(device(express=True, max_items=1)))
    flood = [urgent(number, arrived=number * SHORT // 2) for number in range(2, 400)]
    outcome = Simulation(one, as_predicted).run([long_work(), *flood])
    (done,) = [each.at for each in outcome.done if each.item.id == "i1"]
    assert done <= LONG + 22 * SHORT
    assert len(outcome.done) == 399


def test_urgent_work_gathers_while_the_device_has_other_work_and_not_otherwise() -> None:
    policy = SlackPolicy(linger_us=0, gather_us=GATHER)
    busy = fleet(device(express=True).started(Running(1, 10**6)))
    waiting = queues([urgent()], now=100)
    assert policy.step(100 + GATHER - 1, waiting, busy) == ()
    assert policy.next_call(100, waiting, busy) == 100 + GATHER
    assert len(policy.step(100 + GATHER, waiting, busy)) == 1
    assert len(policy.step(100, waiting, fleet(device(express=True)))) == 1
    assert policy.next_call(100, waiting, fleet(device())) is None
    pressed = queues([urgent(deadline=1_100)], now=100)
    assert len(SlackPolicy(gather_us=GATHER).step(100, pressed, busy)) == 1
    full = fleet(device(express=True, max_items=2).started(Running(1, 10**6)))
    assert len(policy.step(100, queues([urgent(2), urgent(3)], now=100), full)[0].items) == 2


def test_urgent_work_does_not_gather_where_an_ordinary_device_can_take_it() -> None:
    policy = SlackPolicy(linger_us=0, gather_us=GATHER)
    busy = device("a", express=True).started(Running(1, 10**6))
    waiting = queues([urgent(), item(3)], now=100)
    assert any(made.items[0].id == "i2" for made in policy.step(100, waiting, fleet(busy, device("b"))))
    other = device("b", models=frozenset({"kind"}))
    assert policy.step(100, waiting, fleet(busy, other)) == ()


def test_what_gathers_does_not_keep_other_urgent_work_of_its_queue_from_its_turn() -> None:
    policy = SlackPolicy(linger_us=0, gather_us=GATHER)
    busy = fleet(device(express=True).started(Running(1, 10**6)))
    waiting = queues([urgent(2)], now=0)
    waiting.add(urgent(3, tokens=64), 100, work=1_000, share=1_000)
    waiting.add(urgent(4, tokens=200), 100, work=1_000, share=1_000)
    (made,) = policy.step(GATHER, waiting, busy)
    assert [each.id for each in made.items] == ["i2"]
    pressed = queues([urgent(2)], now=100)
    pressed.add(urgent(3, tokens=64, deadline=1_100), 100, work=1_000, share=1_000)
    (made,) = policy.step(100, pressed, busy)
    assert [each.id for each in made.items] == ["i3"]


def test_beside_an_express_slot_a_batch_of_other_work_may_be_longer() -> None:
    policy = SlackPolicy(longest_us=5_000, beside_us=9_000)
    work = queues([item(number, tokens=96) for number in range(20)])
    (plain,) = policy.step(0, work, fleet(device()))
    (beside,) = policy.step(0, work, fleet(device(express=True)))
    assert (len(plain.items), len(beside.items)) == (4, 8)
    hurried = queues([urgent(number, tokens=96) for number in range(20)])
    (passing,) = policy.step(0, hurried, fleet(device(express=True)))
    assert (passing.express, len(passing.items)) == (True, 4)


def test_when_gathering_ends_the_scheduler_says_that_it_is_to_be_called() -> None:
    one = Scheduler(SlackPolicy(linger_us=0, gather_us=GATHER), fleet(device(express=True)))
    offered(one, long_work())
    assert one.next_call(0) is None
    assert offered(one, urgent(), now=10) == []
    assert one.next_call(10) == 10 + GATHER
    assert len(one.assign(10 + GATHER)) == 1


def test_urgent_work_is_admitted_by_what_goes_before_it_alone() -> None:
    one = Scheduler(AT_ONCE, fleet(device(express=True)))
    (bulk,) = offered(one, long_work())
    assert one.offer(urgent(deadline=50 + SHORT), 50).shed_from(urgent()) is False
    plain = Scheduler(AT_ONCE, fleet(device()))
    offered(plain, long_work())
    assert plain.offer(urgent(deadline=50 + SHORT), 50).shed_from(urgent()) is True
    assert bulk.assignment.predicted == LONG


def test_a_device_that_fails_fails_both_slots_once_and_both_batches_go_elsewhere() -> None:
    one = Scheduler(AT_ONCE, fleet(device("a", express=True), device("b", models=frozenset())))
    both = [*offered(one, long_work()), *offered(one, urgent(), now=1)]
    one.add(device("b", express=True))
    assert one.lost("a", 5) == []
    assert (one.fleet.devices["a"].health, one.fleet.devices["a"].failures) == (Health.DEGRADED, 1)
    again = one.assign(5)
    assert {(each.assignment.device, each.assignment.express) for each in again} == {("b", True), ("b", False)}
    assert all(one.completed(each.number, 900) == () for each in both)  # it answers after all
    assert sorted(work.id for each in again for work in one.completed(each.number, 900)) == ["i1", "i2"]
    assert len(one) == 0


def test_a_probe_has_the_device_to_itself() -> None:
    down = device(express=True, health=Health.DEGRADED, probe_at=0)
    one = Scheduler(AT_ONCE, fleet(down))
    (probe,) = offered(one, urgent())
    assert (probe.assignment.explanation.why, probe.assignment.explanation.slot) == ("probe", "ordinary")
    one.completed(probe.number, 900)
    assert [each.assignment.express for each in offered(one, urgent(3), now=1)] == [True]


def test_an_item_on_its_last_try_has_the_device_to_itself_and_waits_for_that() -> None:
    last = urgent(1, attempts=ATTEMPTS - 1)
    waiting = queues([item(3)])
    waiting.add(last, 0, work=SHORT, share=SHORT, alone=True)
    running = device(express=True).started(Running(9, 500))
    assert AT_ONCE.step(0, waiting, fleet(running)) == ()  # nothing is begun there until it is free of all
    (made,) = AT_ONCE.step(0, waiting, fleet(running.finished(9)))
    assert (made.items, made.alone) == ((last,), True)
    alone = device(express=True).started(Running(10, 500, express=True, alone=True))
    assert AT_ONCE.step(0, queues([item(3), urgent(4)]), fleet(alone)) == ()


def test_what_kills_a_device_again_and_again_costs_no_urgent_item_beside_it() -> None:
    """The poison and the urgent item fail together, until each is tried alone."""
    one, now, done, given_up = express(), 0, [], []
    started = offered(one, long_work(), urgent())
    assert len(started) == 2
    while started:
        now += 1
        poisoned = [each for each in started if any(work.id == "i1" for work in each.assignment.items)]
        if poisoned:
            for each in started:
                given_up += one.failed(each.number, Fault.DEVICE, now)
        else:
            done += [work.id for each in started for work in one.completed(each.number, 900)]
        now = max(now, one.next_call(now) or 0)
        started = one.assign(now)
    assert (done, [each.id for each in given_up]) == (["i2"], ["i1"])


@pytest.mark.parametrize(("lent", "switch"), [(0.0, 0), (0.5, 100)])
def test_the_simulation_makes_the_other_batch_late_by_exactly_the_urgent_one(lent: float, switch: int) -> None:
    one = express()
    later = urgent(2, arrived=1_000)
    outcome = Simulation(one, as_predicted, interruption=Interruption(switch, lent)).run([long_work(), later])
    ended = {each.item.id: each.at for each in outcome.done}
    assert ended == {"i1": LONG + SHORT + switch, "i2": 1_000 + SHORT + int(SHORT * lent)}
    assert one.fleet.latencies.predict(MODEL, "d0", 1_000, 1) == LONG  # what it gave way for is not its own


def test_in_the_simulation_what_begins_beside_an_urgent_batch_waits_for_its_end() -> None:
    outcome = Simulation(express(), as_predicted).run([urgent(1), item(2, tokens=1_000, arrived=10)])
    assert {each.item.id: each.at for each in outcome.done} == {"i1": SHORT, "i2": SHORT + LONG}
