import math

from bench.bending import bent
from bench.filling import Filled
from bench.growth import Look
from bench.questions import QUESTIONS, WHOLE_LOG


def look(records: int) -> Look:
    return Look(f"{records:,}", records, Filled(records, 1.0, [1.0]), 1.0, 1.0, {}, {})


def test_only_what_grows_too_much_is_said_to_bend() -> None:
    whole, one = next(iter(WHOLE_LOG)), QUESTIONS[0][0]
    costs = {
        one: [2.0, 3.0, 9.0],
        "commit": [50.0, 60.0, 70.0],
        whole: [10.0, 100.0, 1_100.0],  # grows with the log, as it must
        "quick": [0.001, 0.01, 0.5],
        "stuck": [5.0, 100.0, None],
    }
    found = bent([look(1_000), look(10_000), look(100_000)], costs)
    assert found == {"stuck": [20.0, math.inf], one: [1.5, 4.5]}


def test_a_whole_log_read_may_not_grow_faster_than_the_log() -> None:
    whole = next(iter(WHOLE_LOG))
    assert bent([look(1_000), look(10_000)], {whole: [10.0, 400.0]}) == {whole: [40.0]}
