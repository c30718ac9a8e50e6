import base64
import json

import pytest

from schemas.errors import ConfigurationError
from security.algorithms import DEFAULT_SIGNER_ID, Algorithm, SignatureEncoding
from security.jwk import parse_jwk, parse_jwks, required_members, thumbprint
from security.public_key import InvalidKeyError, KeyKind, PublicKey
from tests.shared_data import shared

OKP = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
EC = {
    "kty": "EC",
    "crv": "P-256",
    "x": "Z805D3eqNZywjCI19lInBJOp7YMrCrzAH3CVTAOQ0jg",
    "y": "DHgr1U4mkSWkT0Qzr_FDLOlOErynOqZ6yAzqEmCN33Q",
}

SM2 = {
    "kty": "EC",
    "crv": "SM2",
    "x": "CfnfMR5UIaFQ3X0WHkvFxnIXn60YM_wHa7CP81bzUCA",
    "y": "zOpJDOJndaUtxupxjMGqYArtBfvzXghKZjL2By2prRM",
}
RSA = {
    "kty": "RSA",
    "alg": "PS256",
    "e": "AQAB",
    "n": base64.urlsafe_b64encode(b"\xc1" + bytes(range(254)) + b"\x0f").rstrip(b"=").decode(),
}


def test_reads_the_key_of_rfc_8037_and_its_thumbprint():
    vector = json.loads(shared("standards/vectors/jose-dsse.json").read_bytes())["ed25519Jws"]
    public = {name: value for name, value in vector["jwk"].items() if name != "d"}
    key = parse_jwk(json.dumps(public)).public_key
    assert required_members(key) == public
    assert thumbprint(key) == vector["thumbprintRfc7638"]


def test_reads_the_p256_key_of_the_dsse_protocol():
    vector = json.loads(shared("standards/vectors/cloudevents-verifiability.json").read_bytes())["key"]
    public = {name: value for name, value in vector["jwk"].items() if name != "d"}
    key = parse_jwk(json.dumps(public | {"kid": "testkey", "alg": "ES256", "use": "sig"}))
    assert key.key_id == "testkey"
    assert key.public_key.material == int(vector["x"]).to_bytes(32) + int(vector["y"]).to_bytes(32)


@pytest.mark.parametrize("name", ["EdDSA", "Ed25519"])
def test_takes_both_names_of_the_ed25519_algorithm(name):
    assert parse_jwk(json.dumps(OKP | {"alg": name})).public_key.kind is KeyKind.ED25519


@pytest.mark.parametrize(
    "members",
    [
        pytest.param(OKP | {"d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}, id="private-okp"),
        pytest.param(EC | {"d": EC["x"]}, id="private-ec"),
        pytest.param(EC | {"k": "AA"}, id="symmetric-member"),
        pytest.param(OKP | {"crv": "X25519"}, id="x25519"),
        pytest.param(EC | {"crv": "P-384"}, id="coordinates-of-another-curve"),
        pytest.param(EC | {"crv": "P-521"}, id="p521"),
        pytest.param(EC | {"crv": "SM2"}, id="not-on-sm2"),
        pytest.param(EC | {"signer_id": "a"}, id="signer-id-of-no-sm2-key"),
        pytest.param(EC | {"signature_encoding": "p1363"}, id="unknown-encoding"),
        pytest.param(EC | {"signature_encoding": []}, id="encoding-no-string"),
        pytest.param(OKP | {"signature_encoding": "der"}, id="encoding-of-ed25519"),
        pytest.param(SM2 | {"signer_id": ""}, id="empty-signer-id"),
        pytest.param(SM2 | {"signer_id": "x" * 257}, id="long-signer-id"),
        pytest.param(SM2 | {"signer_id": 7}, id="signer-id-no-string"),
        pytest.param(SM2 | {"x": SM2["y"], "y": SM2["x"]}, id="swapped-sm2"),
        pytest.param(SM2 | {"alg": "ES256"}, id="sm2-for-ecdsa"),
        pytest.param(RSA | {"alg": None}, id="rsa-without-algorithm"),
        pytest.param(RSA | {"alg": "RS256"}, id="rsa-with-pkcs1"),
        pytest.param(RSA | {"alg": "ES256"}, id="rsa-for-ecdsa"),
        pytest.param(RSA | {"e": "Aw"}, id="exponent-3"),
        pytest.param(RSA | {"e": "AAEAAQ"}, id="exponent-with-a-zero-byte"),
        pytest.param(RSA | {"n": "AA" + RSA["n"][:-2]}, id="modulus-with-a-zero-byte"),
        pytest.param(RSA | {"n": RSA["n"][:-1] + "A"}, id="even-modulus"),
        pytest.param(RSA | {"n": RSA["n"][:170]}, id="short-modulus"),
        pytest.param(RSA | {"n": RSA["n"] * 5}, id="long-modulus"),
        pytest.param(RSA | {"p": "AA"}, id="private-rsa"),
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
    for curve, length in ((KeyKind.ED25519, 64), (KeyKind.ED25519, 31), (KeyKind.P256, 65), (KeyKind.P256, 32)):
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


@pytest.mark.parametrize(
    ("members", "kind", "algorithm"),
    [
        pytest.param(OKP, KeyKind.ED25519, Algorithm.ED25519, id="ed25519"),
        pytest.param(EC, KeyKind.P256, Algorithm.ES256, id="p256"),
        pytest.param(SM2, KeyKind.SM2, Algorithm.SM2, id="sm2"),
        pytest.param(RSA, KeyKind.RSA, Algorithm.PS256, id="ps256"),
        pytest.param(RSA | {"alg": "PS512"}, KeyKind.RSA, Algorithm.PS512, id="ps512"),
        pytest.param(EC | {"signature_encoding": "der"}, KeyKind.P256, Algorithm.ES256, id="der"),
        pytest.param(SM2 | {"signer_id": "银行"}, KeyKind.SM2, Algorithm.SM2, id="signer-id"),
    ],
)
def test_a_record_says_all_that_decides_how_signatures_are_checked(members, kind, algorithm):
    key = parse_jwk(json.dumps(members | {"kid": "k"}))
    assert (key.public_key.kind, key.algorithm) == (kind, algorithm)
    assert key.encoding is SignatureEncoding(members.get("signature_encoding", "raw"))
    assert key.signer_id == (members.get("signer_id", DEFAULT_SIGNER_ID) if kind is KeyKind.SM2 else None)
    assert parse_jwk(json.dumps(key.to_members())) == key


def test_reads_every_public_key_of_the_jose_cookbook_that_signs():
    folder = shared("data/crypto_vectors/jose_cookbook_rfc7520/jwk")
    p521, rsa = ((folder / f"3_{n}_public_key.json").read_text() for n in ("1.ec", "3.rsa"))
    with pytest.raises(InvalidKeyError):
        parse_jwk(p521)
    with pytest.raises(InvalidKeyError, match="alg"):
        parse_jwk(rsa)
    assert parse_jwk(json.dumps(json.loads(rsa) | {"alg": "PS384"})).algorithm is Algorithm.PS384
