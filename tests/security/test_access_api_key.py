"""API keys: shown once, good for what they say and as long as they say."""

import datetime as dt
import os
from dataclasses import replace

import pytest

from schemas.errors import ConfigurationError
from security.access.api_key import ApiKey, acting_with, check_api_key, key_id_of, new_secret
from security.access.principal import Action, Method, NotAuthenticated, Principal, Role, RolesNotSeparate

NOW = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
TEXT, KEY_ID, DIGEST = new_secret(os.urandom)
KEY = ApiKey(
    key_id=KEY_ID,
    digest=DIGEST,
    person="p-1",
    tier=2,
    actions=frozenset({Action.READ, Action.SEARCH}),
    projects=frozenset({"prj-1"}),
    created=NOW,
    not_after=NOW + HOUR,
)
PERSON = Principal(
    person="p-1",
    tenant="bank-a",
    department="payments",
    roles=frozenset({Role.READER}),
    tier=3,
    method=Method.LOCAL,
)


def reason_of(text: str, stored: ApiKey | None, now: dt.datetime = NOW) -> str:
    with pytest.raises(NotAuthenticated) as refused:
        check_api_key(text, stored, now)
    assert text[20:] not in str(refused.value) or not text[20:]
    return refused.value.reason


def test_a_key_is_known_by_its_text() -> None:
    assert key_id_of(TEXT) == KEY_ID
    assert check_api_key(TEXT, KEY, NOW) is KEY


def test_the_text_is_in_nothing_that_is_stored() -> None:
    secret = TEXT.rpartition("_")[2]
    assert secret not in repr(KEY)
    assert secret.encode() not in KEY.digest


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("sk_", id="prefix"),
        pytest.param(TEXT[:-1], id="too-short"),
        pytest.param(TEXT + "x", id="too-long"),
        pytest.param(TEXT + "\n", id="a-line-end"),
        pytest.param(TEXT.upper(), id="upper-case"),
        pytest.param(f"sk_{KEY_ID}_", id="no-secret"),
        pytest.param("sk_../../x_" + "a" * 43, id="a-path"),
    ],
)
def test_what_is_no_key_is_none(text: str) -> None:
    assert reason_of(text, None) == "invalid_key"
    assert reason_of(text, KEY) == "invalid_key"


def test_another_secret_or_another_id_is_no_key() -> None:
    other, _, _ = new_secret(os.urandom)
    assert reason_of(other, KEY) == "invalid_key"
    assert reason_of(f"sk_{KEY_ID}_{other.rpartition('_')[2]}", KEY) == "invalid_key"
    assert reason_of(TEXT, replace(KEY, key_id="0" * 16)) == "invalid_key"
    assert reason_of(TEXT, replace(KEY, digest=bytes(32))) == "invalid_key"


def test_only_its_holder_is_told_that_it_counts_no_more() -> None:
    other, _, _ = new_secret(os.urandom)
    revoked = replace(KEY, revoked_at=NOW)
    assert reason_of(TEXT, revoked) == "key_revoked"
    assert reason_of(TEXT, KEY, NOW + HOUR) == "key_expired"
    assert reason_of(f"sk_{KEY_ID}_{other.rpartition('_')[2]}", revoked) == "invalid_key"


@pytest.mark.parametrize(
    "change", [{"actions": frozenset()}, {"tier": 6}, {"not_after": NOW}, {"not_after": NOW + 500 * 24 * HOUR}]
)
def test_a_key_that_is_good_for_nothing_or_for_ever_is_not_made(change: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError):
        replace(KEY, **change)  # type: ignore[arg-type]


def test_a_key_is_good_for_less_than_its_person_never_for_more() -> None:
    acting = acting_with(KEY, PERSON)
    assert (acting.tier, acting.method, acting.credential) == (2, Method.API_KEY, KEY_ID)
    assert acting.may_use(Action.READ, "prj-1")
    assert not acting.may_use(Action.READ, "prj-2")
    assert not acting.may_use(Action.READ)
    assert not acting.may_use(Action.ERASE, "prj-1")
    assert acting_with(replace(KEY, tier=5), PERSON).tier == 3
    narrow = replace(PERSON, actions=frozenset({Action.SEARCH}), projects=frozenset())
    assert acting_with(replace(KEY, projects=None), narrow).projects == frozenset()
    assert acting_with(KEY, narrow).actions == {Action.SEARCH}


@pytest.mark.parametrize(
    "roles",
    [
        {Role.OPERATOR, Role.ADMINISTRATOR},
        {Role.OPERATOR, Role.AUDITOR},
        {Role.ADMINISTRATOR, Role.AUDITOR, Role.READER},
    ],
)
def test_nobody_holds_two_separate_roles_wherever_that_was_written(roles: set[Role]) -> None:
    with pytest.raises(RolesNotSeparate):
        replace(PERSON, roles=frozenset(roles))


@pytest.mark.parametrize("role", Role)
def test_a_reader_may_be_anything_else_too(role: Role) -> None:
    assert replace(PERSON, roles=frozenset({Role.READER, role})).tier == 3
