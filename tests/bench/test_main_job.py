import json
import subprocess
import sys

import pytest

from bench.main_job import QUICK, Options, parse


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


def test_measures_every_variant_on_the_same_records() -> None:
    command = [sys.executable, "-m", "bench.main_job", "--quick", "--records", "400", "--few", "20", "--json"]
    done = subprocess.run([*command, "--workers", "1"], capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    report = json.loads(done.stdout)
    measured = {row["variant"]: row for row in report["throughput"] if row["relay"]}
    assert measured.keys() == report["variants"].keys()
    assert all(row["median"] > 0 for row in measured.values())
    # Every variant went through a commit for each record or for many, as it says it does.
    assert measured["faust_documented"]["records_a_commit"] == 1
    assert measured["pipeline"]["records_a_commit"] > 1
    assert sum(step["microseconds"] for step in report["steps"] if step["part_of"] is None) > 0
