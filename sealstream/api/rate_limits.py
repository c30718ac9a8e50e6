"""How fast somebody may ask: token buckets, as many as fit a bound, each by name."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

MOST_BUCKETS: Final = 10_000


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled: float


class TokenBuckets:
    """One bucket for each name; those that were not asked for longest make way.

    Args:
        rate: Tokens a second.
        burst: Tokens of a full bucket.
        most: Buckets at once. A name whose bucket made way begins with a full one.
        clock: Seconds, monotonic.
    """

    def __init__(
        self, rate: float, burst: float, *, most: int = MOST_BUCKETS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate = rate
        self._burst = burst
        self._most = most
        self._clock = clock
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def wait(self, name: str) -> float:
        """Seconds until there is a token; 0 when there is one now."""
        bucket = self._filled(name)
        return 0.0 if bucket.tokens >= 1 else (1 - bucket.tokens) / self._rate

    def take(self, name: str) -> float:
        """Take a token; 0, or the seconds until there is one, and none is taken."""
        seconds = self.wait(name)
        if not seconds:
            self._buckets[name].tokens -= 1
        return seconds

    def __len__(self) -> int:
        return len(self._buckets)

    def _filled(self, name: str) -> _Bucket:
        now = self._clock()
        bucket = self._buckets.get(name)
        if bucket is None:
            bucket = self._buckets[name] = _Bucket(self._burst, now)
            if len(self._buckets) > self._most:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(name)
            bucket.tokens = min(self._burst, bucket.tokens + (now - bucket.filled) * self._rate)
            bucket.filled = now
        return bucket
