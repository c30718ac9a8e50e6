import msgspec
import pytest

from agents.scheduling.assignment import Policy
from agents.scheduling.baselines import EARLIEST_DEADLINE, FIFO, ROUND_ROBIN
from agents.scheduling.device import Health, Running
from agents.scheduling.explanation import LARGEST, Explanation
from agents.scheduling.fleet import Fleet
from agents.scheduling.queues import rounded
from agents.scheduling.slack_policy import SlackPolicy
from agents.scheduling.work import Modality, Urgency, WorkItem
from tests.support.scheduling import MODEL, PROFILES, device, fleet, item, queues, replace_struct

NOW = 10_000
AT_ONCE = SlackPolicy(linger_us=0, fill_us=0)


def test_least_slack_goes_first_and_urgency_breaks_what_is_late() -> None:
    soon = item(1, deadline=NOW + 5_000, tokens=100)
    later = item(2, deadline=NOW + 900_000)
    assert AT_ONCE.step(NOW, queues([later, soon]), fleet(device()))[0].items == (soon,)
    late = item(3, deadline=0, urgency=Urgency.LOW, tokens=100)
    urgent = item(4, deadline=NOW + 30_000, urgency=Urgency.HIGH)
    assert AT_ONCE.step(NOW, queues([late, urgent]), fleet(device()))[0].items == (urgent,)


def test_of_equal_slack_what_keeps_a_device_shorter_for_its_bytes_goes_first() -> None:
    dense = item(1, deadline=NOW + 5_000)
    light = item(2, deadline=NOW + 5_000, model="kind", modality=Modality.TRANSACTION)
    assert AT_ONCE.step(NOW, queues([dense, light]), fleet(device()))[0].items == (light,)


def long_work_beside(until: int) -> tuple[Fleet, list[WorkItem]]:
    """Two devices, one of them busy until then; work of 11 ms, more urgent by its deadline, and of 5 ms."""
    devices = fleet(device("a").started(Running(1, NOW + until)), device("b"))
    return devices, [item(1, tokens=1_000, deadline=NOW + 50_000), item(2, tokens=400, deadline=NOW + 900_000)]


def test_long_work_waits_while_no_other_device_is_free_soon() -> None:
    devices, work = long_work_beside(9_000)
    made = AT_ONCE.step(NOW, queues(work), devices)
    assert [each.items for each in made] == [(work[1],)]
    devices, work = long_work_beside(3_000)
    urgent_first = AT_ONCE.step(NOW, queues(work), devices)
    assert urgent_first[0].items == (work[0],)


def test_long_work_is_begun_where_nothing_shorter_waits_and_where_it_is_urgent() -> None:
    devices, work = long_work_beside(9_000)
    assert AT_ONCE.step(NOW, queues(work[:1]), devices)[0].items == (work[0],)
    urgent = replace_struct(work[0], urgency=Urgency.HIGH)
    assert AT_ONCE.step(NOW, queues([urgent, work[1]]), devices)[0].items == (urgent,)


def test_a_single_device_has_nothing_to_take_turns_with() -> None:
    _, work = long_work_beside(0)
    assert AT_ONCE.step(NOW, queues(work), fleet(device()))[0].items == (work[0],)


def test_work_goes_where_it_is_done_first() -> None:
    devices = fleet(device("a"), device("b"))
    for _ in range(3):
        devices.latencies.observe(MODEL, "a", 16, 1, 80, 9 * PROFILES[MODEL].prior(16))
    assert AT_ONCE.step(0, queues([item(1)]), devices)[0].device == "b"


def test_a_batch_is_left_for_a_busy_device_that_is_done_sooner_and_the_next_is_not() -> None:
    slow, fast = device("slow", max_items=1), device("fast", max_items=1).started(Running(1, 500))
    devices = fleet(slow, fast)
    for _ in range(3):
        devices.latencies.observe(MODEL, "slow", 16, 1, 80, 3 * PROFILES[MODEL].prior(16))
    assert AT_ONCE.step(0, queues([item(1)]), devices) == ()
    many = AT_ONCE.step(0, queues([item(number) for number in range(9)]), devices)
    assert [each.device for each in many] == ["slow"]
    assert many[0].items[0].id == "i2"  # two go to the fast one before the slow one would have done one


def test_weight_is_how_willingly_a_device_is_used() -> None:
    assert AT_ONCE.step(0, queues([item(1)]), fleet(device("a", weight=500), device("b")))[0].device == "b"


def test_what_came_just_now_lets_others_go_first_if_it_can_wait() -> None:
    policy = SlackPolicy(linger_us=2_000)
    new = item(1, urgency=Urgency.HIGH, model="kind", deadline=NOW + 40_000)
    old = item(2)
    waiting = queues([old], now=0)
    waiting.add(new, NOW, work=100, share=10)
    assert policy.step(NOW, waiting, fleet(device()))[0].items == (old,)
    assert policy.step(NOW + 2_000, waiting, fleet(device()))[0].items == (new,)
    pressed = queues([old], now=0)
    pressed.add(item(3, urgency=Urgency.HIGH, model="kind", deadline=NOW + 5_000), NOW, work=100, share=10)
    assert policy.step(NOW, pressed, fleet(device()))[0].items[0].id == "i3"
    alone = queues([new], now=NOW)
    assert policy.step(NOW, alone, fleet(device()))[0].items == (new,)


def test_room_in_a_batch_is_filled_with_like_items_of_other_queues() -> None:
    high = item(1, urgency=Urgency.HIGH, tokens=32, deadline=NOW + 50_000)
    fitting = [item(2, tokens=32), item(3, tokens=24)]
    others = [item(4, tokens=16), item(5, tokens=40), item(6, model="kind", tokens=32)]
    (made,) = SlackPolicy(linger_us=0).step(NOW, queues([high, *fitting, *others]), fleet(device()))
    assert [each.id for each in made.items] == ["i1", "i2", "i3"]
    assert (made.tokens, made.explanation.filled, made.explanation.queue) == (96, 2, "text.high")


def test_a_probe_takes_the_least_urgent_item_and_ordinary_work_goes_elsewhere() -> None:
    down = device("down", health=Health.DEGRADED, probe_at=NOW)
    low, high = item(1, urgency=Urgency.LOW), item(2, urgency=Urgency.HIGH)
    early = AT_ONCE.step(NOW - 1, queues([low, high]), fleet(down))
    assert early == ()
    probe, other = AT_ONCE.step(NOW, queues([low, high]), fleet(down, device("up")))
    assert (probe.device, probe.items, probe.explanation.why) == ("down", (low,), "probe")
    assert (other.device, other.items, other.explanation.why) == ("up", (high,), "priority")


@pytest.mark.parametrize(
    ("policy", "first"),
    [
        pytest.param(FIFO, "i1", id="fifo-takes-the-oldest"),
        pytest.param(EARLIEST_DEADLINE, "i3", id="edf-takes-the-nearest-deadline"),
        pytest.param(ROUND_ROBIN, "i2", id="round-robin-takes-the-queue-served-longest-ago"),
    ],
)
def test_other_policies_follow_their_rule(policy: Policy, first: str) -> None:
    waiting = queues([item(1, deadline=900)])
    waiting.add(item(2, urgency=Urgency.LOW, deadline=800), 1, work=1, share=1)
    waiting.add(item(3, urgency=Urgency.NORMAL, tokens=200, deadline=700), 2, work=1, share=1)
    for key in waiting.served:
        waiting.served[key] = 0 if key.urgency is Urgency.LOW else 5
    assert policy.step(3, waiting, fleet(device()))[0].items[0].id == first


@pytest.mark.parametrize(("tokens", "length"), [(0, 8), (1, 8), (8, 8), (9, 16), (64, 64), (65, 80), (500, 512)])
def test_lengths_share_a_shelf_up_to_an_eighth_of_the_next_power_of_two(tokens: int, length: int) -> None:
    assert rounded(tokens) == length


def test_an_explanation_is_short_canonical_json_without_floats() -> None:
    (made,) = AT_ONCE.step(NOW, queues([item(1, deadline=NOW + 4_000)]), fleet(device()))
    text = made.explanation.text()
    read = msgspec.json.decode(text)
    assert text.encode() == msgspec.json.encode(read, order="sorted")
    assert read["policy"] == "slack/2"
    assert (read["queue"], read["slack"], read["attempt"], read["why"]) == ("text.normal", 3_000, 1, "priority")
    assert all(isinstance(value, int | str) for value in read.values())


def test_an_explanation_is_bounded_whatever_is_in_it() -> None:
    huge = 10**30
    text = Explanation(
        attempt=3,
        device="d" * 900,
        filled=9_999,
        items=9_999,
        model="m" * 900,
        policy="slack/2",
        predicted=huge,
        priority=-huge,
        queue="transaction.normal",
        slack=-huge,
        slot="ordinary",
        tokens=10**9,
        why="priority",
    ).text()
    assert len(text) < 600
    assert msgspec.json.decode(text)["slack"] == -LARGEST
