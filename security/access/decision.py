"""Deciding field by field: open, masked or sealed, and which policies said so. What nothing permits is sealed.

Policies were validated against the schema, and requests and entities are of our own making (security.access.request):
checking those against it each time would cost a third more and find nothing.

A field that is erased or shredded shows itself when it is opened: what is left of a decision then is `project`.
"""

import json
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

import cedarpy
import msgspec

from security.access.masking import mask, mask_kind
from security.access.policy_set import PolicySet
from security.access.principal import Action, Principal
from security.access.request import (
    Circumstances,
    FieldFacts,
    RecordFacts,
    entities,
    field_uid,
    principal_ancestors,
    request,
    resource_ancestors,
)
from security.opening import OpenedField

MAX_CACHED: Final = 8_192


class FieldState(StrEnum):
    """How a reader sees a field."""

    OPEN = "open"
    MASKED = "masked"
    SEALED = "sealed"
    ERASED = "erased"
    SHREDDED = "shredded"


@dataclass(frozen=True, slots=True)
class FieldDecision:
    """How one field may be seen.

    Attributes:
        state: Open, masked or sealed.
        policies: Those that decided; none where nothing permits it.
    """

    state: FieldState
    policies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Question:
    """Everything that a decision depends on, beside the policies."""

    principal: Principal
    action: Action
    facts: RecordFacts
    fields: tuple[FieldFacts, ...]
    circumstances: Circumstances


@dataclass(frozen=True, slots=True)
class Decision:
    """How a record of that kind may be seen.

    Attributes:
        policy: Digest of the policy set that decided.
        visible: The fields that are open or masked.
    """

    policy: str
    fields: Mapping[str, FieldDecision]
    visible: frozenset[str] = dataclass_field(init=False)

    def __post_init__(self) -> None:
        # One decision is for all records of a shape: said once, and not for each of them.
        visible = frozenset([name for name, each in self.fields.items() if each.state is not FieldState.SEALED])
        object.__setattr__(self, "visible", visible)

    @property
    def opens(self) -> bool:
        """Whether anything is open or masked; otherwise the whole is a denial."""
        return bool(self.visible)

    def of(self, name: str) -> FieldDecision:
        """A field's; one that was not asked about, or that nobody knows, is sealed like any other."""
        return self.fields.get(name, _SEALED)


class ShownField(msgspec.Struct, frozen=True, gc=False):
    """A field as it goes out. A page has a thousand of them.

    Attributes:
        value: The whole of it, or its mask; None otherwise.
    """

    state: FieldState
    value: str | None
    tier: int

    def __repr__(self) -> str:
        return f"<ShownField, tier {self.tier}, {self.state}>"


class Decider:
    """Decides by one policy set. Another version of the policies is another decider, with nothing remembered.

    Args:
        policies: In force.
        cached: How many decisions are remembered. They differ in person, shape of record, purpose and approvals, and
            in the minute where a policy speaks of time.
    """

    def __init__(self, policies: PolicySet, *, cached: int = MAX_CACHED) -> None:
        self.policies = policies
        self._cached = cached
        self._cache: OrderedDict[tuple[Any, ...], Decision] = OrderedDict()

    def decide(self, question: Question) -> Decision:
        """Decide over the fields of a record."""
        where = question.circumstances
        key = (
            question.principal,
            question.action,
            question.facts,
            question.fields,
            where.purpose,
            where.approvals,
            where.time.timestamp() // 60 if self.policies.mentions_time else None,
        )
        found = self._cache.get(key)
        if found is not None:
            self._cache.move_to_end(key)
            return found
        decision = Decision(self.policies.digest, self._decide(question))
        if self._cached:
            self._cache[key] = decision
            if len(self._cache) > self._cached:
                self._cache.popitem(last=False)
        return decision

    def permits(self, principal: Principal, action: Action, facts: RecordFacts, where: Circumstances) -> FieldDecision:
        """Decide over what is done to a domain's records as a whole: replay, erase, request, approve."""
        if not _usable(principal, action):
            return _SEALED
        domain = "Domain", f"{facts.tenant}/{facts.domain}"
        names = self.policies.relevant(principal_ancestors(principal), action, {domain, ("Tenant", facts.tenant)})
        known = cedarpy.Entities.from_json_str(json.dumps(entities(principal, facts, ())))
        asked = request(principal, action, domain, where, 0)
        (answer,) = cedarpy.is_authorized_batch([asked], self.policies.compiled(names), known)
        return _answered(answer, FieldState.OPEN)

    def _decide(self, question: Question) -> dict[str, FieldDecision]:
        if not question.fields or not _usable(question.principal, question.action):
            return {each.name: _SEALED for each in question.fields}
        world = entities(question.principal, question.facts, question.fields)
        known = cedarpy.Entities.from_json_str(json.dumps(world))
        decided = self._ask(question, question.action, question.fields, known, FieldState.OPEN)
        denied = [each for each in question.fields if decided[each.name].state is FieldState.SEALED]
        if question.action is Action.READ and denied:
            masked = self._ask(question, Action.READ_MASKED, denied, known, FieldState.MASKED)
            decided |= {name: each for name, each in masked.items() if each.state is FieldState.MASKED}
        return decided

    def _ask(
        self,
        question: Question,
        action: Action,
        fields: Sequence[FieldFacts],
        known: cedarpy.Entities,
        state: FieldState,
    ) -> dict[str, FieldDecision]:
        who, what = principal_ancestors(question.principal), resource_ancestors(question.facts)
        uids = {each.name: field_uid(question.facts, each.name) for each in fields}
        names = self.policies.relevant(who, action, what | set(uids.values()))
        if not names:
            return dict.fromkeys(uids, _SEALED)
        levels = dict(question.circumstances.approvals)
        asked = [
            request(question.principal, action, uid, question.circumstances, levels.get(name, 0))
            for name, uid in uids.items()
        ]
        answers = cedarpy.is_authorized_batch(asked, self.policies.compiled(names), known)
        return {name: _answered(answer, state) for name, answer in zip(uids, answers, strict=True)}


def project(decision: Decision, opened: Mapping[str, OpenedField]) -> dict[str, ShownField]:
    """What a reader gets of a record, by name.

    Args:
        opened: Its fields; what the decision seals need not be opened, and is not shown if it is.
    """
    fields, shown = decision.fields, {}
    for name in sorted(opened):
        field, state = opened[name], fields.get(name, _SEALED).state
        if state is _YES and field.value is not None:
            shown[name] = ShownField(_YES, field.value.decode("utf-8", "replace"), field.tier)
        else:
            shown[name] = _hidden(state, field, name)
    return shown


def _hidden(state: FieldState, field: OpenedField, name: str) -> ShownField:
    """A field that is not open: its mask, or that there is none."""
    if field.value is None or state is _NO:
        gone = _GONE.get(field.state)
        return ShownField(_NO if gone is None else gone, None, field.tier)
    return ShownField(state, mask(mask_kind(name), _plain(field.value.decode("utf-8", "replace"))), field.tier)


def _plain(text: str) -> str:
    """A value without its quotes: those of a registered record are JSON, as they were signed."""
    if not text.startswith('"'):
        return text
    try:
        return msgspec.json.decode(text, type=str)
    except msgspec.MsgspecError:
        return text


def _usable(principal: Principal, action: Action) -> bool:
    """Whether the credential is good for it: no policy can give a key more than it was made for."""
    return principal.actions is None or action in principal.actions


def _answered(answer: cedarpy.AuthzResult, state: FieldState) -> FieldDecision:
    diagnostics = answer.diagnostics
    # A policy that fails on a request might have been one that forbids: its failure opens nothing.
    if diagnostics.errors or not answer.allowed:
        return FieldDecision(FieldState.SEALED, tuple(sorted(diagnostics.reasons)))
    return FieldDecision(state, tuple(sorted(diagnostics.reasons)))


_SEALED: Final = FieldDecision(FieldState.SEALED)
# Looked up in its class, a member costs a call of its own.
_YES, _NO = FieldState.OPEN, FieldState.SEALED
_GONE: Final[Mapping[str, FieldState]] = MappingProxyType(
    {"erased": FieldState.ERASED, "shredded": FieldState.SHREDDED}
)
