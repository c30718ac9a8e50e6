import pytest

from agents.scheduling.device import FIRST_PAUSE_US, LONGEST_PAUSE_US, STRIKES, Health, Running
from tests.support.scheduling import device


def test_a_failure_degrades_and_a_probe_brings_back() -> None:
    failed = device().started(Running(1, 50)).failed(1, 1_000)
    assert (failed.health, failed.running, failed.probe_at) == (Health.DEGRADED, (), 1_000 + FIRST_PAUSE_US)
    assert not failed.has_room()
    assert not failed.wants_probe(failed.probe_at - 1)
    assert failed.wants_probe(failed.probe_at)
    probing = failed.started(Running(2, 0))
    assert probing.health is Health.PROBING
    assert not probing.has_room()
    healed = probing.finished(2)
    assert (healed.health, healed.failures, healed.has_room()) == (Health.HEALTHY, 0, True)


def test_each_failed_probe_doubles_the_pause_up_to_a_limit() -> None:
    one, pauses = device().started(Running(0, 0)).failed(0, 0), []
    for number in range(1, 40):
        one = one.started(Running(number, 0)).failed(number, 0)
        pauses.append(one.probe_at)
    assert pauses[:3] == [2 * FIRST_PAUSE_US, 4 * FIRST_PAUSE_US, 8 * FIRST_PAUSE_US]
    assert pauses[-1] == LONGEST_PAUSE_US


def test_one_failure_told_by_two_batches_counts_once() -> None:
    both = device(slots=2).started(Running(1, 0)).started(Running(2, 0))
    failed = both.failed(1, 10).failed(2, 20)
    assert (failed.failures, failed.probe_at, failed.running) == (1, 10 + FIRST_PAUSE_US, ())


def test_a_late_answer_does_not_heal_a_degraded_device() -> None:
    one = device(slots=2).started(Running(1, 0)).started(Running(2, 0)).failed(1, 10)
    assert not one.wants_probe(one.probe_at)  # something still runs there
    assert one.finished(2).health is Health.DEGRADED


def test_bad_work_is_forgiven_unless_it_goes_on() -> None:
    one = device()
    for number in range(STRIKES - 1):
        one = one.started(Running(number, 0)).struck(number, 5)
        assert one.health is Health.HEALTHY
    assert one.started(Running(8, 0)).finished(8).strikes == 0
    assert one.started(Running(9, 0)).struck(9, 5).health is Health.DEGRADED


@pytest.mark.parametrize(
    ("model", "tokens", "takes"),
    [
        pytest.param("encoder", 64, True, id="fits"),
        pytest.param("encoder", 65, False, id="too-long"),
        pytest.param("other", 1, False, id="not-loaded"),
    ],
)
def test_a_device_takes_what_it_has_the_model_and_the_memory_for(model: str, tokens: int, takes: bool) -> None:
    assert device(token_budget=64).takes(model, tokens) is takes
