"""The time limit of opened tier keys."""

import datetime as dt

import pytest

from agents.platform.key_lease import KeyLease
from security.file_keyring import FileKeyring
from security.key_provider import Scope
from security.tier_keys import TierKeys, TierKeysLapsed, new_tier_key
from streams.outages import passes

TTL = dt.timedelta(seconds=60)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def keys(tmp_path_factory: pytest.TempPathFactory) -> TierKeys:
    ring = FileKeyring(tmp_path_factory.mktemp("lease") / "keys")
    keys = TierKeys()
    keys.add(new_tier_key(Scope("bank-a", "payments", 3), ring, lambda size: bytes(size)), ring)
    return keys


def test_keys_are_renewed_at_half_their_time_and_forgotten_at_its_end(keys: TierKeys) -> None:
    clock = Clock()
    lease = KeyLease(TTL, clock)
    lease.renew(keys, clock.now - 10)  # the provider took ten seconds
    clock.now += 19.9
    assert not lease.due
    clock.now += 0.1
    assert lease.due
    clock.now += 29.9
    lease.enforce()
    assert keys.held() == [("bank-a", "payments", 3)]
    clock.now += 0.1
    with pytest.raises(TierKeysLapsed):
        lease.enforce()
    assert keys.held() == []


def test_lapsed_keys_are_an_outage_and_nobody_s_fault(keys: TierKeys) -> None:
    key_id = keys.get("bank-a", "payments", 3).key_id
    keys.forget()
    for ask in (lambda: keys.get("bank-a", "payments", 3), lambda: keys.by_id(key_id)):
        with pytest.raises(TierKeysLapsed) as caught:
            ask()
        assert passes(caught.value)  # or the records in hand would be made dead letters


def test_renewed_keys_have_their_whole_time(keys: TierKeys) -> None:
    clock = Clock()
    lease = KeyLease(TTL, clock)
    clock.now += 61
    with pytest.raises(TierKeysLapsed):
        lease.enforce()
    lease.renew(keys, clock.now)
    lease.enforce()
    assert not lease.due
    assert keys.held()
