"""How the parts of a process are doing, by their own word. Serving it over HTTP and exporting metrics live elsewhere.

    health = Health(["intake", "database"])
    health.working("intake")
    health.waiting("database", "refuses connections (ConnectionRefusedError)")
    health.alive, health.ready  # True, False

Every part tells its state whenever it changes; nothing here looks at a clock to guess. Texts name what is wrong and
what to do, never a field value, a key or a password: they are shown to whoever may ask for the health.
"""

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """What a part is doing."""

    STARTING = "starting"
    """It has not done its job yet, and nothing is known to be wrong."""

    WORKING = "working"
    """It does its job, or stands by as the spare of another process that does it."""

    WAITING = "waiting"
    """It can't do its job now and goes on by itself when what it names is mended: restarting would not help."""

    DEGRADED = "degraded"
    """It does its job but for what it names, which is somebody else's to mend: traffic need not go elsewhere."""

    FAILED = "failed"
    """It can't go on in this process."""


_AT_WORK = frozenset({State.WORKING, State.DEGRADED})


@dataclass(frozen=True, slots=True)
class PartHealth:
    """One part.

    Attributes:
        why: What is wrong; None while nothing is.
        since: When it came into this state.
    """

    state: State
    why: str | None
    since: dt.datetime


class Health:
    """The parts of one process by name.

    Args:
        parts: Names that are there from the start, in state starting: the process is not ready before they work.
        clock: The time, with its zone.
    """

    def __init__(
        self, parts: Iterable[str] = (), clock: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC)
    ) -> None:
        self._clock = clock
        self._parts: dict[str, PartHealth] = {}
        for name in parts:
            self.starting(name)

    def starting(self, name: str) -> None:
        """A part begins, or begins anew."""
        self._enter(name, State.STARTING, None)

    def working(self, name: str) -> None:
        """A part does its job."""
        self._enter(name, State.WORKING, None)

    def waiting(self, name: str, why: str) -> None:
        """A part can't do its job until what `why` says is mended, and goes on by itself then."""
        self._enter(name, State.WAITING, why)

    def degraded(self, name: str, why: str) -> None:
        """A part does its job but for what `why` says, and goes on by itself when that is mended."""
        self._enter(name, State.DEGRADED, why)

    def failed(self, name: str, why: str) -> None:
        """A part has given up."""
        self._enter(name, State.FAILED, why)

    def forget(self, name: str) -> None:
        """A part is gone in good order: a partition that another worker has now, a role that has ended."""
        self._parts.pop(name, None)

    @property
    def alive(self) -> bool:
        """Whether the process need not be restarted: no part has given up. Waiting for an outage to end is alive."""
        return all(part.state is not State.FAILED for part in self._parts.values())

    @property
    def ready(self) -> bool:
        """Whether the process does its job now: it has parts, and every one works, be it degraded."""
        return bool(self._parts) and all(part.state in _AT_WORK for part in self._parts.values())

    def parts(self) -> dict[str, PartHealth]:
        """The parts as they are now, a copy."""
        return dict(self._parts)

    def snapshot(self) -> dict[str, object]:
        """Everything, for JSON: ``{"alive": …, "ready": …, "parts": {name: {"state": …, "since": …, "why": …}}}``.

        `since` is UTC in ISO 8601; `why` is there where something is wrong.
        """
        return {
            "alive": self.alive,
            "ready": self.ready,
            "parts": {name: _plain(part) for name, part in sorted(self._parts.items())},
        }

    def _enter(self, name: str, state: State, why: str | None) -> None:
        before = self._parts.get(name)
        # A newer reason for the same wait does not make the wait any shorter.
        since = before.since if before is not None and before.state is state else self._clock()
        self._parts[name] = PartHealth(state, why, since)


def _plain(part: PartHealth) -> dict[str, str]:
    since = part.since.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    plain = {"state": part.state.value, "since": since}
    return plain if part.why is None else {**plain, "why": part.why}
