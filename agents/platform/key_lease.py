"""How long opened tier keys may be used before the key provider has to open them again."""

import datetime as dt
import time
from collections.abc import Callable

from security.tier_keys import TierKeys, TierKeysLapsed


class KeyLease:
    """The time limit of the tier keys that a process seals with. At half of it they should be renewed.

    Args:
        ttl: From the moment at which the provider was asked.
        clock: Seconds, never going back.
    """

    def __init__(self, ttl: dt.timedelta, clock: Callable[[], float] = time.monotonic) -> None:
        self._ttl = ttl.total_seconds()
        self._clock = clock
        self._keys = TierKeys()
        self._since = clock()

    def renew(self, keys: TierKeys, asked_at: float) -> None:
        """Begin anew with these keys.

        Args:
            asked_at: When the provider was asked for them, by this lease's clock.
        """
        self._keys = keys
        self._since = asked_at

    @property
    def due(self) -> bool:
        """Whether it is time to have the keys opened again."""
        return self._clock() - self._since >= self._ttl / 2

    @property
    def left(self) -> float:
        """Seconds that the keys may serve still."""
        return max(0.0, self._since + self._ttl - self._clock())

    def enforce(self) -> None:
        """Forget the keys when their time is over.

        Raises:
            TierKeysLapsed: It is over: wait until they are renewed.
        """
        if self._clock() - self._since >= self._ttl:
            self._keys.forget()
            raise TierKeysLapsed
