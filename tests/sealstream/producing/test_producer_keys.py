from pathlib import Path

import msgspec
import pytest

from schemas.errors import ConfigurationError
from sealstream.producing.producer_keys import load_producer, make_private_key, private_key_for, private_key_path
from security.algorithms import Algorithm
from security.signatures import verifier
from security.signing import Ed25519Signer

KEY = Ed25519Signer("k", b"s" * 32).jwk
JWK = msgspec.json.encode(KEY.to_members())


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_a_key_made_here_signs_again_after_it_is_loaded(tmp_path: Path, algorithm: Algorithm) -> None:
    made = make_private_key(tmp_path / "keys", "bank.a-1_x", algorithm)
    loaded = load_producer(tmp_path / "keys", "bank.a-1_x")
    assert made.jwk == loaded.jwk
    assert loaded.algorithm is algorithm
    verifier(loaded.jwk)(b"m", made.sign(b"m"))
    assert made.key_id == loaded.key_id == "bank.a-1_x"


def test_private_keys_are_for_their_owner_alone(tmp_path: Path) -> None:
    keyring = tmp_path / "a" / "keys"
    make_private_key(keyring, "k")
    path = private_key_path(keyring, "k")
    assert path.stat().st_mode & 0o777 == 0o600
    assert {each.stat().st_mode & 0o077 for each in (keyring, path.parent)} == {0}
    path.chmod(0o644)
    with pytest.raises(ConfigurationError):
        load_producer(keyring, "k")


def test_a_name_is_taken_once(tmp_path: Path) -> None:
    make_private_key(tmp_path, "k")
    before = private_key_path(tmp_path, "k").read_bytes()
    with pytest.raises(ConfigurationError):
        make_private_key(tmp_path, "k")
    assert private_key_path(tmp_path, "k").read_bytes() == before


@pytest.mark.parametrize("name", ["", ".", "..", "../k", "a/b", "a\\b", "-k", "k" * 65, "schlüssel", "k\n", "k\0"])
def test_a_name_never_leads_out_of_the_keyring(tmp_path: Path, name: str) -> None:
    for work in (make_private_key, load_producer):
        with pytest.raises(ConfigurationError, match="key name"):
            work(tmp_path, name)
    assert not list(tmp_path.rglob("*"))


def test_a_key_that_is_not_here_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="sealstream keys generate nobody"):
        load_producer(tmp_path, "nobody")


def test_a_key_that_was_left_unregistered_is_the_one_to_register(tmp_path: Path) -> None:
    made = private_key_for(tmp_path, "k", Algorithm.ES256)
    assert private_key_for(tmp_path, "k", Algorithm.ES256).jwk == made.jwk


def test_a_key_of_another_kind_is_not_taken_for_the_one_that_was_left(tmp_path: Path) -> None:
    private_key_for(tmp_path, "k", Algorithm.SM2, "one")
    for kind in ((Algorithm.SM2, "another"), (Algorithm.ED25519,)):
        with pytest.raises(ConfigurationError, match="another"):
            private_key_for(tmp_path, "k", *kind)
