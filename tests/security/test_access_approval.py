"""Approvals: signed steps in order, by the right people, in time; and every way around them that we thought of."""

import base64
import datetime as dt
import hashlib
import json
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from schemas.errors import ConfigurationError
from schemas.leaf import AccessChange
from security.access.access_request import AccessRequest, moment
from security.access.approval import (
    ApprovalRefused,
    Grant,
    RequestState,
    SignedAct,
    Standing,
    approved_fields,
    check_clock,
    covering,
    follow,
    possible_acts,
)
from security.access.assertion import BadAssertion, RelyingParty, challenge, verify_assertion
from security.access.decision import Decider
from security.access.person import Duty, Person
from security.access.policy_set import PolicySet
from security.access.principal import Action, Method
from security.access.request import FieldFacts
from security.ecdsa import Es256Signer
from tests.support.access import facts, question
from tests.support.approving import (
    AUTHORITY,
    COLLEAGUE,
    DAY,
    DEPUTY,
    HEAD,
    HOUR,
    MADE,
    OFFICIAL,
    ORIGIN,
    PEOPLE,
    PROVIDER,
    SECOND_AUTHORITY,
    TAX_HEAD,
    TAX_OFFICIAL,
    Desk,
    asked,
    key_of,
    person,
    without,
)

DESK = Desk(asked())
NOW = MADE + 5 * HOUR
MADE_ACT = DESK.made()
BY_HEAD = DESK.act(HEAD, "approve", 1)
BY_PROVIDER = DESK.act(PROVIDER, "approve", 2, after=2 * HOUR)


def standing(*acts: SignedAct, desk: Desk = DESK, people: dict[str, Person] = PEOPLE) -> Standing:
    return follow(desk.request, desk.origin, acts, people)


def reason_of(*acts: SignedAct, desk: Desk = DESK, people: dict[str, Person] = PEOPLE) -> str:
    standing(*acts[:-1], desk=desk, people=people)  # only the last one is wrong
    with pytest.raises(ApprovalRefused) as refused:
        standing(*acts, desk=desk, people=people)
    return refused.value.reason


def test_two_steps_in_order_grant_a_request_of_level_two() -> None:
    assert standing(MADE_ACT).state(NOW) is RequestState.PENDING
    assert standing(MADE_ACT).next_duty is Duty.UNIT_HEAD
    assert standing(MADE_ACT, BY_HEAD).next_duty is Duty.DATA_PROVIDER
    granted = standing(MADE_ACT, BY_HEAD, BY_PROVIDER)
    assert granted.state(NOW) is RequestState.GRANTED
    assert granted.state(MADE + 30 * DAY) is RequestState.EXPIRED


def test_level_three_takes_the_exchange_authority_too() -> None:
    desk = Desk(asked(level=3))
    acts = [desk.made(), desk.act(HEAD, "approve", 1), desk.act(PROVIDER, "approve", 2)]
    assert standing(*acts, desk=desk).state(NOW) is RequestState.PENDING
    acts.append(desk.act(AUTHORITY, "approve", 3))
    assert standing(*acts, desk=desk).state(NOW) is RequestState.GRANTED


def test_nobody_approves_their_own_request() -> None:
    boss = person("boss", "gov", "social-security", Duty.UNIT_HEAD, Duty.DATA_PROVIDER, Duty.EXCHANGE_AUTHORITY)
    desk, people = Desk(asked(boss)), {**PEOPLE, "boss": boss}
    own = desk.act(boss, "request", after=dt.timedelta(0), level=2)
    assert reason_of(own, desk.act(boss, "approve", 1), desk=desk, people=people) == "own_request"


def test_the_requesters_unit_does_not_answer_for_the_provider() -> None:
    insider = person("insider", "gov", "social-security", Duty.DATA_PROVIDER, Duty.EXCHANGE_AUTHORITY)
    people = {**PEOPLE, "insider": insider}
    step = DESK.act(insider, "approve", 2, after=30 * HOUR)
    assert reason_of(MADE_ACT, BY_HEAD, step, people=people) == "same_unit"


def test_a_provider_who_asks_of_their_own_unit_has_somebody_else_approve() -> None:
    own_head = person("own-head", "registry", "population", Duty.UNIT_HEAD)
    people = {**PEOPLE, "own-head": own_head}
    desk = Desk(asked(COLLEAGUE))
    acts = desk.made(), desk.act(own_head, "approve", 1)
    assert reason_of(*acts, desk.act(PROVIDER, "approve", 2), desk=desk, people=people) == "same_unit"


def test_each_step_is_another_persons() -> None:
    both = person("both", "gov", "social-security", Duty.UNIT_HEAD, Duty.DATA_PROVIDER)
    people = {**PEOPLE, "both": both}
    acts = MADE_ACT, DESK.act(both, "approve", 1), DESK.act(both, "approve", 2)
    assert reason_of(*acts, people=people) == "same_person"


@pytest.mark.parametrize(
    "by",
    [
        pytest.param(TAX_HEAD, id="another-units-head"),
        pytest.param(DEPUTY, id="no-head"),
        pytest.param(PROVIDER, id="the-provider"),
        pytest.param(AUTHORITY, id="the-authority-before-it-is-overdue"),
    ],
)
def test_the_first_step_is_the_own_heads(by: Person) -> None:
    assert reason_of(MADE_ACT, DESK.act(by, "approve", 1)) == "not_entitled"


@pytest.mark.parametrize("by", [COLLEAGUE, TAX_HEAD, AUTHORITY])
def test_the_second_step_is_the_providers(by: Person) -> None:
    assert reason_of(MADE_ACT, BY_HEAD, DESK.act(by, "approve", 2)) == "not_entitled"


def test_steps_are_taken_in_order() -> None:
    assert reason_of(MADE_ACT, BY_PROVIDER) == "out_of_order"
    assert reason_of(BY_HEAD) == "out_of_order"
    assert reason_of(MADE_ACT, DESK.act(PROVIDER, "approve", 1)) == "not_entitled"
    assert reason_of(MADE_ACT, DESK.act(HEAD, "approve", 0)) == "out_of_order"
    assert reason_of(MADE_ACT, DESK.act(HEAD, "approve")) == "out_of_order"


def test_a_step_signed_before_the_one_before_it_does_not_count() -> None:
    late_head = DESK.act(HEAD, "approve", 1, after=3 * HOUR)
    assert reason_of(MADE_ACT, late_head, BY_PROVIDER) == "out_of_order"


@pytest.mark.parametrize("change", ["approve", "refuse", "delegate"])
def test_after_its_deadline_nothing_is_decided(change: str) -> None:
    late = DESK.act(HEAD, change, 1, after=2 * DAY, reason="r", to=DEPUTY.key)
    assert reason_of(MADE_ACT, late) == "over"
    assert standing(MADE_ACT).state(MADE + 2 * DAY) is RequestState.EXPIRED


def test_a_step_counts_once() -> None:
    assert reason_of(MADE_ACT, BY_HEAD, BY_HEAD) == "out_of_order"
    assert reason_of(MADE_ACT, MADE_ACT) == "replayed"
    assert reason_of(MADE_ACT, BY_HEAD, BY_PROVIDER, BY_PROVIDER) == "over"


def test_an_approval_of_another_request_approves_nothing_here() -> None:
    other = Desk(asked(id="5d4a2a3e-0a5e-4a50-9d0c-000000000002"))
    assert reason_of(MADE_ACT, other.act(HEAD, "approve", 1)) == "another_request"


@pytest.mark.parametrize(
    "changed",
    [
        {"fields": ("id_number", "diagnosis")},
        {"quota": 1_000},
        {"records": ("x",)},
        {"ends": "2027-03-01T00:00:00Z"},
        {"level": 1},
        {"purpose": "curiosity"},
        {"provider": ("registry", "health")},
        {"requester": "tax-official", "unit": ("gov", "tax")},
    ],
)
def test_a_request_that_was_changed_in_the_database_is_another_one(changed: dict[str, Any]) -> None:
    forged = msgspec.structs.replace(DESK.request, **changed)
    with pytest.raises(ApprovalRefused):
        follow(forged, ORIGIN, [MADE_ACT, BY_HEAD, BY_PROVIDER], PEOPLE)


@pytest.mark.parametrize(
    "forged",
    [
        pytest.param(without(BY_HEAD, person="provider"), id="another-person"),
        pytest.param(without(BY_HEAD, step=2), id="another-step"),
        pytest.param(without(BY_HEAD, at="2026-03-02T11:00:00Z"), id="another-time"),
        pytest.param(without(BY_HEAD, assertion=None), id="no-signature"),
        pytest.param(without(BY_HEAD, assertion=""), id="an-empty-signature"),
        pytest.param(without(BY_HEAD, assertion=base64.b64encode(bytes(64)).decode()), id="zeros"),
        pytest.param(without(BY_HEAD, assertion="not base64"), id="not-base64"),
        pytest.param(without(BY_HEAD, assertion=BY_PROVIDER.change.assertion), id="anothers-signature"),
        pytest.param(without(BY_HEAD, key=PROVIDER.key), id="anothers-key"),
        pytest.param(DESK.act(HEAD, "approve", 1, signer=key_of("mallory")), id="a-strangers-signature"),
        pytest.param(Desk(DESK.request, "sealstream.local/logs/other").act(HEAD, "approve", 1), id="for-another-log"),
        pytest.param(without(DESK.act(HEAD, "refuse", 1, reason="r"), change="approve"), id="a-refusal-made-a-yes"),
    ],
)
def test_what_its_person_did_not_sign_is_no_act(forged: SignedAct) -> None:
    with pytest.raises(BadAssertion):
        standing(MADE_ACT, forged)


def test_who_is_not_registered_or_is_gone_approves_nothing() -> None:
    stranger = person("stranger", "gov", "social-security", Duty.UNIT_HEAD)
    assert reason_of(MADE_ACT, DESK.act(stranger, "approve", 1)) == "unknown_person"
    gone = {**PEOPLE, "head": replace(HEAD, active=False)}
    assert reason_of(MADE_ACT, BY_HEAD, people=gone) == "unknown_person"


def test_nobody_asks_for_somebody_else_or_at_another_level() -> None:
    assert reason_of(DESK.made(TAX_OFFICIAL)) == "not_the_requester"
    assert reason_of(DESK.act(OFFICIAL, "request", after=dt.timedelta(0), level=1)) == "not_the_requester"
    assert reason_of(DESK.act(OFFICIAL, "request", after=HOUR, level=2)) == "another_request"
    assert reason_of(DESK.act(OFFICIAL, "adopt")) == "unknown_act"


def test_a_refusal_ends_a_request_and_gives_its_reason() -> None:
    assert reason_of(MADE_ACT, DESK.act(HEAD, "refuse", 1)) == "no_reason"
    refusal = DESK.act(HEAD, "refuse", 1, reason=DESK.request.reason_digest("no case"))
    assert standing(MADE_ACT, refusal).state(NOW) is RequestState.REFUSED
    assert reason_of(MADE_ACT, refusal, DESK.act(HEAD, "approve", 1, after=2 * HOUR)) == "over"
    assert "no case" not in str(refusal)


@pytest.mark.parametrize("by", [OFFICIAL, HEAD, PROVIDER, AUTHORITY])
def test_it_is_revoked_by_who_made_or_approved_it_or_by_the_authority(by: Person) -> None:
    revocation = DESK.act(by, "revoke", after=3 * HOUR)
    assert standing(MADE_ACT, BY_HEAD, BY_PROVIDER, revocation).state(NOW) is RequestState.REVOKED
    assert reason_of(MADE_ACT, BY_HEAD, BY_PROVIDER, revocation, revocation) == "over"


@pytest.mark.parametrize("by", [TAX_HEAD, COLLEAGUE, DEPUTY])
def test_nobody_else_revokes_it(by: Person) -> None:
    assert reason_of(MADE_ACT, BY_HEAD, BY_PROVIDER, DESK.act(by, "revoke", after=3 * HOUR)) == "not_entitled"


def test_a_step_may_be_delegated_within_the_unit() -> None:
    to_deputy = DESK.act(HEAD, "delegate", 1, to=DEPUTY.key)
    by_deputy = DESK.act(DEPUTY, "approve", 1, after=2 * HOUR)
    by_provider = DESK.act(PROVIDER, "approve", 2, after=3 * HOUR)
    granted = standing(MADE_ACT, to_deputy, by_deputy, by_provider)
    assert granted.takers == ("es-deputy", "provider")
    assert granted.state(NOW) is RequestState.GRANTED


@pytest.mark.parametrize(
    ("by", "to", "reason"),
    [
        pytest.param(HEAD, OFFICIAL, "same_person", id="to-who-asks"),
        pytest.param(HEAD, TAX_HEAD, "not_entitled", id="to-another-unit"),
        pytest.param(DEPUTY, DEPUTY, "not_entitled", id="by-nobody"),
    ],
)
def test_a_step_is_delegated_to_nobody_else(by: Person, to: Person, reason: str) -> None:
    assert reason_of(MADE_ACT, DESK.act(by, "delegate", 1, to=to.key)) == reason


def test_a_delegate_delegates_no_further_and_has_one_step() -> None:
    acts = MADE_ACT, DESK.act(HEAD, "delegate", 1, to=DEPUTY.key)
    assert reason_of(*acts, DESK.act(DEPUTY, "delegate", 1, to=HEAD.key)) == "not_entitled"
    by_deputy = DESK.act(DEPUTY, "approve", 1)
    assert reason_of(*acts, by_deputy, DESK.act(COLLEAGUE, "approve", 2)) == "not_entitled"


def test_an_overdue_step_is_taken_by_the_authority_one_person_for_each() -> None:
    early = DESK.act(AUTHORITY, "approve", 1, after=4 * HOUR - dt.timedelta(seconds=1))
    assert reason_of(MADE_ACT, early) == "not_entitled"
    first = DESK.act(AUTHORITY, "approve", 1, after=4 * HOUR)
    again = DESK.act(AUTHORITY, "approve", 2, after=9 * HOUR)
    assert reason_of(MADE_ACT, first, again) == "same_person"
    other = DESK.act(SECOND_AUTHORITY, "approve", 2, after=9 * HOUR)
    assert standing(MADE_ACT, first, other).state(MADE + DAY) is RequestState.GRANTED


@pytest.mark.parametrize("off", [dt.timedelta(minutes=6), dt.timedelta(minutes=-6)])
def test_an_act_is_signed_when_it_is_done(off: dt.timedelta) -> None:
    at = moment(BY_HEAD.change.at or "")
    check_clock(BY_HEAD.change, at)
    with pytest.raises(ApprovalRefused):
        check_clock(BY_HEAD.change, at + off)


@pytest.mark.parametrize(
    "change",
    [
        {"level": 4},
        {"level": 0},
        {"reason": " "},
        {"purpose": ""},
        {"basis": ""},
        {"fields": ()},
        {"fields": ("a", "a")},
        {"quota": 0},
        {"deadline": "2026-03-01T00:00:00Z"},
        {"ends": "2026-03-03T00:00:00Z"},
        {"ends": "2030-03-03T00:00:00Z"},
        {"step_seconds": 0},
        {"salt": ""},
    ],
)
def test_a_request_says_what_is_needed_to_decide_over_it(change: dict[str, Any]) -> None:
    asked().check()
    with pytest.raises(ConfigurationError):
        asked(**change).check()


def test_the_digest_gives_nothing_away_and_names_everything() -> None:
    assert asked(salt="11" * 16).digest() != asked().digest()
    assert {asked(**{name: "x"}).digest() for name in ("reason", "basis", "purpose")}.isdisjoint({asked().digest()})


PARTY = RelyingParty("console.example.org", ["https://console.example.org"])
BROWSER = Es256Signer("es-deputy", b"es-deputy".ljust(32, b"."))


def asserted(change: AccessChange, **more: Any) -> AccessChange:
    """What an authenticator gives for an act."""
    asked_for = base64.urlsafe_b64encode(challenge(ORIGIN, change)).rstrip(b"=").decode()
    client = json.dumps(
        {
            "type": more.get("type", "webauthn.get"),
            "challenge": more.get("challenge", asked_for),
            "origin": more.get("origin", PARTY.origins[0]),
            "crossOrigin": more.get("cross", False),
        }
    ).encode()
    data = hashlib.sha256(more.get("rp", PARTY.rp_id).encode()).digest() + bytes([more.get("flags", 5)]) + bytes(4)
    raw = BROWSER.sign(data + hashlib.sha256(client).digest())
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    der = encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))
    parts = {"authenticator_data": data, "client_data": client, "signature": der}
    text = json.dumps({name: base64.urlsafe_b64encode(part).rstrip(b"=").decode() for name, part in parts.items()})
    return msgspec.structs.replace(change, assertion=text)


ACT = AccessChange(change="approve", digest="d", at="2026-03-02T10:00:00Z", step=1, key=DEPUTY.key)


def test_an_authenticators_assertion_is_a_signature_too() -> None:
    assert DEPUTY.jwk is not None
    verify_assertion(ORIGIN, asserted(ACT), DEPUTY.jwk, PARTY)
    verify_assertion(ORIGIN, asserted(ACT), DEPUTY.jwk)


@pytest.mark.parametrize(
    "more",
    [
        {"type": "webauthn.create"},
        {"challenge": "AAAA"},
        {"origin": "https://evil.example.org"},
        {"rp": "evil.example.org"},
        {"cross": True},
        {"flags": 1},
        {"flags": 4},
    ],
)
def test_an_assertion_for_something_else_is_none(more: dict[str, Any]) -> None:
    assert DEPUTY.jwk is not None
    with pytest.raises(BadAssertion):
        verify_assertion(ORIGIN, asserted(ACT, **more), DEPUTY.jwk, PARTY)


def test_an_assertion_can_not_be_moved_to_another_act() -> None:
    assert DEPUTY.jwk is not None
    moved = msgspec.structs.replace(asserted(ACT), step=2)
    with pytest.raises(BadAssertion):
        verify_assertion(ORIGIN, moved, DEPUTY.jwk, PARTY)


RESIDENT = tuple(FieldFacts(name, 4, "conditional") for name in ("id_number", "insurance_status", "income", "tax_paid"))
ABOUT = facts("registry", "population", kind="urn:schema:resident")
EXCHANGE = PolicySet.parse(
    """
    @id("social-security") permit (
      principal in Department::"gov/social-security", action == Action::"read",
      resource in RecordKind::"urn:schema:resident"
    ) when { context.approval >= 2 && ["id_number", "insurance_status"].contains(resource.name) };

    @id("tax") permit (
      principal in Department::"gov/tax", action == Action::"read", resource in RecordKind::"urn:schema:resident"
    ) when { context.approval >= 3 && ["income", "tax_paid"].contains(resource.name) };
    """
)


def seen(by: Person, *requests: AccessRequest) -> dict[str, str]:
    place = (ABOUT.tenant, ABOUT.domain, ABOUT.kind)
    grants = covering([Grant(each, each.quota) for each in requests], by.person, by.unit, "casework", place, "r")
    who = by.principal(Method.TOKEN)
    decision = Decider(EXCHANGE).decide(
        question(who, action=Action.READ, about=ABOUT, fields=RESIDENT, approvals=approved_fields(grants))
    )
    return {name: each.state.value for name, each in decision.fields.items() if each.state != "sealed"}


def test_each_bureau_sees_what_it_was_approved_for_and_nothing_of_the_others() -> None:
    everything = tuple(each.name for each in RESIDENT)
    social, tax = asked(level=2, fields=everything), asked(TAX_OFFICIAL, level=3, fields=everything)
    assert seen(OFFICIAL, social, tax) == {"id_number": "open", "insurance_status": "open"}
    assert seen(TAX_OFFICIAL, social, tax) == {"income": "open", "tax_paid": "open"}
    assert seen(TAX_OFFICIAL, asked(TAX_OFFICIAL, level=2, fields=everything)) == {}
    assert seen(OFFICIAL, asked(level=1, fields=everything)) == {}
    assert seen(OFFICIAL) == seen(TAX_OFFICIAL, social) == seen(OFFICIAL, tax) == {}
    assert seen(OFFICIAL, asked(fields=("id_number",))) == {"id_number": "open"}


@pytest.mark.parametrize(
    ("change", "left"),
    [
        pytest.param({"purpose": "audit"}, 1, id="another-purpose"),
        pytest.param({"kind": "urn:schema:else"}, 1, id="another-kind"),
        pytest.param({"provider": ("registry", "health")}, 1, id="another-provider"),
        pytest.param({"unit": ("gov", "tax")}, 1, id="the-person-moved"),
        pytest.param({"requester": "head"}, 1, id="another-person"),
        pytest.param({"records": ("other",)}, 1, id="other-records"),
        pytest.param({}, 0, id="quota-used-up"),
    ],
)
def test_an_approval_covers_nothing_else(change: dict[str, Any], left: int) -> None:
    place = (ABOUT.tenant, ABOUT.domain, ABOUT.kind)
    given = Grant(asked(), 1), OFFICIAL.person, OFFICIAL.unit, "casework", place, "r"
    assert covering([given[0]], *given[1:])
    assert covering([Grant(asked(**change), left)], *given[1:]) == []


@pytest.mark.parametrize(
    ("who", "acts", "expected"),
    [
        pytest.param(OFFICIAL, (MADE_ACT,), {"revoke"}, id="requester"),
        pytest.param(HEAD, (MADE_ACT,), {"approve", "refuse", "delegate"}, id="whose-turn-it-is"),
        pytest.param(PROVIDER, (MADE_ACT,), set(), id="out-of-order"),
        pytest.param(HEAD, (MADE_ACT, BY_HEAD), {"revoke"}, id="once"),
        pytest.param(TAX_HEAD, (MADE_ACT,), set(), id="another-unit"),
        pytest.param(AUTHORITY, (MADE_ACT, BY_HEAD, BY_PROVIDER), {"revoke"}, id="authority"),
        pytest.param(HEAD, (), set(), id="never-made"),
    ],
)
def test_what_somebody_may_do_is_what_would_be_taken(
    who: Person, acts: tuple[SignedAct, ...], expected: set[str]
) -> None:
    found = standing(*acts)
    assert possible_acts(found, who, MADE + 3 * HOUR) == expected
    assert possible_acts(found, replace(who, active=False), MADE + 3 * HOUR) == frozenset()
    for change in ("approve", "revoke"):
        step = len(found.takers) + 1 if change == "approve" else None
        act = DESK.act(who, change, step, after=3 * HOUR)
        if change in expected:
            standing(*acts, act)
        else:
            assert reason_of(*acts, act)
