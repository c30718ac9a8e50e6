"""What deciding over a record costs: 12 fields, 200 policies; and what cutting the policies down and remembering save.

    python -m bench.access

One process, CPU time, median of rounds. `whole` gives Cedar all policies for each field; `new` leaves out what can't
matter, for a person and shape that nobody has asked about in this minute; `known` is the same question again. All three
end with the projection of the record's fields, a third of which are masked.
"""

import datetime as dt
import statistics
import time
from collections.abc import Callable
from typing import Final

import cedarpy

from security.access.decision import Decider, Question, project
from security.access.policy_set import PolicySet
from security.access.principal import Action, Method, Principal, Role
from security.access.request import Circumstances, FieldFacts, RecordFacts
from security.opening import OpenedField

POLICIES: Final = 200
FIELDS: Final = 12
ROUNDS: Final = 31
AIM_MS: Final = 0.5

_OPENED: Final = {f"f{n}": OpenedField(n % 5 + 1, "open", b"6222 0212 3456 7890") for n in range(FIELDS)}


class Uncut(PolicySet):
    """Gives Cedar everything."""

    def compiled(self, names: object) -> cedarpy.PolicySet:
        """All policies."""
        return self.whole


def main() -> None:
    """Measure and print."""
    found = PolicySet.parse("\n".join(_policy(n) for n in range(POLICIES)))
    parts = found._policies, found._scopes, found._reaches
    uncut = Uncut(found.text, found.digest, found.whole, found.mentions_time, *parts)
    remembers = Decider(found)
    remembers.decide(_question("p"))
    cells: dict[str, Callable[[int], None]] = {
        "whole": lambda n: _answer(Decider(uncut, cached=0), f"p{n}"),
        "new": lambda n: _answer(Decider(found, cached=0), f"p{n}"),
        "known": lambda _: _answer(remembers, "p"),
    }
    print(f"{FIELDS} fields, {POLICIES} policies, CPU ms a record, median of {ROUNDS} rounds (aim {AIM_MS:g})")
    for name, work in cells.items():
        times = 400 if name == "known" else 4
        print(f"{name:8}{statistics.median(_milliseconds(work, times) for _ in range(ROUNDS)):9.4f}")


def _answer(decider: Decider, person: str) -> None:
    project(decider.decide(_question(person)), _OPENED)


def _milliseconds(work: Callable[[int], None], times: int) -> float:
    start = time.process_time()
    for n in range(times):
        work(n)
    return (time.process_time() - start) / times * 1_000


def _question(person: str) -> Question:
    return Question(
        Principal(
            person=person,
            tenant="t",
            department="d7",
            roles=frozenset({Role.READER}),
            tier=3,
            method=Method.TOKEN,
        ),
        Action.READ,
        RecordFacts(tenant="t", domain="d7", source="urn:s", kind="io.sealstream.transaction.v1"),
        tuple([FieldFacts(f"f{n}", n % 5 + 1) for n in range(FIELDS)]),
        Circumstances(purpose="casework", time=dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)),
    )


def _policy(n: int) -> str:
    action, tiers = ("read_masked", 1) if n % 2 else ("read", 0)
    # Every twenty-fifth policy is one for everybody, which nothing can be left out of.
    unit = "principal" if n % 25 == 0 else f'principal in Department::"t/d{n // 2 * 7 % 100}"'
    return (
        f'@id("p{n}") permit ({unit}, action == Action::"{action}", resource) when {{ '
        f"principal.tenant == resource.tenant && resource.tier <= principal.tier + {tiers} && "
        '["casework", "audit"].contains(context.purpose) };'
    )


if __name__ == "__main__":
    main()
