import pytest

from bench.aims import AIMS, Aim, Verdict, verdicts

AT_LEAST = Aim("a", "throughput", "faster than the other", "at least", 8)
AT_MOST = Aim("b", "latency", "late", "at most", 20, " ms")


@pytest.mark.parametrize(
    ("aim", "measured", "cells"),
    [
        pytest.param(AT_LEAST, 8.0, ("faster than the other", "8x", "at least 8x", "yes"), id="just-enough"),
        pytest.param(AT_LEAST, 7.99, ("faster than the other", "7.99x", "at least 8x", "NO"), id="too-slow"),
        pytest.param(AT_MOST, 123.4, ("late", "123 ms", "at most 20 ms", "NO"), id="too-late"),
        pytest.param(AT_MOST, None, ("late", "not measured", "at most 20 ms", ""), id="unknown"),
    ],
)
def test_a_verdict_stands_beside_its_aim(aim: Aim, measured: float | None, cells: tuple[str, ...]) -> None:
    assert Verdict(aim, measured).cells() == cells


def test_only_parts_that_ran_are_judged_and_what_they_could_not_tell_is_said() -> None:
    found = list(verdicts({"backlog": {"rss": 300.0}}))
    assert {each.aim.part for each in found} == {"backlog"}
    assert {each.aim.figure: each.measured for each in found} == {"last/first": None, "rss": 300.0, "rss_growth": None}


def test_each_figure_has_one_aim() -> None:
    names = [(aim.part, aim.figure) for aim in AIMS]
    assert len(names) == len(set(names))
