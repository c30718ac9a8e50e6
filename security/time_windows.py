"""Whether a verified event comes in time, by the policy of its source. The policy itself is security.source_policy.

The clock is the log's: the moment at which the broker appended the record. What is judged are signed attributes alone;
their fractions of a second are not signed, and so are not there.
"""

import datetime as dt
from functools import lru_cache
from typing import Final

from schemas.errors import Rejection
from schemas.events import Event, canonical_text, canonical_timestamp
from schemas.reasons import Reason
from security.source_policy import SourcePolicy

EXPIRY: Final = "expirytime"

_LEAP: Final = ":60Z"


def check_times(policy: SourcePolicy, event: Event, at_ms: int) -> None:
    """Refuse an event that is too old, from the future, or expired.

    Args:
        policy: Of its source, in force at that moment; by most policies any time will do.
        event: The verified view.
        at_ms: When the broker appended the record, milliseconds since 1970.

    Raises:
        Rejection: `stale`.
    """
    if policy.max_age is not None or policy.max_ahead is not None:
        if event.time is None:
            raise Rejection(Reason.STALE, "there is no attribute time, and the policy of this source judges by it")
        age = dt.timedelta(milliseconds=at_ms - _milliseconds(event.time))
        if policy.max_age is not None and age > policy.max_age:
            raise Rejection(Reason.STALE, "attribute time is longer ago than the policy of this source allows")
        if policy.max_ahead is not None and -age > policy.max_ahead:
            raise Rejection(Reason.STALE, "attribute time is further ahead than the policy of this source allows")
    if policy.expiry:
        expiry = event.extensions.get(EXPIRY)
        if expiry is not None and at_ms >= _milliseconds(canonical_text(expiry)):
            raise Rejection(Reason.STALE, "the record was appended at or after its expirytime")


@lru_cache(maxsize=2048)
def _milliseconds(text: str) -> int:
    """A timestamp as milliseconds since 1970; a leap second is the second after it."""
    canonical = canonical_timestamp(text)
    leap = canonical.endswith(_LEAP)
    moment = dt.datetime.fromisoformat(canonical.replace(_LEAP, ":59Z") if leap else canonical)
    return (round(moment.timestamp()) + leap) * 1000
