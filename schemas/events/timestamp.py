"""RFC 3339 timestamps as CloudEvents carry them and as Verifiability signs them; no clock is read here.

Leap seconds: `23:59:60` UTC on the last day of a month is a timestamp (RFC 3339 section 5.7) and keeps its 60 in the
canonical form; any other second 60 is not one. Which months really had one is not looked up.
"""

import datetime as dt
import re
from functools import lru_cache

_RFC3339 = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]([0-9]{2}:[0-9]{2}):([0-9]{2})(?:\.[0-9]+)?"
    r"([Zz]|([+-])([01][0-9]|2[0-3]):([0-5][0-9]))?"
)
_CACHED_LENGTH = 64


def canonical_timestamp(text: str) -> str:
    """The form that is signed: UTC, cut (not rounded) to seconds, `YYYY-MM-DDTHH:MM:SSZ`.

    A timestamp without a zone counts as UTC here, as Verifiability asks; whether one is welcome is for the decoder.

    Raises:
        ValueError: `text` is no timestamp, or in UTC it leaves the years 0001 to 9999. The text is not repeated.
    """
    return _read(text)[0]


def is_rfc3339(text: str) -> bool:
    """Whether `text` is a complete RFC 3339 date-time, zone included."""
    try:
        return _read(text)[1]
    except ValueError:
        return False


def _read(text: str) -> tuple[str, bool]:
    # The cache serves the decoder and then the digest of one event; endless fractions stay out of it.
    return _cached_parse(text) if len(text) <= _CACHED_LENGTH else _parse(text)


def _parse(text: str) -> tuple[str, bool]:
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise ValueError("not an RFC 3339 timestamp")
    date, clock, second, zone, sign, offset_hours, offset_minutes = match.groups()
    leap = second == "60"
    try:
        moment = dt.datetime.fromisoformat(f"{date}T{clock}:{'59' if leap else second}")
        if sign:
            offset = dt.timedelta(hours=int(offset_hours), minutes=int(offset_minutes))
            moment = moment - offset if sign == "+" else moment + offset
        if leap and ((moment.hour, moment.minute) != (23, 59) or (moment + dt.timedelta(seconds=1)).day != 1):
            raise ValueError
    except (ValueError, OverflowError):
        raise ValueError("not a date and time that exists") from None
    # Offsets are whole minutes, so the seconds are those of the text.
    return f"{moment.isoformat()[:17]}{second}Z", zone is not None


_cached_parse = lru_cache(maxsize=4096)(_parse)
