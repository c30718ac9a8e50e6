"""What a look says was decided, decided again: for who asks, by policies and approvals as this process reads them now.

A look's word is enough for nothing but which questions were asked. Pure, apart from the snapshot it is given.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID

from agents.access.keeper import Access
from agents.access.response import Decided
from agents.release.askers import Asking
from agents.release.proof import ProvedLook
from agents.release.refusal import Refusal, ReleaseRefused
from schemas.errors import ConfigurationError
from security.access.approval import Grant, approved_fields, covering
from security.access.decision import Decision, Question
from security.access.decision_record import DecisionRecord
from security.access.principal import Action
from security.access.request import FieldFacts, RecordFacts
from streams.storage.access_requests import ReleasedUse

APART: Final = dt.timedelta(seconds=120)
"""A question names the minute in which it was asked."""


_Asked = tuple[Action, RecordFacts, tuple[FieldFacts, ...]]


@dataclass(frozen=True, slots=True)
class _Claim:
    """One decision of a look, as it comes out here.

    Attributes:
        approved: The fields of which it says otherwise than without approvals.
    """

    question: Question
    decision: Decision
    approved: frozenset[str]


class Claims:
    """The decisions of one look.

    Args:
        looks: As each log has it.

    Raises:
        ReleaseRefused: The look is another person's.
    """

    def __init__(self, access: Access, asking: Asking, looks: Mapping[int, ProvedLook], now: dt.datetime) -> None:
        if any(look.record.person != asking.who.person for look in looks.values()):
            raise ReleaseRefused(Refusal.NOT_THEIRS)
        self._access = access
        # As the desk asks: it is told of a project what that comes to.
        self._who = replace(asking.who, projects=None)
        self._within = asking.within
        self._now = now
        self._looks = looks
        self._grants: list[Grant] | None = None
        self._claims: dict[tuple[int, int], _Claim] = {}
        self._shapes: dict[tuple[Any, ...], tuple[tuple[FieldFacts, ...], _Claim, Decided]] = {}
        self._numbers = {log_id: dict(look.record.records) for log_id, look in looks.items()}
        self.uses: set[ReleasedUse] = set()
        """What it opens by requests for access; grows with what is decided."""

    def decide(
        self, log_id: int, name: UUID, action: Action, about: RecordFacts, fields: tuple[FieldFacts, ...]
    ) -> Decided:
        """Decide over a record that the look names.

        Raises:
            ReleaseRefused: The look names it not, did not ask this of it, or the answer is another one now.
        """
        look = self._looks.get(log_id)
        numbers = self._numbers.get(log_id, {}).get(str(name))
        if look is None or numbers is None or look.leaf.kind == "deny":
            raise ReleaseRefused(Refusal.NOT_DECIDED)
        if self._within is not None and (about.tenant, look.record.purpose) not in self._within:
            raise ReleaseRefused(Refusal.NOT_THEIRS)
        # Fields by their place, as in a response; they are held here, so that no others come to stand there.
        shape = log_id, numbers, action, about, id(fields)
        known = self._shapes.get(shape)
        if known is None:
            claim = self._claim(log_id, look, numbers, (action, about, fields))
            known = self._shapes[shape] = fields, claim, Decided(claim.decision, ())
        _, claim, decided = known
        self._see_approved(claim, log_id, look, name)
        return decided

    def requests(self) -> dict[UUID, int]:
        """The quotas of the requests that it opens something by."""
        quotas = {UUID(grant.request.id): grant.request.quota for grant in self._granted()}
        return {request: quotas[request] for request in {each.request_id for each in self.uses}}

    def _claim(self, log_id: int, look: ProvedLook, numbers: tuple[int, ...], asked: _Asked) -> _Claim:
        """The one among some decisions that answers what is asked; records of one shape share it."""
        for number in numbers:
            claim = self._claims.get((log_id, number))
            if claim is None:
                claim = self._claims[log_id, number] = self._again(look, look.record.decisions[number])
            question = claim.question
            if (question.action, question.facts, question.fields) == asked:
                return claim
        raise ReleaseRefused(Refusal.NOT_DECIDED)

    def _again(self, look: ProvedLook, record: DecisionRecord) -> _Claim:
        """Make one decision again: with the person, the policies and the time of now."""
        access = self._access
        try:
            question = record.question()
        except (ConfigurationError, ValueError) as exc:
            raise ReleaseRefused(Refusal.DECIDED_OTHERWISE) from exc
        in_force = f"{access.version}@{access.decider.policies.digest}"
        if question.principal != self._who or look.leaf.policy != in_force:
            raise ReleaseRefused(Refusal.DECIDED_OTHERWISE)
        if abs(self._now - question.circumstances.time) > APART:
            raise ReleaseRefused(Refusal.NOT_NOW)
        asked = replace(question, circumstances=replace(question.circumstances, time=self._now))
        decision = access.decider.decide(asked)
        again: dict[str, Any] = DecisionRecord.of(asked, decision).answer  # type: ignore[assignment]
        if again != record.answer or decision.policy != record.policy:
            raise ReleaseRefused(Refusal.DECIDED_OTHERWISE)
        return _Claim(question, decision, self._approved(asked, decision))

    def _approved(self, asked: Question, decision: Decision) -> frozenset[str]:
        if not asked.circumstances.approvals:
            return frozenset()
        without = replace(asked, circumstances=replace(asked.circumstances, approvals=()))
        plain = self._access.decider.decide(without)
        return frozenset(
            [each.name for each in asked.fields if plain.of(each.name).state is not decision.of(each.name).state]
        )

    def _granted(self) -> list[Grant]:
        """What is granted now to who asks. What is left of it is counted when it is opened."""
        if self._grants is None:
            found = self._access.grants(self._now, self._who.person)
            self._grants = [replace(each, left=each.request.quota) for each in found]
        return self._grants

    def _see_approved(self, claim: _Claim, log_id: int, look: ProvedLook, name: UUID) -> None:
        """See that what the question takes for approved is approved now for this record, and note by which requests."""
        question = claim.question
        claimed = dict(question.circumstances.approvals)
        if not claimed:
            return
        who, about = question.principal, question.facts
        place = about.tenant, about.domain, about.kind
        covers = covering(self._granted(), who.person, who.unit, question.circumstances.purpose, place, str(name))
        approved = dict(approved_fields(covers))
        # The look says which requests it read by: what it opened more by any is these requests'.
        named = dict(look.record.grants)
        used = [
            each.request
            for each in covers
            if not claim.approved.isdisjoint(each.request.fields) and each.request.digest() in named
        ]
        paid = {field: max([r.level for r in used if field in r.fields], default=0) for field in claim.approved}
        if any(level > approved.get(field, 0) for field, level in claimed.items()) or any(
            level < claimed.get(field, 0) for field, level in paid.items()
        ):
            raise ReleaseRefused(Refusal.DECIDED_OTHERWISE)
        place_of = log_id, look.commit_id, look.ordinal
        self.uses.update([ReleasedUse(UUID(request.id), *place_of, name) for request in used])
