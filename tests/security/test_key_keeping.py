"""Key-encryption keys that an operator renews, retires and destroys, in each provider: files, OpenBao, a token."""

import itertools
from pathlib import Path

import pytest

from agents.platform.identity import Keyring
from security.file_keyring import FileKeyring
from security.key_provider import KeyUnavailable, Scope
from security.openbao_keyring import OpenBaoKeyring
from security.pkcs11_keyring import Pkcs11Keyring

KEY = bytes(range(32))
_numbers = itertools.count()


@pytest.fixture
def scope() -> Scope:
    """A scope that no other test uses: servers are the session's."""
    return Scope(f"kept-{next(_numbers)}", "payments", 3)


@pytest.fixture(params=["file", "openbao", "pkcs11"])
def ring(request: pytest.FixtureRequest, tmp_path: Path) -> Keyring:
    match request.param:
        case "openbao":
            return OpenBaoKeyring(request.getfixturevalue("openbao").client())
        case "pkcs11":
            return Pkcs11Keyring(request.getfixturevalue("softhsm").token)
    return FileKeyring(tmp_path / "keys")


def test_a_renewed_key_wraps_and_the_former_one_still_opens(ring: Keyring, scope: Scope) -> None:
    former = ring.wrap(scope, KEY)
    ring.renew(scope)
    renewed = ring.wrap(scope, KEY)
    assert renewed.kek_id == ring.kek_id(scope) != former.kek_id
    assert ring.unwrap(scope, former) == ring.unwrap(scope, renewed) == KEY
    ring.renew(scope)
    assert ring.kek_id(scope) not in (former.kek_id, renewed.kek_id)


def test_retiring_destroys_the_former_keys_alone(ring: Keyring, scope: Scope) -> None:
    former = ring.wrap(scope, KEY)
    ring.renew(scope)
    renewed = ring.wrap(scope, KEY)
    with pytest.raises(KeyUnavailable):
        ring.retire(scope, former.kek_id)
    assert ring.unwrap(scope, former) == KEY
    ring.retire(scope, renewed.kek_id)
    ring.retire(scope, renewed.kek_id)
    assert ring.unwrap(scope, renewed) == KEY
    with pytest.raises(KeyUnavailable):
        ring.unwrap(scope, former)
    ring.renew(scope)
    assert ring.wrap(scope, KEY).kek_id not in (former.kek_id, renewed.kek_id)


def test_a_destroyed_key_opens_nothing_and_is_never_made_again(ring: Keyring, scope: Scope) -> None:
    other = Scope(scope.tenant, scope.domain, scope.tier, 2)
    former, kept = ring.wrap(scope, KEY), ring.wrap(other, KEY)
    ring.renew(scope)
    wrapped = ring.wrap(scope, KEY)
    assert not ring.is_destroyed(scope)
    ring.destroy(scope)
    ring.destroy(scope)
    assert ring.is_destroyed(scope)
    for each in (former, wrapped):
        with pytest.raises(KeyUnavailable):
            ring.unwrap(scope, each)
    for make in (lambda: ring.wrap(scope, KEY), lambda: ring.kek_id(scope), lambda: ring.renew(scope)):
        with pytest.raises(KeyUnavailable, match="destroyed"):
            make()
    assert not ring.is_destroyed(other)
    assert ring.unwrap(other, kept) == KEY


def test_a_key_that_never_was_can_be_destroyed_too(ring: Keyring, scope: Scope) -> None:
    ring.destroy(scope)
    assert ring.is_destroyed(scope)
    with pytest.raises(KeyUnavailable):
        ring.wrap(scope, KEY)
