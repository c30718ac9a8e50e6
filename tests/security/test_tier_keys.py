import hashlib
import itertools
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from security.associated_data import length_prefixed
from security.file_keyring import FileKeyring
from security.key_provider import KeyProvider, KeyUnavailable, Scope, UnwrapFailed, WrappedKey
from security.tier_keys import TierKey, TierKeys, new_tier_key

SCOPE = Scope("bank-a", "retail", 3)


class AskedProvider:
    """A keyring that remembers the scopes it was asked to unwrap."""

    def __init__(self, ring: FileKeyring) -> None:
        self._ring = ring
        self.unwrapped: list[Scope] = []

    def kek_id(self, scope: Scope) -> str:
        return self._ring.kek_id(scope)

    def wrap(self, scope: Scope, key: bytes) -> WrappedKey:
        return self._ring.wrap(scope, key)

    def unwrap(self, scope: Scope, wrapped: WrappedKey) -> bytes:
        self.unwrapped.append(scope)
        return self._ring.unwrap(scope, wrapped)

    def index_key(self, tenant: str, field: str) -> bytes:
        return self._ring.index_key(tenant, field)


@pytest.fixture
def provider(tmp_path: Path) -> AskedProvider:
    return AskedProvider(FileKeyring(tmp_path / "keys"))


def counting_random() -> Callable[[int], bytes]:
    calls = itertools.count()
    return lambda size: hashlib.shake_256(str(next(calls)).encode()).digest(size)


def test_an_added_key_is_the_one_that_was_made(provider: KeyProvider) -> None:
    record = new_tier_key(SCOPE, provider, counting_random())
    keys = TierKeys()
    assert keys.add(record, provider)
    found = keys.get("bank-a", "retail", 3)
    expected = counting_random()
    assert found.key_id == "tk-" + expected(16).hex()
    assert found.key == expected(32)
    assert found.epoch == 1
    assert keys.by_id(found.key_id) is found


def test_each_key_is_new(provider: KeyProvider) -> None:
    records = [new_tier_key(SCOPE, provider, os.urandom) for _ in range(3)]
    assert len({record.key_id for record in records}) == 3
    assert len({provider.unwrap(record.scope, record.wrapped) for record in records}) == 3


@pytest.mark.parametrize("max_tier", [1, 2, 3, 4, 5])
def test_a_reader_never_has_keys_above_its_tier_unwrapped(provider: AskedProvider, max_tier: int) -> None:
    records = [new_tier_key(replace(SCOPE, tier=tier), provider, os.urandom) for tier in (5, 4, 3, 2, 1)]
    keys = TierKeys(max_tier)
    held = {record.scope.tier for record in records if keys.add(record, provider)}
    assert held == set(range(1, max_tier + 1))
    assert {scope.tier for scope in provider.unwrapped} == held
    for record in records:
        if record.scope.tier > max_tier:
            with pytest.raises(KeyUnavailable):
                keys.get("bank-a", "retail", record.scope.tier)
            with pytest.raises(KeyUnavailable):
                keys.by_id(record.key_id)


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 2, 1), (2, 3, 1)], ids=str)
def test_the_highest_epoch_seals_and_the_others_still_open(provider: KeyProvider, order: tuple[int, ...]) -> None:
    keys = TierKeys()
    records = [new_tier_key(replace(SCOPE, epoch=epoch), provider, os.urandom) for epoch in order]
    for record in records:
        keys.add(record, provider)
    assert keys.get("bank-a", "retail", 3).epoch == 3
    assert {keys.by_id(record.key_id).epoch for record in records} == {1, 2, 3}


def test_names_the_missing_key(provider: KeyProvider) -> None:
    keys = TierKeys()
    keys.add(new_tier_key(SCOPE, provider, os.urandom), provider)
    for tenant, domain, tier in (("bank-b", "retail", 3), ("bank-a", "treasury", 3), ("bank-a", "retail", 2)):
        with pytest.raises(KeyUnavailable, match=f"{tenant}/{domain}/tier {tier}"):
            keys.get(tenant, domain, tier)


def test_refuses_a_record_moved_to_another_scope(provider: KeyProvider) -> None:
    record = new_tier_key(SCOPE, provider, os.urandom)
    moved = replace(record, scope=replace(SCOPE, tenant="bank-b"))
    keys = TierKeys()
    with pytest.raises(KeyUnavailable):
        keys.add(moved, provider)
    renamed = replace(moved, wrapped=replace(record.wrapped, kek_id=provider.kek_id(moved.scope)))
    with pytest.raises(UnwrapFailed):
        keys.add(renamed, provider)


def test_refuses_a_wrapped_key_of_another_length(provider: KeyProvider) -> None:
    record = replace(new_tier_key(SCOPE, provider, os.urandom), wrapped=provider.wrap(SCOPE, bytes(16)))
    with pytest.raises(UnwrapFailed):
        TierKeys().add(record, provider)


def test_the_wrapping_key_is_hkdf_expand_of_the_whole_place() -> None:
    key = TierKey("tk-1", 1, bytes(range(32)))
    info = length_prefixed("sealstream.data-key/1", "bank-a", "retail", 3, "tk-1", 7)
    assert key.wrapping_key("bank-a", "retail", 3, 7) == HKDFExpand(SHA256(), 32, info).derive(key.key)


def test_every_part_of_the_place_gives_another_wrapping_key() -> None:
    key = TierKey("tk-1", 1, bytes(32))
    places = [("a", "bc", 3, 7), ("ab", "c", 3, 7), ("a", "bc", 2, 7), ("a", "bc", 3, 8)]
    derived = {key.wrapping_key(*place) for place in places}
    derived.add(replace(key, key_id="tk-2").wrapping_key(*places[0]))
    assert len(derived) == 5


def test_shows_no_secret() -> None:
    assert "7777" not in repr(TierKey("tk-1", 1, b"7" * 32))
