import json
import os

import pytest

from schemas.errors import ConfigurationError
from security.jwk import Curve, InvalidKeyError
from security.signatures import Algorithm, verifier
from security.signing import Ed25519Signer, Es256Signer, load_signer, private_jwk, save_private_jwk

SECRET = bytes(range(1, 33))


@pytest.mark.parametrize(
    ("curve", "algorithm"),
    [(Curve.ED25519, Algorithm.ED25519), (Curve.P256, Algorithm.ES256)],
    ids=["ed25519", "es256"],
)
def test_a_key_file_gives_back_the_signer(tmp_path, curve, algorithm):
    path = tmp_path / "key.jwk"
    save_private_jwk(path, private_jwk("feed-1", curve, SECRET))
    assert path.stat().st_mode & 0o777 == 0o600
    signer = load_signer(path)
    assert (signer.key_id, signer.algorithm) == ("feed-1", algorithm)
    verifier(algorithm, signer.public_key)(b"m", signer.sign(b"m"))


def test_a_key_file_without_a_kid_is_named_by_its_thumbprint(tmp_path):
    members = json.loads(private_jwk("x", Curve.ED25519, SECRET))
    del members["kid"]
    save_private_jwk(tmp_path / "key", json.dumps(members).encode())
    signer = load_signer(tmp_path / "key")
    assert signer.key_id == signer.public_key.thumbprint()


def test_a_key_file_is_never_overwritten(tmp_path):
    save_private_jwk(tmp_path / "key", b"first")
    with pytest.raises(ConfigurationError):
        save_private_jwk(tmp_path / "key", b"second")
    assert (tmp_path / "key").read_bytes() == b"first"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o700, 0o601])
def test_refuses_a_key_file_that_is_open_to_others(tmp_path, mode):
    path = tmp_path / "key"
    save_private_jwk(path, private_jwk("a", Curve.ED25519, SECRET))
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


def key_members(curve: Curve) -> dict[str, str]:
    return json.loads(private_jwk("a", curve, SECRET))


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"not json", id="no-json"),
        pytest.param(b"{}", id="no-members"),
        pytest.param(json.dumps(key_members(Curve.P256) | {"d": "A" * 43}).encode(), id="zero-scalar"),
        pytest.param(json.dumps(key_members(Curve.P256) | {"d": "_" * 42 + "8"}).encode(), id="scalar-too-big"),
        pytest.param(json.dumps(key_members(Curve.ED25519) | {"d": "A" * 43}).encode(), id="other-private-part"),
        pytest.param(json.dumps(key_members(Curve.ED25519) | {"alg": "ES256"}).encode(), id="other-algorithm"),
        pytest.param(json.dumps({**key_members(Curve.ED25519), "d": None}).encode(), id="public-only"),
    ],
)
def test_refuses_key_files_that_are_no_private_key(tmp_path, content):
    save_private_jwk(tmp_path / "key", content)
    with pytest.raises(InvalidKeyError) as caught:
        load_signer(tmp_path / "key")
    assert key_members(Curve.ED25519)["d"] not in str(caught.value)


@pytest.mark.parametrize("signer", [Ed25519Signer("a", SECRET), Es256Signer("a", SECRET)], ids=["ed25519", "es256"])
def test_secrets_do_not_show(signer):
    assert repr(signer) == f"{type(signer).__name__}(key_id='a')"
    assert str(signer) == repr(signer)


@pytest.mark.parametrize("signer", [Ed25519Signer, Es256Signer])
@pytest.mark.parametrize("secret", [b"", bytes(31), bytes(33)], ids=["empty", "short", "long"])
def test_refuses_secrets_of_the_wrong_length(signer, secret):
    with pytest.raises(InvalidKeyError):
        signer("a", secret)
