import pytest

from agents.scheduling.admission import Limits
from agents.scheduling.device import Health
from agents.scheduling.scheduler import ATTEMPTS, Fault, Scheduler, Started
from agents.scheduling.slack_policy import SlackPolicy
from agents.scheduling.work import Urgency, WorkItem
from tests.support.scheduling import MODEL, device, fleet, item


def scheduler(*names: str, limits: Limits | None = None, **kind: object) -> Scheduler:
    return Scheduler(SlackPolicy(linger_us=0), fleet(*[device(name, **kind) for name in names]), limits)


def offered(one: Scheduler, *items: WorkItem) -> list[Started]:
    for each in items:
        assert one.offer(each, 0).reason is None
    return one.assign(0)


def test_what_was_answered_is_given_back_once() -> None:
    one = scheduler("a")
    (started,) = offered(one, item(1), item(2))
    assert [each.id for each in one.completed(started.number, 900)] == ["i1", "i2"]
    assert (one.completed(started.number, 900), len(one)) == ((), 0)


def test_work_of_a_failed_device_goes_to_another() -> None:
    one = scheduler("a", "b")
    (started,) = offered(one, item(1))
    assert started.assignment.device == "a"
    assert one.failed(started.number, Fault.DEVICE, 5) == []
    (again,) = one.assign(5)
    assert (again.assignment.device, again.assignment.explanation.attempt) == ("b", 2)


def test_a_late_answer_of_a_device_that_was_given_up_changes_nothing() -> None:
    one = scheduler("a", "b")
    (started,) = offered(one, item(1))
    one.lost("a", 5)
    assert one.completed(started.number, 900) == ()
    (again,) = one.assign(5)
    assert [each.id for each in one.completed(again.number, 900)] == ["i1"]
    assert one.fleet.devices["a"].health is Health.DEGRADED


def test_a_poisoned_item_is_reported_and_its_neighbours_are_answered() -> None:
    one = scheduler("a")
    started, now, done, given_up = offered(one, item(1), item(2), item(3)), 0, [], []
    batches = []
    while started:
        for each in started:
            now += 1
            ids = [work.id for work in each.assignment.items]
            batches.append(ids)
            if "i2" in ids:
                given_up += one.failed(each.number, Fault.WORK, now)
            else:
                done += one.completed(each.number, 900)
        now = max(now, one.next_probe(now) or 0)
        started = one.assign(now)
    assert sorted(each.id for each in done) == ["i1", "i3"]
    assert [(each.id, each.attempts) for each in given_up] == [("i2", ATTEMPTS)]
    assert all(len(each) == 1 for each in batches[2:])  # the last try is made alone


def test_a_device_comes_back_by_a_probe() -> None:
    one = scheduler("a")
    (started,) = offered(one, item(1))
    one.failed(started.number, Fault.DEVICE, 5)
    assert one.assign(6) == []
    probe_at = one.next_probe(5)
    assert probe_at is not None
    (probe,) = one.assign(probe_at)
    assert probe.assignment.explanation.why == "probe"
    one.completed(probe.number, 900)
    assert one.fleet.devices["a"].health is Health.HEALTHY
    assert one.next_probe(5) is None


def test_probes_that_fail_never_use_up_an_item() -> None:
    one = scheduler("a")
    (started,) = offered(one, item(1))
    one.failed(started.number, Fault.DEVICE, 0)
    now: int | None = 0
    for _ in range(20):
        assert now is not None
        now = one.next_probe(now)
        assert now is not None
        (probe,) = one.assign(now)
        assert one.failed(probe.number, Fault.DEVICE, now) == []
    assert "i1" in one.queues


def test_an_item_is_taken_once() -> None:
    one = scheduler("a", max_items=1)
    offered(one, item(1), item(2))
    assert [one.offer(item(number), 0).reason for number in (1, 2)] == ["known", "known"]  # one runs, one waits
    assert one.withdraw("i2") == item(2)
    assert one.withdraw("i2") is None
    assert len(one) == 1


@pytest.mark.parametrize(
    ("offer", "reason"),
    [
        pytest.param(item(1, tokens=9_000), "too_long", id="longer-than-any-budget"),
        pytest.param(item(1, model="other"), "no_device", id="a-model-nobody-has"),
    ],
)
def test_what_no_device_can_do_is_refused(offer: WorkItem, reason: str) -> None:
    assert scheduler("a").offer(offer, 0).reason == reason


def test_with_no_healthy_device_one_item_is_taken_to_try_one_with() -> None:
    one = Scheduler(SlackPolicy(), fleet(device(health=Health.DEGRADED, probe_at=9)))
    assert one.room() == 1
    assert one.offer(item(1), 0).reason is None
    assert one.room() == 0
    assert one.offer(item(2), 0).reason == "no_device"
    (probe,) = one.assign(9)
    assert probe.assignment.explanation.why == "probe"
    one.completed(probe.number, 1)
    assert one.offer(item(2), 9).reason is None


def test_what_can_not_be_in_time_becomes_less_urgent_and_is_refused_when_that_is_hopeless() -> None:
    allowances = {Urgency.HIGH: 0, Urgency.NORMAL: 10_000, Urgency.LOW: 40_000}
    one = scheduler("a", max_items=1, limits=Limits(allowances=allowances))
    verdicts = [one.offer(item(number, urgency=Urgency.HIGH, tokens=100, deadline=5_000), 0) for number in range(60)]
    got = ["refused" if each.item is None else each.item.urgency.label for each in verdicts]
    assert got == sorted(got, key=["high", "normal", "low", "refused"].index)
    assert set(got) == {"high", "normal", "low", "refused"}
    assert verdicts[-1].reason == "overloaded"
    shed = next(each for each in verdicts if each.item and each.item.urgency is Urgency.LOW)
    assert shed.shed_from(item(0, urgency=Urgency.HIGH))
    assert shed.item is not None
    assert shed.item.deadline == 40_000


def test_pressure_is_told_before_items_are_refused() -> None:
    one = scheduler("a", limits=Limits(items=50, backlog_us=20_000))
    assert one.room() == 50
    rooms = []
    for number in range(50):
        one.offer(item(number), 0)
        rooms.append(one.room())
    assert rooms == sorted(rooms, reverse=True)
    assert rooms[-1] == 0
    assert one.offer(item(99), 0).reason == "queue_full"


def test_a_device_that_joins_is_used_and_starts_unknown() -> None:
    one = scheduler("a")
    one.fleet.latencies.observe(MODEL, "b", 16, 1, 80, 900_000)
    one.add(device("b"))
    assert one.fleet.latencies.predict(MODEL, "b", 16, 1) == one.fleet.latencies.predict(MODEL, "a", 16, 1)
    offered(one, item(1))
    assert [each.assignment.device for each in offered(one, item(2))] == ["b"]


def test_a_degraded_device_without_fitting_work_does_not_hide_the_next_probe() -> None:
    small, large = (
        device("small", health=Health.DEGRADED, probe_at=10),
        device("large", health=Health.DEGRADED, probe_at=90),
    )
    one = Scheduler(SlackPolicy(), fleet(small, large))
    assert [one.next_probe(now) for now in (0, 10, 90)] == [10, 90, None]
