import pytest

from bench.comparison import figures, rows, speed_chart, tables
from bench.harness import Measurement, RunPlan
from bench.records import Payload
from bench.variants import FAUST_DOCUMENTED, FAUST_TAKE, PIPELINE, PLAIN, REFERENCE, Variant


def measured(
    variant: Variant,
    seconds: float,
    *,
    workers: int = 2,
    relay: bool = True,
    lag: int = 0,
    payload: Payload = Payload.BRIEF,
    worked: float = 0.5,
) -> Measurement:
    plan = RunPlan(variant, workers, 1_000, relay, payload)
    cpu = {"workers": worked, "relay": 0.1, "postgres": 0.2, "broker": 0.1}
    return Measurement(plan, seconds, cpu, 4, lag, seconds / 10 if relay else None, 180.0)


ROUNDS = (
    measured(PIPELINE, 1.0, lag=10),
    measured(REFERENCE, 0.5),
    measured(FAUST_TAKE, 2.0),
    measured(FAUST_DOCUMENTED, 10.0),
    # The machine is half as fast in the second round, and worse in the third one's middle.
    measured(PIPELINE, 2.0, lag=30),
    measured(REFERENCE, 1.0),
    measured(FAUST_TAKE, 4.0),
    measured(FAUST_DOCUMENTED, 20.0),
    measured(PIPELINE, 1.0, lag=20),
    measured(REFERENCE, 0.8),
    measured(FAUST_TAKE, 1.0),
    measured(FAUST_DOCUMENTED, 10.0),
)


def test_ratios_compare_within_each_round() -> None:
    ours = rows(ROUNDS)[0]
    assert ours.rates == (1_000, 500, 1_000)
    assert ours.ratios == {"reference": 0.5, "faust_take": 2.0, "faust_documented": 10.0}


def test_lag_is_the_worst_of_all_rounds() -> None:
    ours = rows(ROUNDS)[0]
    assert (ours.relay_lag, ours.relay_seconds) == (30, 0.2)


def test_ratios_need_as_many_processes_the_same_records_and_the_same_relay() -> None:
    found = rows(
        [
            measured(PIPELINE, 1.0),
            measured(REFERENCE, 1.0, workers=1),
            measured(REFERENCE, 1.0, relay=False),
            measured(REFERENCE, 1.0, payload=Payload.FULL),
        ]
    )
    assert [row.ratios for row in found] == [{}, {}, {}, {}]


def test_cpu_is_for_a_thousand_records() -> None:
    plan = RunPlan(PIPELINE, 1, 4_000)
    cpu = {"workers": 2.0, "relay": 0.4, "postgres": 0.0, "broker": 0.0}
    (row,) = rows([Measurement(plan, 1.0, cpu, 8, 0, None, 100.0)])
    assert row.cpu["workers"] == pytest.approx(0.5)
    assert row.records_a_commit == 500


def test_aimed_at_are_two_processes_and_brief_records() -> None:
    assert figures(rows(ROUNDS)) == {
        "ours": 1_000,
        "ours/reference": 0.5,
        "ours/faust_take": 2.0,
        "ours/faust_documented": 10.0,
    }
    assert figures(rows([measured(PIPELINE, 1.0, workers=1), measured(PIPELINE, 1.0, payload=Payload.FULL)])) == {}


def test_sealing_is_told_by_the_cpu_of_all_processes_and_batches_by_their_speed() -> None:
    found = figures(
        rows(
            [
                measured(PIPELINE, 1.0),
                measured(PLAIN, 0.1, worked=0.05),
                measured(PIPELINE, 0.5, payload=Payload.ATTESTED),
                # A machine half as fast, at all that it does.
                measured(PIPELINE, 2.0, worked=0.5),
                measured(PLAIN, 0.2, worked=0.05),
                measured(PIPELINE, 1.0, payload=Payload.ATTESTED),
            ]
        )
    )
    assert found["encryption"] == pytest.approx(0.5)
    assert found["batches/single"] == pytest.approx(2)
    assert found["batches"] == pytest.approx(1_500)


def test_tables_name_every_run_and_what_each_variant_lacks() -> None:
    found = rows([*ROUNDS, measured(REFERENCE, 1.0, workers=1, relay=False)])
    speed, cost, limits = tables(found)
    names = [row[0] for row in speed.rows]
    assert names[:2] == ["this pipeline, 2 proc.", "reference loop, 2 proc."]
    assert "reference loop, 1 proc., no relay" in names
    assert all(len(row) == len(table.columns) for table in (speed, cost, limits) for row in table.rows)
    assert {row[0] for row in limits.rows} == {REFERENCE.title, FAUST_TAKE.title, FAUST_DOCUMENTED.title}
    assert next((bar.low, bar.value, bar.high) for bar in speed_chart(found).bars) == (500, 1_000, 1_000)
