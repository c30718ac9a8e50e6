import json
import os

import pytest

from schemas.errors import ConfigurationError
from security.jwk import thumbprint
from security.key_files import load_signer, new_private_jwk, private_jwk, save_private_jwk
from security.public_key import InvalidKeyError
from security.signatures import Algorithm, verifier
from security.signing import Ed25519Signer, Es256Signer, Es384Signer, Sm2Signer

SECRET = bytes(range(1, 33))


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_a_key_file_gives_back_the_signer(tmp_path, algorithm):
    path = tmp_path / "key.jwk"
    save_private_jwk(path, new_private_jwk("feed-1", algorithm, os.urandom, "用户@example"))
    assert path.stat().st_mode & 0o777 == 0o600
    signer = load_signer(path)
    assert (signer.key_id, signer.algorithm) == ("feed-1", algorithm)
    assert signer.jwk.signer_id == ("用户@example" if algorithm is Algorithm.SM2 else None)
    verifier(signer.jwk)(b"m", signer.sign(b"m"))


def test_a_new_key_is_drawn_again_when_the_draw_is_no_key():
    draws = iter([b"\xff" * 32, bytes(32), SECRET])
    members = json.loads(new_private_jwk("k", Algorithm.ES256, lambda length: next(draws)))
    assert members == json.loads(private_jwk("k", Algorithm.ES256, SECRET))


def test_a_key_file_without_a_kid_is_named_by_its_thumbprint(tmp_path):
    members = json.loads(private_jwk("x", Algorithm.ED25519, SECRET))
    del members["kid"]
    save_private_jwk(tmp_path / "key", json.dumps(members).encode())
    signer = load_signer(tmp_path / "key")
    assert signer.key_id == thumbprint(signer.public_key)


def test_a_key_file_is_never_overwritten(tmp_path):
    save_private_jwk(tmp_path / "key", b"first")
    with pytest.raises(ConfigurationError):
        save_private_jwk(tmp_path / "key", b"second")
    assert (tmp_path / "key").read_bytes() == b"first"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o700, 0o601])
def test_refuses_a_key_file_that_is_open_to_others(tmp_path, mode):
    path = tmp_path / "key"
    save_private_jwk(path, private_jwk("a", Algorithm.ED25519, SECRET))
    path.chmod(mode)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        load_signer(path)


def test_refuses_what_is_no_small_regular_file(tmp_path):
    with pytest.raises(ConfigurationError):
        load_signer(tmp_path / "absent")
    with pytest.raises(ConfigurationError):
        load_signer(tmp_path)
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(ConfigurationError):
        load_signer(tmp_path / "pipe")
    save_private_jwk(tmp_path / "big", b" " * 20_000)
    with pytest.raises(ConfigurationError):
        load_signer(tmp_path / "big")


def key_members(algorithm: Algorithm) -> dict[str, str]:
    return json.loads(private_jwk("a", algorithm, SECRET))


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"not json", id="no-json"),
        pytest.param(b"{}", id="no-members"),
        pytest.param(json.dumps(key_members(Algorithm.ES256) | {"d": "A" * 43}).encode(), id="zero-scalar"),
        pytest.param(json.dumps(key_members(Algorithm.ES256) | {"d": "_" * 42 + "8"}).encode(), id="scalar-too-big"),
        pytest.param(json.dumps(key_members(Algorithm.ED25519) | {"d": "A" * 43}).encode(), id="other-private-part"),
        pytest.param(json.dumps(key_members(Algorithm.ED25519) | {"alg": "ES256"}).encode(), id="other-algorithm"),
        pytest.param(json.dumps({**key_members(Algorithm.ED25519), "d": None}).encode(), id="public-only"),
    ],
)
def test_refuses_key_files_that_are_no_private_key(tmp_path, content):
    save_private_jwk(tmp_path / "key", content)
    with pytest.raises(InvalidKeyError) as caught:
        load_signer(tmp_path / "key")
    assert key_members(Algorithm.ED25519)["d"] not in str(caught.value)


def rsa_members() -> dict[str, str]:
    return json.loads(new_private_jwk("r", Algorithm.PS256, os.urandom))


@pytest.mark.parametrize("change", ["another-prime", "another-modulus", "no-primes", "another-exponent"])
def test_refuses_rsa_key_files_whose_numbers_do_not_belong_together(tmp_path, change):
    members, other = rsa_members(), rsa_members()
    if change == "another-prime":
        members["p"] = other["p"]
    elif change == "another-modulus":
        members["n"] = other["n"]
    elif change == "no-primes":
        del members["p"]
    else:
        members["e"] = "AQ"
    save_private_jwk(tmp_path / "key", json.dumps(members).encode())
    with pytest.raises(InvalidKeyError):
        load_signer(tmp_path / "key")


@pytest.mark.parametrize(
    "signer",
    [Ed25519Signer("a", SECRET), Es256Signer("a", SECRET), Es384Signer("a", SECRET + SECRET[:16])],
    ids=["ed25519", "es256", "es384"],
)
def test_secrets_do_not_show(signer):
    assert repr(signer) == f"{type(signer).__name__}(key_id='a')"
    assert str(signer) == repr(signer)


@pytest.mark.parametrize("signer", [Ed25519Signer, Es256Signer, Es384Signer, Sm2Signer])
@pytest.mark.parametrize("secret", [b"", bytes(31), bytes(33)], ids=["empty", "short", "long"])
def test_refuses_secrets_of_the_wrong_length(signer, secret):
    with pytest.raises(InvalidKeyError):
        signer("a", secret)
