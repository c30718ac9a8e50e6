"""Why a decision is what it is, and what another version of the policies would change."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from security.access.decision import Decider, FieldState, Question
from security.access.policy_set import PolicySet
from security.access.principal import Action
from security.access.request import field_uid, principal_ancestors, resource_ancestors


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
    who, what = principal_ancestors(question.principal), resource_ancestors(question.facts)
    actions = [question.action, Action.READ_MASKED] if question.action is Action.READ else [question.action]
    found = []
    for each in question.fields:
        decided = decision.of(each.name)
        resource = what | {field_uid(question.facts, each.name)}
        covering = {name for action in actions for name in policies.relevant(who, action, resource)}
        found.append(
            Explanation(each.name, decided.state, decided.policies, sorted(covering.difference(decided.policies)))
        )
    return found


def difference(old: PolicySet, new: PolicySet, population: Iterable[Question]) -> list[AccessChange]:
    """Who of a population gains or loses what by a new version of the policies."""
    before, after = Decider(old, cached=0), Decider(new, cached=0)
    changes = []
    for question in population:
        then, now = before.decide(question), after.decide(question)
        for each in question.fields:
            one, other = then.of(each.name), now.of(each.name)
            if one.state is not other.state:
                more = other if _SEEN[other.state] > _SEEN[one.state] else one
                changes.append(AccessChange(question, each.name, one.state, other.state, more.policies))
    return changes


_SEEN = {FieldState.SEALED: 0, FieldState.MASKED: 1, FieldState.OPEN: 2}
