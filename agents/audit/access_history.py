"""Who was what, and which policies held, at a moment of the past, by the leaves alone.

Logs have no common order but their times: of acts by the database's clock, of looks by that of the process that showed
something. So what is judged for a look is judged with some room for clocks that differ.
"""

import datetime as dt
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from operator import itemgetter

from schemas.errors import ConfigurationError
from schemas.leaf import AccessChange
from security.access.approval import CLOCKS_DIFFER
from security.access.person import Duty, Person
from security.access.principal import Role

_TIME = itemgetter(0)


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose key it was: a person as their leaf says, in the log of their tenant."""

    tenant: str
    change: AccessChange


@dataclass(slots=True)
class AccessHistory:
    """Collects leaves about people and policies; asked once all are in."""

    _people: dict[tuple[str, str], list[tuple[dt.datetime, AccessChange]]] = field(default_factory=dict)
    _adopted: list[tuple[dt.datetime, int, str]] = field(default_factory=list)

    def person(self, tenant: str, time: dt.datetime, change: AccessChange) -> None:
        """Somebody's record changed."""
        self._people.setdefault((tenant, change.person or ""), []).append((time, change))

    def adopted(self, time: dt.datetime, change: AccessChange) -> None:
        """A version of the policies came into force."""
        self._adopted.append((time, change.version or 0, change.digest or ""))

    def close(self) -> None:
        """All are in: bring them in order of time."""
        for changes in self._people.values():
            changes.sort(key=_TIME)

    def jwk(self, key: str | None, time: dt.datetime) -> Mapping[str, str] | None:
        """A public key, if it was somebody's who was here then."""
        holder = self.holder(key, time)
        return None if holder is None else holder.change.jwk

    def holder(self, key: str | None, time: dt.datetime) -> Holder | None:
        """Whose key it was, if it was somebody's who was here then."""
        for (tenant, _), changes in self._people.items():
            now = _at(changes, time)
            if now is not None and now.key == key and now.change == "person":
                return Holder(tenant, now)
        return None

    def people(self, known: Iterable[tuple[Person, str]], time: dt.datetime) -> dict[str, Person]:
        """Everybody as they were.

        Args:
            known: Those whose rows there are, each with their pseudonym.
        """
        found = {}
        for person, pseudonym in known:
            change = _at(self._people.get((person.tenant, pseudonym), []), time)
            if change is not None and (then := _then(person, change)) is not None:
                found[person.person] = then
        return found

    def held(self, version: int, digest: str, time: dt.datetime) -> bool:
        """Whether that version of the policies may have been in force; of 0, what it said is not for logs to say."""
        early, late = time - CLOCKS_DIFFER, time + CLOCKS_DIFFER
        if any(number > version and since <= early for since, number, _ in self._adopted):
            return False
        return version == 0 or any(
            (number, said) == (version, digest) and since <= late for since, number, said in self._adopted
        )


def _at(changes: list[tuple[dt.datetime, AccessChange]], time: dt.datetime) -> AccessChange | None:
    number = bisect_right(changes, time, key=_TIME)
    return changes[number - 1][1] if number else None


def _then(person: Person, change: AccessChange) -> Person | None:
    """A person by a leaf."""
    tenant, _, department = (change.unit or "").partition("/")
    try:
        return replace(
            person,
            tenant=tenant,
            department=department,
            roles=frozenset(map(Role, change.roles)),
            duties=frozenset(map(Duty, change.duties)),
            tier=change.tier or 0,
            jwk=change.jwk,
            active=change.change == "person",
        )
    except (ConfigurationError, ValueError):
        return None
