"""Policies: what is valid, what they decide, who gains what, and making a decision again."""

import datetime as dt
import json
from dataclasses import replace
from typing import Any

import cedarpy
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import ConfigurationError
from security.access.decision import Decider, FieldState, Question, project
from security.access.decision_record import DecisionRecord, NotReproduced, decide_again
from security.access.explanation import difference, explain
from security.access.policy_set import MAX_POLICY_BYTES, InvalidPolicies, PolicySet, default_policies, schema
from security.access.principal import Action, Role
from security.access.request import Circumstances, FieldFacts, entities, field_uid, request
from security.opening import OpenedField
from tests.support.access import FIELDS, NOON, facts, person, question

DEFAULT = PolicySet.parse(default_policies())
MASKING = """
@id("mask-a-tier-above") permit (principal in Role::"reader", action == Action::"read_masked", resource)
when { principal.tenant == resource.tenant && resource.tier <= principal.tier + 1 };
"""
LOCKED = '@id("no-names") forbid (principal, action, resource) when { resource.name == "counterparty_name" };'


def policies(*more: str) -> PolicySet:
    return PolicySet.parse("\n".join([default_policies(), *more]))


def states(found: PolicySet, asked: Question) -> dict[str, str]:
    return {name: each.state.value for name, each in Decider(found).decide(asked).fields.items()}


ALL_SEALED = dict.fromkeys([each.name for each in FIELDS], "sealed")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("permit (principal, action, resource", id="does-not-parse"),
        pytest.param("permit (principal, action, resource);", id="has-no-id"),
        pytest.param('@id("") permit (principal, action, resource);', id="has-an-empty-id"),
        pytest.param(2 * '@id("a") permit (principal, action, resource);', id="an-id-twice"),
        pytest.param('@id("a") permit (principal == User::"x", action, resource);', id="an-unknown-type"),
        pytest.param('@id("a") permit (principal, action == Action::"fly", resource);', id="an-unknown-action"),
        pytest.param('@id("a") permit (principal in Role::"root", action, resource);', id="an-unknown-role"),
        pytest.param(
            '@id("a") permit (principal, action, resource) when { context.colour == "red" };', id="an-unknown-attribute"
        ),
        pytest.param(
            '@id("a") permit (principal, action == Action::"read", resource) when { resource.tier == "5" };',
            id="a-wrong-type",
        ),
        pytest.param('@id("a") permit (principal == ?principal, action, resource);', id="a-template"),
        pytest.param("//" + "x" * MAX_POLICY_BYTES, id="too-long"),
    ],
)
def test_what_is_no_policy_set_for_our_schema_is_none(text: str) -> None:
    with pytest.raises(InvalidPolicies):
        PolicySet.parse(text)


def test_an_empty_policy_set_seals_everything() -> None:
    assert states(PolicySet.parse(""), question()) == ALL_SEALED


def test_the_default_opens_the_own_departments_fields_up_to_the_standing_tier() -> None:
    decision = Decider(DEFAULT).decide(question())
    assert {name: each.state for name, each in decision.fields.items()} == {
        "currency": "open",
        "amount": "open",
        "counterparty_name": "open",
        "diagnosis": "sealed",
    }
    assert decision.of("amount").policies == ("standing-tier",)
    assert decision.of("diagnosis").policies == ()
    assert decision.of("no such field") == decision.of("diagnosis")


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param(question(person(tenant="bank-b")), id="another-tenant"),
        pytest.param(question(person(department="loans")), id="another-department"),
        pytest.param(question(about=facts(tenant="bank-b")), id="another-tenants-record"),
        pytest.param(question(about=facts(domain="loans")), id="another-departments-record"),
        pytest.param(question(purpose="curiosity"), id="another-purpose"),
        pytest.param(question(person(roles=frozenset())), id="no-role"),
        pytest.param(question(person(roles=frozenset({Role.OPERATOR}))), id="an-operator"),
        pytest.param(question(person(roles=frozenset({Role.ADMINISTRATOR}))), id="an-administrator"),
        pytest.param(question(person(tier=0)), id="no-tier"),
        pytest.param(question(person(actions=frozenset({Action.SEARCH}))), id="a-key-for-something-else"),
        pytest.param(question(person(tenant="bank-a/payments", department="x")), id="names-that-run-together"),
        pytest.param(question(person(tier=1)), id="a-lower-tier"),
    ],
)
def test_the_default_opens_nothing_else(asked: Question) -> None:
    assert states(DEFAULT, asked) == ALL_SEALED


@pytest.mark.parametrize("action", [Action.REPLAY, Action.ERASE, Action.REQUEST, Action.APPROVE])
def test_the_default_permits_no_other_action(action: Action) -> None:
    everything = person(roles=frozenset({Role.READER, Role.ADMINISTRATOR}), tier=5)
    where = Circumstances(purpose="operations", time=NOON)
    assert Decider(DEFAULT).permits(everything, action, facts(), where).state is FieldState.SEALED


def test_a_policy_may_permit_an_action_on_a_domain() -> None:
    found = policies('@id("replay") permit (principal in Role::"operator", action == Action::"replay", resource);')
    operator, where = person(roles=frozenset({Role.OPERATOR})), Circumstances(purpose="operations", time=NOON)
    assert Decider(found).permits(operator, Action.REPLAY, facts(), where).policies == ("replay",)
    assert Decider(found).permits(operator, Action.ERASE, facts(), where).state is FieldState.SEALED
    limited = replace(operator, actions=frozenset({Action.READ}))
    assert Decider(found).permits(limited, Action.REPLAY, facts(), where).state is FieldState.SEALED


def test_a_field_may_be_masked_where_it_is_not_open() -> None:
    found = policies(MASKING)
    assert states(found, question(person(tier=2))) == {
        "currency": "open",
        "amount": "masked",
        "counterparty_name": "masked",
        "diagnosis": "sealed",
    }


def test_what_is_forbidden_is_sealed_whatever_permits_it() -> None:
    decision = Decider(policies(LOCKED)).decide(question())
    assert decision.of("counterparty_name").state is FieldState.SEALED
    assert decision.of("counterparty_name").policies == ("no-names",)
    assert decision.of("amount").state is FieldState.OPEN


def test_a_policy_that_fails_on_a_request_opens_nothing() -> None:
    overflow = (
        '@id("sum") forbid (principal, action, resource is Field) '
        "when { resource.tier + 9223372036854775807 > 0 && false };"
    )
    assert states(policies(overflow), question()) == ALL_SEALED


def test_an_approval_opens_only_what_it_names_and_only_by_a_policy() -> None:
    opened = '@id("approved") permit (principal, action == Action::"read", resource) when { context.approval >= 2 };'
    asked = question(approvals=(("diagnosis", 2),))
    assert states(DEFAULT, asked) == states(DEFAULT, question())
    assert states(policies(opened), asked)["diagnosis"] == "open"
    assert states(policies(opened), question(approvals=(("amount", 2), ("diagnosis", 1))))["diagnosis"] == "sealed"


def test_time_counts_by_the_minute() -> None:
    hours = '@id("night") forbid (principal, action, resource) when { context.time.toTime() > duration("12h") };'
    decider = Decider(policies(hours))
    assert decider.decide(question()).opens
    assert not decider.decide(question(time=NOON + dt.timedelta(minutes=1))).opens
    assert not DEFAULT.mentions_time


def test_another_version_remembers_nothing() -> None:
    old, new = Decider(DEFAULT), Decider(policies(LOCKED))
    assert old.decide(question()) == old.decide(question())
    assert old.decide(question()).policy != new.decide(question()).policy
    assert new.decide(question()).of("counterparty_name").state is FieldState.SEALED


@pytest.mark.parametrize("asked", [question(), question(approvals=(("amount", 1),)), question(fields=FIELDS[:0])])
def test_what_we_ask_cedar_fits_the_schema(asked: Question) -> None:
    world = entities(asked.principal, asked.facts, asked.fields)
    known = cedarpy.Entities.from_json_str(json.dumps(world), schema())
    for each in asked.fields:
        uid = field_uid(asked.facts, each.name)
        answer = cedarpy.is_authorized(
            request(asked.principal, asked.action, uid, asked.circumstances, 1), DEFAULT.whole, known, schema()
        )
        assert answer.diagnostics.errors == []
        assert answer.allowed is (each.tier <= 3)


def test_only_so_many_decisions_are_remembered() -> None:
    decider = Decider(DEFAULT, cached=2)
    for name in "abcd":
        decider.decide(question(person(name)))
    assert len(decider._cache) == 2


UNITS = st.sampled_from(["payments", "loans"])
SCOPES = st.sampled_from(
    [
        'principal in Department::"bank-a/payments"',
        'principal in Role::"auditor"',
        'principal == Person::"p-1"',
        "principal is Person",
        'principal is Person in Tenant::"bank-a"',
        "principal",
    ]
)
RESOURCES = st.sampled_from(
    [
        "resource",
        'resource in Domain::"bank-a/loans"',
        'resource in Source::"urn:a"',
        'resource is Field in Tenant::"bank-a"',
        'resource == Field::"io.sealstream.transaction.v1#amount"',
    ]
)
ACTIONS = st.sampled_from(["action", 'action == Action::"read"', 'action in [Action::"search", Action::"read_masked"]'])


@st.composite
def policy_sets(draw: st.DrawFn) -> PolicySet:
    found = []
    for n in range(draw(st.integers(0, 6))):
        effect = draw(st.sampled_from(["permit", "permit", "forbid"]))
        condition = draw(st.sampled_from(["", "when { context.tier >= 3 }", 'unless { context.purpose == "audit" }']))
        scope = f"{draw(SCOPES)}, {draw(ACTIONS)}, {draw(RESOURCES)}"
        found.append(f'@id("p{n}") {effect} ({scope}) {condition};')
    return PolicySet.parse("\n".join(found))


@given(policy_sets(), UNITS, UNITS, st.sampled_from(["audit", "casework"]), st.integers(0, 5))
def test_leaving_out_what_can_not_matter_changes_nothing(
    found: PolicySet, department: str, domain: str, purpose: str, tier: int
) -> None:
    class Everything(PolicySet):
        def relevant(self, *_: object) -> list[str]:
            return list(self._scopes)

        def compiled(self, names: object) -> cedarpy.PolicySet:
            return self.whole

    uncut = Everything(
        found.text, found.digest, found.whole, found.mentions_time, found._policies, found._scopes, found._reaches
    )
    asked = question(person(department=department, tier=tier), about=facts(domain=domain), purpose=purpose)
    assert Decider(found).decide(asked) == Decider(uncut).decide(asked)


def test_explaining_names_what_decided_and_what_could_have() -> None:
    found = {each.field: each for each in explain(policies(MASKING, LOCKED), question(person(tier=2)))}
    assert (found["currency"].state, found["currency"].policies) == ("open", ("standing-tier",))
    assert found["counterparty_name"].policies == ("no-names",)
    assert found["diagnosis"].policies == ()
    assert set(found["diagnosis"].considered) == {"standing-tier", "mask-a-tier-above", "no-names"}


def test_a_difference_says_who_gains_and_who_loses() -> None:
    low, high = question(person("low", tier=2)), question(person("high"))
    changes = difference(DEFAULT, policies(MASKING, LOCKED), [low, high])
    assert {(each.question.principal.person, each.field, each.before, each.after, each.gains) for each in changes} == {
        ("low", "amount", "sealed", "masked", True),
        ("high", "counterparty_name", "open", "sealed", False),
    }
    assert {each.field: each.policies for each in changes}["amount"] == ("mask-a-tier-above",)
    assert difference(DEFAULT, DEFAULT, [low, high]) == []


@given(policy_sets(), policy_sets(), UNITS, UNITS, st.integers(0, 5))
def test_a_difference_leaves_out_no_question_that_is_answered_otherwise(
    old: PolicySet, new: PolicySet, department: str, domain: str, tier: int
) -> None:
    asked = question(person(department=department, tier=tier), about=facts(domain=domain))
    then, now = Decider(old).decide(asked), Decider(new).decide(asked)
    otherwise = {name for name in then.fields if then.of(name).state is not now.of(name).state}
    assert {each.field for each in difference(old, new, [asked])} == otherwise


def test_projection_shows_what_was_decided_and_nothing_that_was_not() -> None:
    decision = Decider(policies(MASKING)).decide(question(person(tier=2)))
    opened = {
        "currency": OpenedField(2, "open", b"EUR"),
        "amount": OpenedField(3, "open", b"1234.50"),
        "counterparty_name": OpenedField(3, "shredded"),
        "diagnosis": OpenedField(5, "open", b"J45"),
        "unheard-of": OpenedField(1, "open", b"x"),
        "gone": OpenedField(5, "erased"),
    }
    shown = project(decision, opened)
    assert {name: (each.state.value, each.value) for name, each in shown.items()} == {
        "currency": ("open", "EUR"),
        "amount": ("masked", "…(4)"),
        "counterparty_name": ("shredded", None),
        "diagnosis": ("sealed", None),
        "unheard-of": ("sealed", None),
        "gone": ("erased", None),
    }
    assert "EUR" not in repr(shown)


def written(found: PolicySet, asked: Question) -> DecisionRecord:
    return DecisionRecord.of(asked, Decider(found).decide(asked))


@pytest.mark.parametrize(
    "asked",
    [
        question(),
        question(person(tier=2, actions=frozenset({Action.READ}), projects=frozenset({"p"}))),
        question(approvals=(("diagnosis", 3),)),
        question(fields=(FieldFacts("收入", 3),)),
    ],
)
def test_a_decision_is_made_again_from_what_was_written_down(asked: Question) -> None:
    found = policies(MASKING)
    record = msgspec.json.decode(written(found, asked).encode(), type=DecisionRecord)
    decide_again(record, PolicySet.parse(found.text))
    assert record.question() == replace(asked, circumstances=replace(asked.circumstances, time=NOON.replace(second=0)))


@pytest.mark.parametrize(
    ("changes", "policy"),
    [
        pytest.param({"answer": {"diagnosis": ("open", ("standing-tier",))}}, DEFAULT, id="another-answer"),
        pytest.param({"tier": 5}, DEFAULT, id="another-tier"),
        pytest.param({"roles": ("operator", "auditor")}, DEFAULT, id="roles-that-nobody-has"),
        pytest.param({"action": "fly"}, DEFAULT, id="no-action"),
        pytest.param({}, policies(LOCKED), id="other-policies"),
    ],
)
def test_another_answer_question_or_policy_is_found_out(changes: dict[str, Any], policy: PolicySet) -> None:
    with pytest.raises(NotReproduced):
        decide_again(msgspec.structs.replace(written(DEFAULT, question()), **changes), policy)


@pytest.mark.parametrize("purpose", ["", "x" * 65, "a\nb"])
def test_a_purpose_is_stated(purpose: str) -> None:
    with pytest.raises(ConfigurationError):
        question(purpose=purpose)
