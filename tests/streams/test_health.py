"""Health: what alive and ready mean, and what the snapshot shows."""

import datetime as dt
import json

from streams.health import Health, State

START = dt.datetime(2026, 5, 4, 12, 0, tzinfo=dt.UTC)


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> dt.datetime:
        return self.now


def test_a_process_without_parts_is_not_ready() -> None:
    health = Health()
    assert health.alive
    assert not health.ready


def test_is_ready_once_every_part_works() -> None:
    health = Health(["intake", "database"])
    health.working("intake")
    assert health.alive
    assert not health.ready
    health.working("database")
    assert health.ready


def test_waiting_for_an_outage_to_end_is_alive_and_not_ready() -> None:
    health = Health(["database"])
    health.working("database")
    health.waiting("database", "refuses connections")
    assert health.alive
    assert not health.ready
    health.working("database")
    assert health.ready


def test_a_degraded_part_is_at_work_and_says_what_is_wrong() -> None:
    health = Health()
    health.working("sequence")
    health.degraded("subscription", "the endpoint does not answer")
    assert (health.alive, health.ready) == (True, True)
    assert health.parts()["subscription"].why == "the endpoint does not answer"


def test_a_part_that_gave_up_makes_the_process_one_to_restart() -> None:
    health = Health(["intake", "relay"])
    health.working("intake")
    health.failed("relay", "the log contradicts itself")
    assert not health.alive
    assert not health.ready


def test_a_forgotten_part_no_longer_counts() -> None:
    health = Health(["intake"])
    health.working("intake")
    health.waiting("partition transactions/3", "the topic was recreated")
    health.forget("partition transactions/3")
    health.forget("partition transactions/4")
    assert health.ready


def test_a_wait_lasts_from_its_first_reason_on() -> None:
    clock = Clock()
    health = Health(["database"], clock)
    clock.now += dt.timedelta(seconds=5)
    health.waiting("database", "connection lost")
    clock.now += dt.timedelta(seconds=5)
    health.waiting("database", "connection refused")
    part = health.parts()["database"]
    assert part.state is State.WAITING
    assert part.why == "connection refused"
    assert part.since == START + dt.timedelta(seconds=5)


def test_the_snapshot_is_plain_json() -> None:
    health = Health(["intake"], Clock())
    health.waiting("kafka", "no broker answers")
    assert json.loads(json.dumps(health.snapshot())) == {
        "alive": True,
        "ready": False,
        "parts": {
            "intake": {"state": "starting", "since": "2026-05-04T12:00:00.000Z"},
            "kafka": {"state": "waiting", "since": "2026-05-04T12:00:00.000Z", "why": "no broker answers"},
        },
    }
