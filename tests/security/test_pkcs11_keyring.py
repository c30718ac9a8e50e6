"""Keys in a real PKCS#11 token, SoftHSM2's."""

import itertools
import os
import subprocess
import sys
from pathlib import Path

import pkcs11
import pytest
from pkcs11 import Attribute, KeyType

from schemas.errors import ConfigurationError, Unavailable
from security.key_provider import KeyUnavailable, Scope, UnwrapFailed, WrappedKey
from security.pkcs11_keyring import Pkcs11Keyring
from security.pkcs11_token import Pkcs11Access, Pkcs11Token
from tests.support.processes import ROOT
from tests.support.softhsm import OTHER, SoftHsm

KEY = bytes(range(32))
_numbers = itertools.count()


@pytest.fixture
def scope() -> Scope:
    """A scope that no other test uses: the token is the session's."""
    return Scope(f"bank-{next(_numbers)}", "payments", 3)


@pytest.fixture
def token(softhsm: SoftHsm) -> Pkcs11Token:
    return softhsm.token


@pytest.fixture
def ring(token: Pkcs11Token) -> Pkcs11Keyring:
    return Pkcs11Keyring(token)


def test_a_wrapped_key_opens_in_another_process(softhsm: SoftHsm, ring: Pkcs11Keyring, scope: Scope) -> None:
    wrapped = ring.wrap(scope, KEY)
    assert KEY not in wrapped.ciphertext
    assert wrapped.kek_id == ring.kek_id(scope)
    program = (
        "import sys; from pathlib import Path\n"
        "from security.key_provider import Scope, WrappedKey\n"
        "from security.pkcs11_keyring import Pkcs11Keyring\n"
        "from security.pkcs11_token import Pkcs11Access, Pkcs11Token\n"
        "module, token, pin, tenant, kek_id, sealed = sys.argv[1:]\n"
        "ring = Pkcs11Keyring(Pkcs11Token(Pkcs11Access(Path(module), token, Path(pin))))\n"
        "key = ring.unwrap(Scope(tenant, 'payments', 3), WrappedKey(kek_id, bytes.fromhex(sealed)))\n"
        "print(key.hex(), ring.index_key(tenant, 'name').hex())\n"
    )
    access = softhsm.access()
    told = [str(access.module), access.token, str(access.pin_file), scope.tenant, wrapped.kek_id]
    found = subprocess.run(
        [sys.executable, "-c", program, *told, wrapped.ciphertext.hex()],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.split() == [KEY.hex(), ring.index_key(scope.tenant, "name").hex()]


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(lambda s: Scope(s.tenant + "x", s.domain, s.tier), id="tenant"),
        pytest.param(lambda s: Scope(s.tenant, "treasury", s.tier), id="domain"),
        pytest.param(lambda s: Scope(s.tenant, s.domain, 2), id="tier"),
        pytest.param(lambda s: Scope(s.tenant, s.domain, s.tier, 2), id="epoch"),
    ],
)
def test_a_wrapped_key_opens_in_its_own_scope_alone(ring: Pkcs11Keyring, scope: Scope, other: object) -> None:
    moved = other(scope)  # type: ignore[operator]
    wrapped = ring.wrap(scope, KEY)
    ring.wrap(moved, KEY)
    with pytest.raises(KeyUnavailable):
        ring.unwrap(moved, wrapped)
    with pytest.raises(UnwrapFailed):
        ring.unwrap(moved, WrappedKey(ring.kek_id(moved), wrapped.ciphertext))


def test_the_associated_data_binds_the_scope_where_the_object_is_the_same(
    token: Pkcs11Token, ring: Pkcs11Keyring, scope: Scope
) -> None:
    wrapped = ring.wrap(scope, KEY)
    moved = Scope(scope.tenant, "treasury", 3)
    label = wrapped.kek_id.partition("/")[2].partition("#")[0]

    def rename(session: pkcs11.Session) -> None:
        (key,) = session.get_objects({Attribute.LABEL: label})
        key[Attribute.LABEL] = label.replace("payments", "treasury")

    token.run(rename)
    with pytest.raises(UnwrapFailed):
        ring.unwrap(moved, WrappedKey(wrapped.kek_id.replace("payments", "treasury"), wrapped.ciphertext))


def test_flipped_bits_and_other_lengths_are_found(ring: Pkcs11Keyring, scope: Scope) -> None:
    wrapped = ring.wrap(scope, KEY)
    for place in range(len(wrapped.ciphertext)):
        broken = bytearray(wrapped.ciphertext)
        broken[place] ^= 1
        with pytest.raises(UnwrapFailed):
            ring.unwrap(scope, WrappedKey(wrapped.kek_id, bytes(broken)))
    for length in (0, 1, 12, 13, 60, 62, 5000):
        with pytest.raises(UnwrapFailed):
            ring.unwrap(scope, WrappedKey(wrapped.kek_id, (wrapped.ciphertext * 100)[:length]))
    assert ring.unwrap(scope, wrapped) == KEY


def test_a_destroyed_key_stays_gone_and_its_successor_has_another_id(
    token: Pkcs11Token, ring: Pkcs11Keyring, scope: Scope
) -> None:
    wrapped = ring.wrap(scope, KEY)
    label = wrapped.kek_id.partition("/")[2].partition("#")[0]
    token.run(lambda session: [key.destroy() for key in session.get_objects({Attribute.LABEL: label})])
    for _ in range(2):
        with pytest.raises(KeyUnavailable):  # and makes none
            ring.unwrap(scope, wrapped)
    assert ring.kek_id(scope) != wrapped.kek_id
    with pytest.raises(KeyUnavailable):
        ring.unwrap(scope, wrapped)


def test_no_key_can_be_taken_out_of_the_token(token: Pkcs11Token, ring: Pkcs11Keyring, scope: Scope) -> None:
    ring.wrap(scope, KEY)
    ring.index_key(scope.tenant, "name")

    def facts(session: pkcs11.Session) -> list[tuple[bool, bool, bool]]:
        return [
            (key[Attribute.NEVER_EXTRACTABLE], key[Attribute.ALWAYS_SENSITIVE], key[Attribute.LOCAL])
            for name in (f"kek.{scope.tenant}.payments.t3.e1", f"index.{scope.tenant}.name")
            for key in session.get_objects({Attribute.LABEL: name})
        ]

    assert token.run(facts) == [(True, True, True)] * 2


def test_a_key_that_can_be_taken_out_is_not_used(token: Pkcs11Token, ring: Pkcs11Keyring, scope: Scope) -> None:
    label = f"kek.{scope.tenant}.payments.t3.e1"
    template = {Attribute.EXTRACTABLE: True, Attribute.SENSITIVE: False}
    token.run(lambda s: s.generate_key(KeyType.AES, 256, label=label, id=b"1", store=True, template=template))
    with pytest.raises(ConfigurationError, match="can be taken out"):
        ring.wrap(scope, KEY)


def test_index_keys_and_seeds_are_the_same_everywhere_and_all_different(softhsm: SoftHsm, scope: Scope) -> None:
    one, other = Pkcs11Keyring(softhsm.token), Pkcs11Keyring(softhsm.token)
    secrets = [
        (ring.index_key(scope.tenant, "name"), ring.index_key(scope.tenant, "account"), ring.signing_seed(scope.tenant))
        for ring in (one, other)
    ]
    assert secrets[0] == secrets[1]
    assert len(set(secrets[0])) == 3


def test_of_two_keys_of_one_label_all_take_the_same(token: Pkcs11Token, softhsm: SoftHsm, scope: Scope) -> None:
    ring = Pkcs11Keyring(token)
    first = ring.wrap(scope, KEY)
    for number in (b"\x00" * 8, b"\xff" * 8):
        token.run(
            lambda session, number=number: session.generate_key(
                KeyType.AES,
                256,
                label=f"kek.{scope.tenant}.payments.t3.e1",
                id=number,
                store=True,
                template={Attribute.EXTRACTABLE: False, Attribute.SENSITIVE: True},
            )
        )
    assert ring.kek_id(scope) == Pkcs11Keyring(softhsm.token).kek_id(scope)
    assert ring.kek_id(scope).endswith("#" + "00" * 8)
    assert ring.unwrap(scope, first) == KEY


def test_a_lost_session_is_opened_again(token: Pkcs11Token, ring: Pkcs11Keyring, scope: Scope) -> None:
    wrapped = ring.wrap(scope, KEY)
    token.run(lambda session: session.close())
    assert ring.unwrap(scope, wrapped) == KEY


def test_a_session_that_was_logged_out_does_not_take_keys_for_destroyed(
    softhsm: SoftHsm, token: Pkcs11Token, ring: Pkcs11Keyring, scope: Scope
) -> None:
    wrapped = ring.wrap(scope, KEY)
    token.run(lambda session: session.close())
    module = pkcs11.lib(str(softhsm.module))
    token._session = module.get_token(token_label=token.label).open(rw=True)  # sees public objects alone
    assert ring.unwrap(scope, wrapped) == KEY


def test_two_logins_of_one_process_do_not_disturb_each_other(
    softhsm: SoftHsm, token: Pkcs11Token, ring: Pkcs11Keyring, scope: Scope
) -> None:
    wrapped = ring.wrap(scope, KEY)
    other = Pkcs11Keyring(Pkcs11Token(softhsm.access()))
    assert other.unwrap(scope, wrapped) == KEY
    token.run(lambda session: session.close())  # which logs both out
    assert other.unwrap(scope, wrapped) == ring.unwrap(scope, wrapped) == KEY


def test_a_wrong_pin_is_said_and_not_shown(softhsm: SoftHsm, scope: Scope, tmp_path: Path) -> None:
    pin = tmp_path / "pin"
    pin.touch(mode=0o600)
    pin.write_text("99-wrong-99")
    access = softhsm.access()
    ring = Pkcs11Keyring(Pkcs11Token(Pkcs11Access(access.module, OTHER, pin)))
    with pytest.raises(ConfigurationError, match="refuses the PIN") as caught:
        ring.kek_id(scope)
    assert "99-wrong-99" not in f"{caught.value!r}{caught.value}{ring!r}"
    pin.chmod(0o644)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        ring.kek_id(scope)


def test_a_token_that_is_not_there_is_waited_for(softhsm: SoftHsm, scope: Scope) -> None:
    access = softhsm.access()
    with pytest.raises(Unavailable, match="SEALSTREAM_PKCS11_TOKEN"):
        Pkcs11Keyring(Pkcs11Token(Pkcs11Access(access.module, "elsewhere", access.pin_file))).kek_id(scope)


def test_a_module_that_is_none_is_named(softhsm: SoftHsm) -> None:
    with pytest.raises(ConfigurationError, match="SEALSTREAM_PKCS11_MODULE"):
        Pkcs11Token(Pkcs11Access(Path(os.devnull), "x", softhsm.pin_file))


def test_it_says_what_it_is(ring: Pkcs11Keyring) -> None:
    assert "sealstream" in ring.answers()
