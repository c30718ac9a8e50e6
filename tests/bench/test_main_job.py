import pytest

from bench.main_job import QUICK, Options, parse, run
from bench.variants import VARIANTS

TINY = Options(rounds=1, records=120, few=24, step_records=60, paced_seconds=1.0, workers=(1,))


def test_fewer_workers_get_fewer_records() -> None:
    plans = [(plan.variant.name, plan.workers, plan.records) for plan in Options(records=100, few=10).plans()]
    assert plans == [
        *(("pipeline", 1, 50), ("reference", 1, 50), ("faust_documented", 1, 5), ("faust_best", 1, 50)),
        *(("pipeline", 2, 100), ("reference", 2, 100), ("faust_documented", 2, 10), ("faust_best", 2, 100)),
    ]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param([], (Options(), False), id="default"),
        pytest.param(["--quick", "--json"], (QUICK, True), id="quick"),
        pytest.param(["--rounds", "5", "--workers", "2"], (Options(rounds=5, workers=[2]), False), id="chosen"),
    ],
)
def test_options_come_from_the_command_line(arguments: list[str], expected: tuple[Options, bool]) -> None:
    assert parse(arguments) == expected


async def test_a_tiny_benchmark_measures_everything(capfd: pytest.CaptureFixture[str]) -> None:
    # Each run checks by itself that every record has its result and its leaf.
    report = await run(TINY)
    assert [(row.plan.variant.name, row.plan.relay) for row in report.rows()] == [
        *((name, True) for name in VARIANTS),
        ("reference", False),
    ]
    assert all(row.rate > 0 and row.cpu["workers"] > 0 for row in report.rows())
    ours = report.rows()[0]
    assert ours.ratios.keys() == VARIANTS.keys() - {"pipeline"}
    assert ours.relay_seconds is not None
    (paced,) = report.latency
    assert 0 < paced.p50 <= paced.p99
    assert sum(step.microseconds for step in report.steps if step.part_of is None) > 0
    assert any("this pipeline" in line for line in report.lines())
