"""What a source's events must be like: how many keys sign, by which algorithms, and how old an event may be.

The keys themselves are security.key_registry; judging times is security.time_windows.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from schemas.errors import ConfigurationError
from security.dsse import MAX_SIGNATURES
from security.signatures import Algorithm
from security.source_patterns import Patterns, milliseconds

_ALWAYS = -(2**63)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcePolicy:
    """The rule for a source, from a moment on.

    Attributes:
        source: The source, or a prefix that ends in `*`. The most specific policy in force counts, alone.
        signatures: By how many distinct keys an event must be signed (four-eyes release: 2).
        algorithms: The allow-list; empty admits every algorithm we know.
        since: From this moment on; None for ever. A later policy of the same source takes over at its own moment, so
            that what was accepted before still verifies.

        max_age: How long ago an event's `time` may be when the broker appends it; None for ever. An event without a
            `time` is then refused.
        max_ahead: How far ahead its `time` may be; None for ever. As `max_age` without a `time`.
        expiry: Whether an event is refused at and after its signed `expirytime`.

    Raises:
        ConfigurationError: The pattern is none, or the number or a time can't be met.
    """

    source: str
    signatures: int = 1
    algorithms: tuple[Algorithm, ...] = ()
    since: dt.datetime | None = None
    max_age: dt.timedelta | None = None
    max_ahead: dt.timedelta | None = None
    expiry: bool = False

    def __post_init__(self) -> None:
        Patterns(f"policy for {self.source!r}", (self.source,))
        if not 1 <= self.signatures <= MAX_SIGNATURES:
            raise ConfigurationError(f"policy for {self.source!r}: ask for 1 to {MAX_SIGNATURES} signatures")
        if any(limit is not None and limit < dt.timedelta(0) for limit in (self.max_age, self.max_ahead)):
            raise ConfigurationError(f"policy for {self.source!r}: a time limit is 0 or longer")

    def admits(self, algorithm: Algorithm) -> bool:
        """Whether signatures by keys of this algorithm count."""
        return not self.algorithms or algorithm in self.algorithms


ANY_KEY = SourcePolicy(source="*")
"""Where no policy is in force: any key bound to the source may sign alone."""


class SourcePolicies:
    """All policies known at one moment."""

    def __init__(self, policies: Iterable[SourcePolicy]) -> None:
        self._versions: dict[str, list[tuple[int, SourcePolicy]]] = defaultdict(list)
        for policy in policies:
            since_ms = milliseconds(f"policy for {policy.source!r}", policy.since, _ALWAYS)
            self._versions[policy.source].append((since_ms, policy))
        for versions in self._versions.values():
            versions.sort(key=lambda version: version[0], reverse=True)
        lengths = {len(source) - 1 for source in self._versions if source.endswith("*")}
        self._prefix_lengths = sorted(lengths, reverse=True)

    def in_force(self, source: str, at_ms: int) -> SourcePolicy:
        """The policy for a source at a moment, milliseconds since 1970."""
        if not self._versions:
            return ANY_KEY
        patterns = [source, *(f"{source[:length]}*" for length in self._prefix_lengths if length <= len(source))]
        for pattern in patterns:
            for since_ms, policy in self._versions.get(pattern, ()):
                if since_ms <= at_ms:
                    return policy
        return ANY_KEY
