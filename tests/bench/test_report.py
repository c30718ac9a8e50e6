import msgspec
import pytest

from bench.harness import Measurement, RunPlan
from bench.latency import PacedRun
from bench.report import Report
from bench.steps import Step
from bench.variants import FAUST_BEST, FAUST_DOCUMENTED, PIPELINE, REFERENCE, Variant


def measured(variant: Variant, seconds: float, *, workers: int = 1, relay: bool = True, lag: int = 0) -> Measurement:
    plan = RunPlan(variant, workers, 1_000, relay)
    cpu = {"workers": 0.5, "relay": 0.1, "postgres": 0.2, "broker": 0.1}
    return Measurement(plan, seconds, cpu, 4, lag, seconds / 10 if relay else None)


def report(*measurements: Measurement) -> Report:
    paced = PacedRun(RunPlan(PIPELINE, 2, 100), 50.0, 49.5, 12.0, 30.0, {"workers": 0.1})
    return Report(measurements, [paced], [Step("verify", None, 80.0), Step("check signature", "verify", 60.0)], 9.0)


ROUNDS = (
    measured(PIPELINE, 1.0, lag=10),
    measured(REFERENCE, 0.5),
    measured(FAUST_BEST, 2.0),
    measured(FAUST_DOCUMENTED, 10.0),
    # The machine is half as fast in the second round, and worse in the third one's middle.
    measured(PIPELINE, 2.0, lag=30),
    measured(REFERENCE, 1.0),
    measured(FAUST_BEST, 4.0),
    measured(FAUST_DOCUMENTED, 20.0),
    measured(PIPELINE, 1.0, lag=20),
    measured(REFERENCE, 0.8),
    measured(FAUST_BEST, 1.0),
    measured(FAUST_DOCUMENTED, 10.0),
)


def test_ratios_compare_within_each_round() -> None:
    ours = report(*ROUNDS).rows()[0]
    assert ours.rates == (1_000, 500, 1_000)
    assert ours.ratios == {"reference": 0.5, "faust_best": 2.0, "faust_documented": 10.0}


def test_lag_is_the_worst_of_all_rounds() -> None:
    ours = report(*ROUNDS).rows()[0]
    assert (ours.relay_lag, ours.relay_seconds) == (30, 0.2)


def test_ratios_need_as_many_processes_and_the_same_relay() -> None:
    rows = report(
        measured(PIPELINE, 1.0, workers=2),
        measured(REFERENCE, 1.0, workers=1),
        measured(REFERENCE, 1.0, workers=2, relay=False),
    ).rows()
    assert [row.ratios for row in rows] == [{}, {}, {}]


def test_cpu_is_for_a_thousand_records() -> None:
    plan = RunPlan(PIPELINE, 1, 4_000)
    cpu = {"workers": 2.0, "relay": 0.4, "postgres": 0.0, "broker": 0.0}
    (row,) = report(Measurement(plan, 1.0, cpu, 8, 0, None)).rows()
    assert row.cpu["workers"] == pytest.approx(0.5)
    assert row.records_a_commit == 500


def test_text_and_json_hold_every_part() -> None:
    found = report(*ROUNDS, measured(REFERENCE, 1.0, workers=2, relay=False))
    text = "\n".join(found.lines())
    for part in (
        "this pipeline, 1 proc.",
        "reference loop, 2 proc., no relay",
        "p50 12.0 ms",
        "check signature",
        "75%",
    ):
        assert part in text
    decoded = msgspec.json.decode(msgspec.json.encode(found.as_json()))
    assert [row["median"] for row in decoded["throughput"]] == [1_000, 1_250, 500, 100, 1_000]
    assert decoded["latency"][0]["p99_ms"] == 30.0
    assert decoded["steps"][1] == {"name": "check signature", "part_of": "verify", "microseconds": 60.0}
