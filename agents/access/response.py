"""The decisions of one response, by one snapshot of who may see what; and what they take of quotas.

Pure: reading rows and writing the look down is agents.reading.desk.
"""

import datetime as dt
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from uuid import UUID

from agents.access.keeper import Access
from agents.access.look_log import Because, Use
from schemas.catalogue import NOT_SHARED
from security.access.access_request import AccessRequest
from security.access.approval import Grant, approved_fields, covering
from security.access.decision import Decision, Question
from security.access.decision_record import DecisionRecord
from security.access.look_record import LookRecord
from security.access.principal import Action, NotAuthenticated, Principal
from security.access.request import Circumstances, FieldFacts, RecordFacts

BASIS = "policy"
"""What a leaf says of a look that policies decided over."""


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision over one record.

    Attributes:
        numbers: Which of the response's decisions it is: several, where a record was decided over more than once.
        grants: The requests that open more of it than the policies do alone.
    """

    decision: Decision
    numbers: tuple[int, ...]
    grants: tuple[AccessRequest, ...] = ()

    def joined(self, others: Sequence["Decided"]) -> "Decided":
        """This decision, with all that others over the same record were based on."""
        if not others:
            return self
        everything = [self, *others]
        numbers = dict.fromkeys(number for each in everything for number in each.numbers)
        grants = {request.id: request for each in everything for request in each.grants}
        return Decided(self.decision, tuple(numbers), tuple(grants.values()))


Decide = Callable[[UUID, Action, RecordFacts, tuple[FieldFacts, ...]], Decided]
"""Decides over one record, by its id, facts and fields."""


@dataclass(slots=True)
class Response:
    """One response while it is made.

    Args:
        who: As they proved to be; what they may do is what `access` says of them now.
        left: How many records requests cover, where that is known better than by `access`.

    Raises:
        NotAuthenticated: They are nobody here any more.
        ConfigurationError: The purpose is no word.
    """

    access: Access
    who: Principal
    purpose: str
    now: dt.datetime
    left: Mapping[UUID, int] = field(default_factory=dict)
    _where: Circumstances = field(init=False)
    _grants: list[Grant] = field(init=False)
    _numbers: dict[Question, int] = field(default_factory=dict)
    _plain: dict[tuple[Action, RecordFacts, int], tuple[Question, Decided]] = field(default_factory=dict)
    _records: list[DecisionRecord] = field(default_factory=list)
    _taken: dict[str, int] = field(default_factory=dict)
    _quotas: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.who = acting_now(self.access, self.who)
        if self.who.projects is not None:
            # Which records are a project's is not ours to know: whoever does, and checked it, asks without.
            self.who = replace(self.who, actions=frozenset())
        self._where = Circumstances(purpose=self.purpose, time=self.now)
        self._grants = [
            replace(each, left=min(each.left, self.left.get(UUID(each.request.id), each.left)))
            for each in self.access.grants(self.now, self.who.person)
        ]

    def decide(
        self, name: UUID, action: Action, facts: RecordFacts, fields: tuple[FieldFacts, ...], *, approvals: bool = True
    ) -> Decided:
        """Decide over one record. An approval counts only where it opens more than there is without.

        Args:
            fields: Those that it has.
        """
        plain, decided = self._by_policies_alone(action, facts, fields)
        covers = self._covering(facts, str(name)) if approvals and self._grants else []
        if not covers:
            return decided
        decision = decided.decision
        approved = replace(plain, circumstances=replace(self._where, approvals=approved_fields(covers)))
        better = self.access.decider.decide(approved)
        changed = {each.name for each in fields if better.of(each.name).state is not decision.of(each.name).state}
        if not changed:
            return decided
        used = tuple([each.request for each in covers if not changed.isdisjoint(each.request.fields)])
        return Decided(better, (self._number(approved, better),), used)

    def _by_policies_alone(
        self, action: Action, facts: RecordFacts, fields: tuple[FieldFacts, ...]
    ) -> tuple[Question, Decided]:
        """What holds without an approval: the same for all records of a shape, so that it is found out once."""
        # Fields by their place, which lives as long as the question that holds them: their hash costs too much.
        key = action, facts, id(fields)
        known = self._plain.get(key)
        if known is None:
            question = Question(self.who, action, facts, fields, self._where)
            decision = self.access.decider.decide(question)
            known = self._plain[key] = question, Decided(decision, (self._number(question, decision),))
        return known

    def take(self, decided: Decided) -> None:
        """Count a record that is shown."""
        for request in decided.grants:
            self._taken[request.id] = self._taken.get(request.id, 0) + 1
            self._quotas[request.id] = request.quota

    def because(self, asked: str, shown: Mapping[int, Sequence[tuple[UUID, Decided]]]) -> Because:
        """Why it shows what it shows.

        Args:
            asked: See `LookRecord`.
            shown: The records by log, or those of a denial.
        """
        return Because(
            policy=f"{self.access.version}@{self.access.decider.policies.digest}",
            purpose=self.purpose,
            decisions={log_id: self._look_record(asked, records).encode() for log_id, records in shown.items()},
            grants={log_id: sorted(_used(records)) for log_id, records in shown.items()},
            uses={UUID(name): Use(records, self._quotas[name]) for name, records in self._taken.items()},
        )

    def _look_record(self, asked: str, records: Sequence[tuple[UUID, Decided]]) -> LookRecord:
        numbers = {old: new for new, old in enumerate(sorted({each for _, of in records for each in of.numbers}))}
        return LookRecord(
            person=self.who.person,
            purpose=self.purpose,
            asked=asked,
            version=self.access.version,
            decisions=tuple([self._records[old] for old in numbers]),
            records=tuple([(str(name), tuple([numbers[each] for each in of.numbers])) for name, of in records]),
            grants=tuple(sorted(_used(records).items())),
        )

    def _covering(self, facts: RecordFacts, name: str) -> list[Grant]:
        place = facts.tenant, facts.domain, facts.kind
        left = [each for each in self._grants if each.left > self._taken.get(each.request.id, 0)]
        return covering(left, self.who.person, self.who.unit, self.purpose, place, name)

    def _number(self, question: Question, decision: Decision) -> int:
        number = self._numbers.get(question)
        if number is None:
            number = self._numbers[question] = len(self._records)
            self._records.append(DecisionRecord.of(question, decision))
        return number


def acting_now(access: Access, who: Principal) -> Principal:
    """Somebody as they are registered now, with no more than their credential is good for.

    Raises:
        NotAuthenticated: They are nobody here any more.
    """
    person = access.people.get(who.person)
    if person is None:
        raise NotAuthenticated("unknown_person", "nobody of that name is registered here")
    return person.authenticated(who.method, who.credential).limited(
        method=who.method, credential=who.credential, tier=who.tier, actions=who.actions, projects=who.projects
    )


def _used(records: Sequence[tuple[UUID, Decided]]) -> dict[str, int]:
    """How many of these records were read by each request, by its digest."""
    requests = {request.id: request for _, decided in records for request in decided.grants}
    counts = Counter(request.id for _, decided in records for request in decided.grants)
    return {requests[name].digest(): count for name, count in counts.items()}


# Names come from stored blobs too: bounded. Records of one shape get the same tuple.
@lru_cache(maxsize=1_024)
def field_facts(tiers: tuple[tuple[str, int], ...], shared: tuple[tuple[str, str], ...] = ()) -> tuple[FieldFacts, ...]:
    """The fields of a record, in an order that is the same for all records of one shape.

    Args:
        tiers: As they are sealed, whatever the catalogue says by now.
        shared: Of the kind's fields those that are, and how; see `Catalogue.shared`.
    """
    sharing = dict(shared)
    return tuple([FieldFacts(name, tier, sharing.get(name, NOT_SHARED)) for name, tier in sorted(tiers)])
