"""The notation in which keys and policies name sources and types, and moments in it; shared by both registries."""

import datetime as dt

from schemas.errors import ConfigurationError

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MILLISECOND = dt.timedelta(milliseconds=1)


class Patterns:
    """Exact names and prefixes that end in `*`, matched in two C calls.

    Args:
        owner: What carries the patterns, for the error.
        patterns: The names and prefixes.

    Raises:
        ConfigurationError: One is empty, or has a `*` elsewhere.
    """

    __slots__ = ("_exact", "_prefixes")

    def __init__(self, owner: str, patterns: tuple[str, ...]) -> None:
        if not all(patterns) or any("*" in pattern[:-1] for pattern in patterns):
            raise ConfigurationError(f"{owner}: a pattern is a name, or a prefix with one * at its end")
        self._exact = frozenset(pattern for pattern in patterns if not pattern.endswith("*"))
        self._prefixes = tuple(pattern[:-1] for pattern in patterns if pattern.endswith("*"))

    def match(self, text: str) -> bool:
        """Whether one of them covers a name."""
        return text in self._exact or text.startswith(self._prefixes)


def overlap(one: str, other: str) -> bool:
    """Whether there is a name that both patterns cover."""
    if one.endswith("*"):
        prefix = one[:-1]
        return other.startswith(prefix) or (other.endswith("*") and prefix.startswith(other[:-1]))
    return one.startswith(other[:-1]) if other.endswith("*") else one == other


def milliseconds(owner: str, moment: dt.datetime | None, otherwise: int) -> int:
    """A moment in milliseconds since 1970, or `otherwise` where there is none.

    Raises:
        ConfigurationError: It has no time zone.
    """
    if moment is None:
        return otherwise
    if moment.tzinfo is None:
        raise ConfigurationError(f"{owner}: times need a time zone")
    return (moment - _EPOCH) // _MILLISECOND
