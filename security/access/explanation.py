"""Why a decision is what it is, and what another version of the policies would change."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from security.access.decision import Decider, FieldState, Question
from security.access.policy_set import PolicySet
from security.access.principal import Action
from security.access.request import FieldFacts, field_uid, principal_ancestors, resource_ancestors


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a field is seen as it is.

    Attributes:
        policies: Those that decided, permitting or forbidding it; none where it is sealed because nothing permits it.
        considered: Those whose scope covers the question, and whose conditions did not hold.
    """

    field: str
    state: FieldState
    policies: Sequence[str]
    considered: Sequence[str]


@dataclass(frozen=True, slots=True)
class AccessChange:
    """What somebody gains or loses.

    Attributes:
        policies: Of the version that opens more: those that permit it. Of neither: those that forbid it.
    """

    question: Question
    field: str
    before: FieldState
    after: FieldState
    policies: Sequence[str]

    @property
    def gains(self) -> bool:
        """Whether more is seen than before."""
        return _SEEN[self.after] > _SEEN[self.before]


def explain(policies: PolicySet, question: Question) -> list[Explanation]:
    """Say for each field which policies decided, and which could have."""
    decision = Decider(policies, cached=0).decide(question)
    found = []
    for each in question.fields:
        decided = decision.of(each.name)
        covering = _covering(policies, question, [each])
        found.append(
            Explanation(each.name, decided.state, decided.policies, sorted(covering.difference(decided.policies)))
        )
    return found


def difference(old: PolicySet, new: PolicySet, population: Iterable[Question]) -> list[AccessChange]:
    """Who of a population gains or loses what by a new version of the policies.

    Only what a changed policy covers is decided: deciding takes milliseconds, and a population asks by the thousand.
    """
    before, after = Decider(old, cached=0), Decider(new, cached=0)
    unlike = old.unlike(new)
    changes = []
    for question in population:
        if unlike.isdisjoint(_covering(old, question, question.fields) | _covering(new, question, question.fields)):
            continue
        then, now = before.decide(question), after.decide(question)
        for each in question.fields:
            one, other = then.of(each.name), now.of(each.name)
            if one.state is not other.state:
                more = other if _SEEN[other.state] > _SEEN[one.state] else one
                changes.append(AccessChange(question, each.name, one.state, other.state, more.policies))
    return changes


def _covering(policies: PolicySet, question: Question, fields: Iterable[FieldFacts]) -> set[str]:
    """The policies whose scope covers the question for some of these fields."""
    what = resource_ancestors(question.facts) | {field_uid(question.facts, each.name) for each in fields}
    actions = [question.action, Action.READ_MASKED] if question.action is Action.READ else [question.action]
    who = principal_ancestors(question.principal)
    return {name for action in actions for name in policies.relevant(who, action, what)}


_SEEN = {FieldState.SEALED: 0, FieldState.MASKED: 1, FieldState.OPEN: 2}
