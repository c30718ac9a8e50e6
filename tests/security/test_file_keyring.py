import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import ConfigurationError
from security.file_keyring import FileKeyring
from security.key_provider import KeyUnavailable, Scope, UnwrapFailed, WrappedKey

SCOPE = Scope("bank-a", "retail", 3)
KEY = bytes(range(32))

HOSTILE_NAMES = [
    pytest.param("../../outside", id="parent"),
    pytest.param("/etc/passwd", id="absolute"),
    pytest.param("..", id="dots"),
    pytest.param(".", id="dot"),
    pytest.param("a\0b", id="nul"),
    pytest.param("a\nb", id="newline"),
    pytest.param("中国银行" * 100, id="long-chinese"),
    pytest.param("x" * 5000, id="longer-than-a-file-name"),
]


@pytest.fixture
def ring(tmp_path: Path) -> FileKeyring:
    return FileKeyring(tmp_path / "keys")


def key_files(directory: Path) -> list[Path]:
    return sorted(path for path in directory.rglob("*") if path.is_file())


def test_unwraps_what_it_wrapped_after_a_restart(tmp_path: Path) -> None:
    wrapped = FileKeyring(tmp_path / "keys").wrap(SCOPE, KEY)
    restarted = FileKeyring(tmp_path / "keys")
    assert restarted.unwrap(SCOPE, wrapped) == KEY
    assert wrapped.kek_id == restarted.kek_id(SCOPE)
    assert KEY not in wrapped.ciphertext


def test_wraps_the_same_key_differently_each_time(ring: FileKeyring) -> None:
    assert ring.wrap(SCOPE, KEY).ciphertext != ring.wrap(SCOPE, KEY).ciphertext


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(replace(SCOPE, tenant="bank-b"), id="tenant"),
        pytest.param(replace(SCOPE, domain="treasury"), id="domain"),
        pytest.param(replace(SCOPE, tier=4), id="tier"),
        pytest.param(replace(SCOPE, epoch=2), id="epoch"),
    ],
)
def test_refuses_a_key_of_another_scope(ring: FileKeyring, other: Scope) -> None:
    wrapped = ring.wrap(SCOPE, KEY)
    with pytest.raises(KeyUnavailable):
        ring.unwrap(other, wrapped)
    with pytest.raises(UnwrapFailed):
        ring.unwrap(other, WrappedKey(ring.kek_id(other), wrapped.ciphertext))


def test_binds_the_scope_even_where_two_scopes_share_a_key_file(ring: FileKeyring, tmp_path: Path) -> None:
    wrapped = ring.wrap(SCOPE, KEY)
    other = replace(SCOPE, tier=4)
    (source,) = key_files(tmp_path)
    source.with_name("t4.e1.key").write_bytes(source.read_bytes())
    source.with_name("t4.e1.key").chmod(0o600)
    with pytest.raises(UnwrapFailed):
        ring.unwrap(other, WrappedKey(ring.kek_id(other), wrapped.ciphertext))


def test_any_flipped_bit_of_a_wrapped_key_is_found(ring: FileKeyring) -> None:
    wrapped = ring.wrap(SCOPE, KEY)
    for bit in range(len(wrapped.ciphertext) * 8):
        broken = bytearray(wrapped.ciphertext)
        broken[bit // 8] ^= 1 << bit % 8
        with pytest.raises(UnwrapFailed):
            ring.unwrap(SCOPE, replace(wrapped, ciphertext=bytes(broken)))


@pytest.mark.parametrize("length", [0, 1, 12, 13, 20, 28, 60])
def test_a_shortened_wrapped_key_is_found(ring: FileKeyring, length: int) -> None:
    wrapped = ring.wrap(SCOPE, KEY)
    with pytest.raises(UnwrapFailed):
        ring.unwrap(SCOPE, replace(wrapped, ciphertext=wrapped.ciphertext[:length]))


def test_a_destroyed_key_stays_gone_and_its_successor_has_another_id(ring: FileKeyring, tmp_path: Path) -> None:
    wrapped = ring.wrap(SCOPE, KEY)
    (path,) = key_files(tmp_path)
    path.unlink()
    with pytest.raises(KeyUnavailable):
        ring.unwrap(SCOPE, wrapped)
    assert key_files(tmp_path) == []
    assert ring.kek_id(SCOPE) != wrapped.kek_id
    with pytest.raises(KeyUnavailable):
        ring.unwrap(SCOPE, wrapped)


def test_unwrap_on_an_empty_keyring_makes_nothing(ring: FileKeyring, tmp_path: Path) -> None:
    with pytest.raises(KeyUnavailable):
        ring.unwrap(SCOPE, WrappedKey("file:bank-a/retail/t3.e1#00", bytes(61)))
    assert not (tmp_path / "keys").exists()


def test_keeps_every_key_in_a_file_of_its_own(ring: FileKeyring, tmp_path: Path) -> None:
    for tier in range(1, 6):
        ring.kek_id(replace(SCOPE, tier=tier))
    ring.kek_id(replace(SCOPE, epoch=2))
    keys = {
        ring.index_key("bank-a", "account"),
        ring.index_key("bank-a", "counterparty_account"),
        ring.index_key("bank-b", "account"),
        ring.signing_seed("log-bank-a"),
        ring.signing_seed("authority"),
    }
    assert len(keys) == 5
    assert {len(key) for key in keys} == {32}
    contents = [path.read_bytes() for path in key_files(tmp_path)]
    assert len(set(contents)) == len(contents) == 11


def test_a_process_with_some_files_opens_those_alone(ring: FileKeyring, tmp_path: Path) -> None:
    low, high = (ring.wrap(replace(SCOPE, tier=tier), KEY) for tier in (2, 3))
    (path,) = [path for path in key_files(tmp_path) if path.name == "t3.e1.key"]
    path.unlink()
    assert ring.unwrap(replace(SCOPE, tier=2), low) == KEY
    with pytest.raises(KeyUnavailable):
        ring.unwrap(SCOPE, high)


def test_files_and_directories_are_their_owners_alone(ring: FileKeyring, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        ring.kek_id(SCOPE)
        ring.signing_seed("authority")
    finally:
        os.umask(before)
    modes = {path: path.stat().st_mode & 0o777 for path in (tmp_path / "keys").rglob("*")}
    assert {mode for path, mode in modes.items() if path.is_dir()} == {0o700}
    assert {mode for path, mode in modes.items() if path.is_file()} == {0o600}
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o610])
def test_refuses_a_key_file_that_others_can_open(ring: FileKeyring, tmp_path: Path, mode: int) -> None:
    wrapped = ring.wrap(SCOPE, KEY)
    (path,) = key_files(tmp_path)
    path.chmod(mode)
    for use in (lambda: ring.unwrap(SCOPE, wrapped), lambda: ring.wrap(SCOPE, KEY)):
        with pytest.raises(ConfigurationError, match="chmod 600"):
            use()


@pytest.mark.parametrize("where", ["", "kek", "kek/bank-a", "kek/bank-a/retail"])
def test_refuses_a_directory_that_others_can_enter(ring: FileKeyring, tmp_path: Path, where: str) -> None:
    wrapped = ring.wrap(SCOPE, KEY)
    (tmp_path / "keys" / where).chmod(0o750)
    for use in (lambda: ring.unwrap(SCOPE, wrapped), lambda: ring.wrap(SCOPE, KEY)):
        with pytest.raises(ConfigurationError, match="chmod 700"):
            use()


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"sealstream-key/1 ", id="no-key"),
        pytest.param(b"sealstream-key/1 AAAA\n", id="short-key"),
        pytest.param(b"sealstream-key/2 " + b"A" * 43 + b"=\n", id="other-version"),
        pytest.param(b"sealstream-key/1 " + b"!" * 44, id="not-base64"),
        pytest.param(b"\xff" * 32, id="binary"),
    ],
)
def test_a_damaged_key_file_is_an_error_and_never_replaced(ring: FileKeyring, tmp_path: Path, content: bytes) -> None:
    ring.signing_seed("authority")
    (path,) = key_files(tmp_path)
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match="damaged"):
        ring.signing_seed("authority")
    assert path.read_bytes() == content


def test_a_file_in_the_directorys_place_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("")
    with pytest.raises(ConfigurationError):
        FileKeyring(tmp_path / "keys").signing_seed("authority")


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_hostile_names_stay_inside_the_directory(ring: FileKeyring, tmp_path: Path, name: str) -> None:
    scope = Scope(name, name, 3)
    assert ring.unwrap(scope, ring.wrap(scope, KEY)) == KEY
    assert ring.index_key(name, name) == ring.index_key(name, name)
    assert ring.signing_seed(name) == ring.signing_seed(name)
    assert [path.name for path in tmp_path.iterdir()] == ["keys"]
    assert len(key_files(tmp_path / "keys")) == 3


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param("Bank", "bank", id="case"),
        pytest.param("a/b", "a=2fb", id="escape"),
        pytest.param("x" * 5000, "x" * 5001, id="long"),
        pytest.param("a b", "a_b", id="separator"),
    ],
)
def test_names_that_look_alike_have_keys_of_their_own(ring: FileKeyring, one: str, other: str) -> None:
    assert ring.signing_seed(one) != ring.signing_seed(other)
    assert ring.index_key(one, "f") != ring.index_key(other, "f")


@pytest.mark.parametrize("name", ["", "\ud800"], ids=["empty", "lone-surrogate"])
def test_refuses_names_that_are_none(ring: FileKeyring, name: str) -> None:
    with pytest.raises(ConfigurationError):
        ring.signing_seed(name)


@given(st.text(min_size=1, max_size=200), st.text(min_size=1, max_size=200))
def test_two_scopes_never_have_the_same_key_id(tmp_path_factory: pytest.TempPathFactory, one: str, other: str) -> None:
    ring = FileKeyring(tmp_path_factory.getbasetemp() / "shared-keys")
    ids = {ring.kek_id(Scope(one, "d", 1)), ring.kek_id(Scope(other, "d", 1))}
    assert len(ids) == len({one, other})


def test_racing_processes_end_with_one_key(tmp_path: Path) -> None:
    script = (
        "import sys, pathlib; from security.file_keyring import FileKeyring\n"
        "ring = FileKeyring(pathlib.Path(sys.argv[1]))\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "print([ring.signing_seed(f'race-{n}').hex() for n in range(40)])\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "keys")]
    racers = [
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
        )
        for _ in range(3)
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    answers = {racer.communicate(timeout=60)[0] for racer in racers}
    assert len(answers) == 1
    assert "[" in answers.pop()
    assert [path for path in key_files(tmp_path) if path.suffix != ".key"] == []


def test_shows_no_secret(ring: FileKeyring) -> None:
    seed = ring.signing_seed("authority")
    assert seed.hex() not in repr(ring)
    assert str(seed) not in repr(vars(ring))


@pytest.mark.parametrize(
    ("tenant", "domain", "tier", "epoch"),
    [
        pytest.param("", "d", 1, 1, id="no-tenant"),
        pytest.param("t", "", 1, 1, id="no-domain"),
        pytest.param("t", "d", 0, 1, id="tier-0"),
        pytest.param("t", "d", 6, 1, id="tier-6"),
        pytest.param("t", "d", 1, 0, id="epoch-0"),
    ],
)
def test_refuses_scopes_that_are_none(tenant: str, domain: str, tier: int, epoch: int) -> None:
    with pytest.raises(ConfigurationError):
        Scope(tenant, domain, tier, epoch)
