import json

import pytest

from schemas.errors import ConfigurationError
from security.jwk import Curve, InvalidKeyError, PublicKey, parse_jwk, parse_jwks
from tests.shared_data import shared

OKP = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
EC = {
    "kty": "EC",
    "crv": "P-256",
    "x": "Z805D3eqNZywjCI19lInBJOp7YMrCrzAH3CVTAOQ0jg",
    "y": "DHgr1U4mkSWkT0Qzr_FDLOlOErynOqZ6yAzqEmCN33Q",
}


def test_reads_the_key_of_rfc_8037_and_its_thumbprint():
    vector = json.loads(shared("standards/vectors/jose-dsse.json").read_bytes())["ed25519Jws"]
    public = {name: value for name, value in vector["jwk"].items() if name != "d"}
    key = parse_jwk(json.dumps(public)).public_key
    assert key.to_jwk() == public
    assert key.thumbprint() == vector["thumbprintRfc7638"]


def test_reads_the_p256_key_of_the_dsse_protocol():
    vector = json.loads(shared("standards/vectors/cloudevents-verifiability.json").read_bytes())["key"]
    public = {name: value for name, value in vector["jwk"].items() if name != "d"}
    key = parse_jwk(json.dumps(public | {"kid": "testkey", "alg": "ES256", "use": "sig"}))
    assert key.key_id == "testkey"
    assert key.public_key.material == int(vector["x"]).to_bytes(32) + int(vector["y"]).to_bytes(32)


@pytest.mark.parametrize("name", ["EdDSA", "Ed25519"])
def test_takes_both_names_of_the_ed25519_algorithm(name):
    assert parse_jwk(json.dumps(OKP | {"alg": name})).public_key.curve is Curve.ED25519


@pytest.mark.parametrize(
    "members",
    [
        pytest.param(OKP | {"d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}, id="private-okp"),
        pytest.param(EC | {"d": EC["x"]}, id="private-ec"),
        pytest.param(EC | {"k": "AA"}, id="symmetric-member"),
        pytest.param(OKP | {"crv": "X25519"}, id="x25519"),
        pytest.param(EC | {"crv": "P-384"}, id="p384"),
        pytest.param(EC | {"kty": "OKP"}, id="curve-of-another-type"),
        pytest.param({"kty": "oct", "k": "AA"}, id="symmetric"),
        pytest.param({"kty": ["OKP"], "crv": {}}, id="not-strings"),
        pytest.param({name: value for name, value in EC.items() if name != "y"}, id="no-y"),
        pytest.param(OKP | {"x": OKP["x"] + "="}, id="padding"),
        pytest.param(OKP | {"x": OKP["x"][:-1]}, id="short"),
        pytest.param(OKP | {"x": OKP["x"] + "AA"}, id="long"),
        pytest.param(OKP | {"x": OKP["x"][:-1] + "p"}, id="stray-bits"),
        pytest.param(OKP | {"x": OKP["x"].replace("_", "/")}, id="other-alphabet"),
        pytest.param(OKP | {"x": OKP["x"] + "\n"}, id="line-break"),
        pytest.param(OKP | {"x": 5}, id="number"),
        pytest.param(OKP | {"x": "A" * 43}, id="low-order"),
        pytest.param(OKP | {"x": "_" * 42 + "8"}, id="not-canonical"),
        pytest.param(EC | {"x": EC["y"], "y": EC["x"]}, id="not-on-the-curve"),
        pytest.param(EC | {"x": "_" * 42 + "8"}, id="x-beyond-the-field"),
        pytest.param(EC | {"x": "A" * 43, "y": "A" * 43}, id="origin"),
        pytest.param(EC | {"alg": "Ed25519"}, id="algorithm-of-another-kind"),
        pytest.param(EC | {"alg": ["ES256"]}, id="algorithm-list"),
        pytest.param(EC | {"use": "enc"}, id="for-encryption"),
        pytest.param(EC | {"key_ops": ["sign"]}, id="for-signing"),
        pytest.param(EC | {"key_ops": "verify"}, id="operations-no-list"),
        pytest.param(EC | {"kid": 7}, id="kid-no-string"),
        pytest.param(EC | {"kid": "k" * 257}, id="kid-too-long"),
        pytest.param([EC], id="list"),
    ],
)
def test_refuses_keys_that_are_not_public_signature_keys(members):
    with pytest.raises(InvalidKeyError) as caught:
        parse_jwk(json.dumps(members))
    assert isinstance(caught.value, ConfigurationError)
    assert "nWGxne" not in str(caught.value)


@pytest.mark.parametrize("text", [b"", b"\xff", b"null", b"[" * 100_000])
def test_refuses_what_is_no_json(text):
    with pytest.raises(InvalidKeyError):
        parse_jwk(text)
    with pytest.raises(InvalidKeyError):
        parse_jwks(text)


def test_refuses_raw_keys_of_the_wrong_length():
    for curve, length in ((Curve.ED25519, 64), (Curve.ED25519, 31), (Curve.P256, 65), (Curve.P256, 32)):
        with pytest.raises(InvalidKeyError):
            PublicKey(curve, bytes(length))


def test_a_set_leaves_out_what_it_can_not_use():
    keys = [
        {"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "rsa"},
        {"kty": "oct", "k": "AA"},
        {"kty": "OKP", "crv": "Ed25519", "kid": "no-x"},
        EC | {"use": "enc"},
        "text",
        {},
        OKP | {"kid": "a"},
        EC,
    ]
    assert [key.key_id for key in parse_jwks(json.dumps({"keys": keys, "other": 1}))] == ["a", None]
    assert parse_jwks('{"keys":[]}') == ()


@pytest.mark.parametrize(
    "members",
    [
        pytest.param({}, id="no-keys"),
        pytest.param({"keys": {}}, id="keys-no-list"),
        pytest.param({"keys": [OKP] * 257}, id="too-many"),
        pytest.param({"keys": [OKP, EC | {"d": EC["x"]}]}, id="private-key-published"),
    ],
)
def test_refuses_a_whole_set(members):
    with pytest.raises(InvalidKeyError):
        parse_jwks(json.dumps(members))
