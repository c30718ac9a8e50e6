"""Scopes of keys: what a pattern covers, what is no pattern, and that tier keys hold nothing outside of theirs."""

import os

import pytest

from schemas.errors import ConfigurationError
from security.file_keyring import FileKeyring
from security.key_provider import Scope
from security.key_scopes import KeyScopes
from security.tier_keys import TierKeys, new_tier_key


@pytest.mark.parametrize(
    ("patterns", "covered"),
    [
        pytest.param(["bank-a/payments/2"], {("bank-a", "payments", 2)}, id="one"),
        pytest.param(["bank-a/payments/1-2"], {("bank-a", "payments", 1), ("bank-a", "payments", 2)}, id="tiers"),
        pytest.param(["bank-a/*/2"], {("bank-a", "payments", 2), ("bank-a", "loans", 2)}, id="domains"),
        pytest.param(["*/payments/1"], {("bank-a", "payments", 1), ("bank-b", "payments", 1)}, id="tenants"),
        pytest.param(["bank-b/loans/1", "bank-a/loans/2"], {("bank-b", "loans", 1), ("bank-a", "loans", 2)}, id="two"),
    ],
)
def test_a_pattern_covers_what_it_names(patterns: list[str], covered: set[tuple[str, str, int]]) -> None:
    scopes = KeyScopes.parse(patterns)
    places = {
        (tenant, domain, tier) for tenant in ("bank-a", "bank-b") for domain in ("payments", "loans") for tier in (1, 2)
    }
    assert {place for place in places if scopes.covers(*place)} == covered
    assert {place[:2] for place in places if scopes.covers_domain(*place[:2])} == {place[:2] for place in covered}
    assert {place[0] for place in places if scopes.covers_tenant(place[0])} == {place[0] for place in covered}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "bank-a",
        "bank-a/payments",
        "bank-a/payments/",
        "/payments/1",
        "a/b/0",
        "a/b/6",
        "a/b/3-1",
        "a/b/c/1",
        "a/b/*",
    ],
)
def test_what_is_no_pattern_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError):
        KeyScopes.parse([text])


def test_tier_keys_outside_of_the_scopes_are_not_unwrapped(tmp_path_factory: pytest.TempPathFactory) -> None:
    provider = FileKeyring(tmp_path_factory.mktemp("keys") / "ring")
    held = TierKeys(scopes=KeyScopes.parse(["bank-a/payments/1-2"]))
    records = [
        new_tier_key(Scope("bank-a", domain, tier), provider, os.urandom)
        for domain in ("payments", "loans")
        for tier in (1, 2, 3)
    ]
    assert [held.add(record, provider) for record in records] == [True, True, False, False, False, False]
    assert held.held() == [("bank-a", "payments", 1), ("bank-a", "payments", 2)]
    assert not held.serves("bank-a", "payments", 3)
    assert not held.covers_domain("bank-a", "loans")
