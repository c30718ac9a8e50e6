"""What a look says was decided, decided again: by people, policies and approvals as this process reads them now.

A look's word is enough for nothing but which questions were asked. Pure, apart from the snapshot it is given.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID

from agents.access_keeper import Access
from agents.release.proof import ProvedLook
from agents.release.refusal import Refusal, ReleaseRefused
from agents.response import Decided, acting_now
from schemas.errors import ConfigurationError
from security.access.approval import approved_fields, covering
from security.access.decision import Decision, Question
from security.access.decision_record import DecisionRecord
from security.access.principal import Action, NotAuthenticated, Principal
from security.access.request import FieldFacts, RecordFacts

APART: Final = dt.timedelta(seconds=120)
"""A question names the minute in which it was asked."""

_Subject = tuple[Action, RecordFacts, tuple[FieldFacts, ...]]


@dataclass(frozen=True, slots=True)
class _Claim:
    """One decision of a look, as it comes out here."""

    question: Question
    decision: Decision


class Claims:
    """The decisions of one look.

    Args:
        looks: As each log has it.
    """

    def __init__(self, access: Access, looks: Mapping[int, ProvedLook], now: dt.datetime) -> None:
        self._access = access
        self._now = now
        self._looks = looks
        self._who: Principal | None = None
        self._grants = [replace(each, left=each.request.quota) for each in access.grants(now)]
        self._claims: dict[tuple[int, int], _Claim] = {}
        self._numbers = {log_id: dict(look.record.records) for log_id, look in looks.items()}

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
        for number in numbers:
            claim = self._claims.get((log_id, number))
            if claim is None:
                claim = self._claims[log_id, number] = self._again(look, look.record.decisions[number])
            question = claim.question
            if (question.action, question.facts, question.fields) == (action, about, fields):
                self._see_approved(question, name)
                return Decided(claim.decision, ())
        raise ReleaseRefused(Refusal.NOT_DECIDED)

    def _again(self, look: ProvedLook, record: DecisionRecord) -> _Claim:
        """Make one decision again: with the person, the policies and the time of now."""
        access = self._access
        try:
            question = record.question()
            who = acting_now(access, question.principal)
        except (ConfigurationError, ValueError, NotAuthenticated) as exc:
            raise ReleaseRefused(Refusal.DECIDED_OTHERWISE) from exc
        in_force = f"{access.version}@{access.decider.policies.digest}"
        if who != question.principal or look.leaf.policy != in_force:
            raise ReleaseRefused(Refusal.DECIDED_OTHERWISE)
        if abs(self._now - question.circumstances.time) > APART:
            raise ReleaseRefused(Refusal.NOT_NOW)
        asked = replace(question, circumstances=replace(question.circumstances, time=self._now))
        decision = access.decider.decide(asked)
        again: dict[str, Any] = DecisionRecord.of(asked, decision).answer  # type: ignore[assignment]
        if again != record.answer or decision.policy != record.policy:
            raise ReleaseRefused(Refusal.DECIDED_OTHERWISE)
        return _Claim(question, decision)

    def _see_approved(self, question: Question, name: UUID) -> None:
        """See that what the question takes for approved is approved now, for this record."""
        claimed = question.circumstances.approvals
        if not claimed:
            return
        who, about = question.principal, question.facts
        place = about.tenant, about.domain, about.kind
        covers = covering(self._grants, who.person, who.unit, question.circumstances.purpose, place, str(name))
        approved = dict(approved_fields(covers))
        if any(level > approved.get(field, 0) for field, level in claimed):
            raise ReleaseRefused(Refusal.DECIDED_OTHERWISE)
