"""A decision, written down so that it can be made again offline: the question, its slice of the world, the answer.

Whoever gets the record and the policies of its digest sees whether the answer was what those policies say. What
a look was decided by, which the log commits to, is security.access.look_record.
"""

import datetime as dt
from collections.abc import Mapping
from typing import Any, Final, Literal, Self

import msgspec

from schemas.errors import ConfigurationError, VerificationFailed
from security.access.decision import Decider, Decision, Question
from security.access.policy_set import PolicySet
from security.access.principal import Action, Method, Principal, Role
from security.access.request import Circumstances, FieldFacts, RecordFacts

RECORD_VERSION: Final = 1

_ENCODER: Final = msgspec.json.Encoder(order="sorted")


class NotReproduced(VerificationFailed):
    """A decision can't be made again: the record is not the committed one, or the policies say something else."""


class DecisionRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A question with its answer.

    Attributes:
        fields: Name, tier and sharing of each field.
        answer: Field name to its state and the policies that decided.
    """

    v: Literal[1] = 1
    policy: str
    person: str
    unit: tuple[str, str]
    roles: tuple[str, ...]
    tier: int
    method: str
    credential: str
    actions: tuple[str, ...] | None
    projects: tuple[str, ...] | None
    action: str
    record: tuple[str, str, str, str]
    fields: tuple[tuple[str, int, str], ...]
    purpose: str
    time: str
    approvals: tuple[tuple[str, int], ...]
    answer: Mapping[str, tuple[str, tuple[str, ...]]]

    @classmethod
    def of(cls, question: Question, decision: Decision) -> Self:
        """Write a decision down."""
        who, facts, where = question.principal, question.facts, question.circumstances
        return cls(
            policy=decision.policy,
            person=who.person,
            unit=who.unit,
            roles=tuple(sorted(who.roles)),
            tier=who.tier,
            method=who.method,
            credential=who.credential,
            actions=None if who.actions is None else tuple(sorted(who.actions)),
            projects=None if who.projects is None else tuple(sorted(who.projects)),
            action=question.action,
            record=(facts.tenant, facts.domain, facts.source, facts.kind),
            fields=tuple([(each.name, each.tier, each.sharing) for each in question.fields]),
            purpose=where.purpose,
            time=where.minute,
            approvals=where.approvals,
            answer={name: (each.state, each.policies) for name, each in decision.fields.items()},
        )

    def encode(self) -> bytes:
        """Its canonical bytes: RFC 8785, no floats."""
        return _ENCODER.encode(self)

    def question(self) -> Question:
        """What was asked.

        Raises:
            ConfigurationError, ValueError: It names something that there is not.
        """
        tenant, domain, source, kind = self.record
        return Question(
            Principal(
                person=self.person,
                tenant=self.unit[0],
                department=self.unit[1],
                roles=frozenset(map(Role, self.roles)),
                tier=self.tier,
                method=Method(self.method),
                credential=self.credential,
                actions=None if self.actions is None else frozenset(map(Action, self.actions)),
                projects=None if self.projects is None else frozenset(self.projects),
            ),
            Action(self.action),
            RecordFacts(tenant=tenant, domain=domain, source=source, kind=kind),
            tuple([FieldFacts(*each) for each in self.fields]),
            Circumstances(purpose=self.purpose, time=dt.datetime.fromisoformat(self.time), approvals=self.approvals),
        )


def decide_again(record: DecisionRecord, policies: PolicySet) -> None:
    """See that policies decide as a record says.

    Raises:
        NotReproduced: They don't, or they are others than those that decided.
    """
    if record.policy != policies.digest:
        raise NotReproduced(f"the decision was made by policies {record.policy}, these are {policies.digest}")
    try:
        question = record.question()
    except (ConfigurationError, ValueError) as exc:
        raise NotReproduced("a decision's record names something that there is not") from exc
    again: dict[str, Any] = DecisionRecord.of(question, Decider(policies, cached=0).decide(question)).answer  # type: ignore[assignment]
    different = sorted(
        name for name in again.keys() | record.answer.keys() if again.get(name) != record.answer.get(name)
    )
    if different:
        raise NotReproduced(f"the policies decide otherwise over {', '.join(different)}")
