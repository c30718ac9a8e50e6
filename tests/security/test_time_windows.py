import datetime as dt

import pytest

from schemas.errors import ConfigurationError, Rejection
from schemas.events import Event
from schemas.reasons import Reason
from security.source_policy import ANY_KEY, SourcePolicy
from security.time_windows import check_times

AT = dt.datetime(2026, 1, 5, 8, 0, tzinfo=dt.UTC)
AT_MS = round(AT.timestamp()) * 1000
HOUR = dt.timedelta(hours=1)
STRICT = SourcePolicy(source="s", max_age=HOUR, max_ahead=dt.timedelta(minutes=1), expiry=True)


def refused(policy: SourcePolicy, time: str | None, expiry: str | None = None, at_ms: int = AT_MS) -> bool:
    event = Event(id="1", source="s", type="t", time=time, extensions={"expirytime": expiry} if expiry else {})
    found: list[Rejection] = []
    try:
        check_times(policy, event, at_ms)
    except Rejection as rejection:
        found.append(rejection)
    assert all(each.reason is Reason.STALE for each in found)
    assert not any(text in each.detail for each in found for text in (time, expiry) if text)
    return bool(found)


@pytest.mark.parametrize(
    ("time", "is_refused"),
    [
        pytest.param("2026-01-05T08:00:00Z", False, id="now"),
        pytest.param("2026-01-05T07:00:00Z", False, id="as-old-as-allowed"),
        pytest.param("2026-01-05T06:59:59Z", True, id="too-old"),
        pytest.param("2026-01-05T08:01:00Z", False, id="as-far-ahead-as-allowed"),
        pytest.param("2026-01-05T08:01:01Z", True, id="too-far-ahead"),
        pytest.param("0001-01-01T00:00:00Z", True, id="first-year"),
        pytest.param("9999-12-31T23:59:59Z", True, id="last-year"),
        pytest.param(None, True, id="no-time"),
    ],
)
def test_a_time_outside_of_its_window_is_stale(time: str | None, is_refused: bool) -> None:
    assert refused(STRICT, time) is is_refused


def test_the_moment_is_that_of_the_append_to_the_millisecond() -> None:
    assert not refused(STRICT, "2026-01-05T07:00:00Z", at_ms=AT_MS)
    assert refused(STRICT, "2026-01-05T07:00:00Z", at_ms=AT_MS + 1)


@pytest.mark.parametrize(
    ("expiry", "is_refused"),
    [
        pytest.param("2026-01-05T08:00:01Z", False, id="later"),
        pytest.param("2026-01-05T08:00:00Z", True, id="at-it"),
        pytest.param("2026-01-05T09:00:00+01:00", True, id="in-another-zone"),
        pytest.param("2026-01-05T07:59:59Z", True, id="before"),
        pytest.param(None, False, id="none"),
    ],
)
def test_an_event_is_stale_from_its_expiry_on(expiry: str | None, is_refused: bool) -> None:
    assert refused(STRICT, "2026-01-05T08:00:00Z", expiry) is is_refused


@pytest.mark.parametrize("time", [None, "1999-12-31T23:59:60Z", "2099-01-01T00:00:00Z"])
def test_any_time_will_do_where_no_policy_judges_it(time: str | None) -> None:
    assert not refused(ANY_KEY, time, "2000-01-01T00:00:00Z")


def test_each_limit_stands_for_itself() -> None:
    assert not refused(SourcePolicy(source="s", max_age=HOUR), "2099-01-01T00:00:00Z")
    assert not refused(SourcePolicy(source="s", max_ahead=HOUR), "1999-01-01T00:00:00Z")
    assert not refused(SourcePolicy(source="s", expiry=True), None)


def test_a_leap_second_is_the_second_after_it() -> None:
    policy = SourcePolicy(source="s", max_age=dt.timedelta(0))
    midnight = round(dt.datetime(2017, 1, 1, tzinfo=dt.UTC).timestamp()) * 1000
    assert not refused(policy, "2016-12-31T23:59:60Z", at_ms=midnight)
    assert refused(policy, "2016-12-31T23:59:60Z", at_ms=midnight + 1)


def test_a_limit_below_zero_is_none() -> None:
    with pytest.raises(ConfigurationError, match="0 or longer"):
        SourcePolicy(source="s", max_age=-HOUR)
