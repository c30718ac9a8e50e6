import pytest

from agents.scheduling.latency import LOG_UNIT, WINDOW, Latencies
from tests.support.scheduling import MODEL, PROFILES

TOKENS, ITEMS = 128, 4
PRIOR = PROFILES[MODEL].prior(TOKENS)


def learnt(*took: int, device: str = "d0", tokens: int = TOKENS) -> Latencies:
    latencies = Latencies(PROFILES)
    for each in took:
        latencies.observe(MODEL, device, tokens, ITEMS, 100, each)
    return latencies


def test_nothing_known_is_the_prior() -> None:
    assert Latencies(PROFILES).predict(MODEL, "d0", TOKENS, ITEMS) == PRIOR == 1_000 + 1_280


def test_one_batch_says_something_of_other_shapes_and_nothing_of_other_devices() -> None:
    latencies = learnt(2 * PRIOR)
    assert latencies.predict(MODEL, "d0", 1_024, 16) == 2 * PROFILES[MODEL].prior(1_024)
    assert latencies.predict(MODEL, "d1", TOKENS, ITEMS) == PRIOR


def test_a_settled_shape_speaks_for_itself() -> None:
    latencies = learnt(*[PRIOR] * 3)
    for _ in range(WINDOW):
        latencies.observe(MODEL, "d0", 4_096, 64, 100, 3 * PROFILES[MODEL].prior(4_096))
    assert latencies.predict(MODEL, "d0", TOKENS, ITEMS) == PRIOR
    assert latencies.predict(MODEL, "d0", 4_096, 64) == 3 * PROFILES[MODEL].prior(4_096)


@pytest.mark.parametrize("outliers", [1, 4, 7])
def test_outliers_do_not_move_a_prediction(outliers: int) -> None:
    assert learnt(*[PRIOR] * (WINDOW - outliers), *[1_000 * PRIOR] * outliers).predict(MODEL, "d0", TOKENS, 4) == PRIOR


def test_what_a_deadline_is_compared_with_is_more_careful() -> None:
    latencies = learnt(*[PRIOR] * 12, *[2 * PRIOR] * 4)
    assert latencies.predict(MODEL, "d0", TOKENS, ITEMS) == PRIOR
    assert latencies.worst(MODEL, "d0", TOKENS, ITEMS) == 2 * PRIOR


def test_a_device_that_became_slower_is_followed() -> None:
    latencies = learnt(*[PRIOR] * 100, *[5 * PRIOR] * 9)
    assert latencies.predict(MODEL, "d0", TOKENS, ITEMS) == 5 * PRIOR


def test_memory_is_bounded_by_shapes_and_not_by_batches() -> None:
    latencies = Latencies(PROFILES)
    for number in range(5_000):
        latencies.observe(MODEL, "d0", number % 2_000 + 1, number % 64 + 1, 100, number)
    assert len(latencies) <= 11 * 7 + 2


def test_a_device_that_is_another_now_is_forgotten() -> None:
    latencies = learnt(*[7 * PRIOR] * 5)
    latencies.forget("d0")
    assert latencies.predict(MODEL, "d0", TOKENS, ITEMS) == PRIOR


@pytest.mark.parametrize("took", [0, 1, 10**15])
def test_absurd_measurements_stay_within_bounds(took: int) -> None:
    assert 1 <= learnt(took).predict(MODEL, "d0", TOKENS, ITEMS) <= 1_000 * PRIOR


def test_density_is_measured_and_doubles_in_units() -> None:
    slow, fast = learnt(2_000), learnt(1_000)
    assert slow.log_density[MODEL] - fast.log_density[MODEL] == pytest.approx(LOG_UNIT, abs=2)
    assert fast.log_density["kind"] == Latencies(PROFILES).log_density["kind"]
