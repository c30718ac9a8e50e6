import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from security.ecdsa import P256_ORDER
from security.jwk import Jwk, parse_jwk, required_members
from security.public_key import InvalidKeyError, KeyKind, PublicKey
from security.signatures import Algorithm, BadSignature, verifier
from security.signing import Ed25519Signer, Es256Signer, Es384Signer, Sm2Signer
from tests.shared_data import shared


def holds(algorithm: Algorithm, key: PublicKey, message: bytes, signature: bytes) -> bool:
    try:
        verifier(Jwk(key, algorithm))(message, signature)
    except BadSignature:
        return False
    return True


def base64url(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def test_of_the_edge_cases_of_ed25519_only_those_without_any_low_order_or_odd_encoding_pass():
    # Stricter than RFC 8032, and than verify_strict of ed25519-dalek: keys with a part of low order are refused too.
    vectors = json.loads(shared("data/crypto_vectors/cctv_ed25519/ed25519vectors.json").read_bytes())
    accepted, usable_keys = [], 0
    for vector in vectors:
        try:
            key = PublicKey(KeyKind.ED25519, bytes.fromhex(vector["key"]))
        except InvalidKeyError:
            assert {"low_order_A", "low_order_component_A", "non_canonical_A"} & set(vector["flags"])
            continue
        usable_keys += 1
        if holds(Algorithm.ED25519, key, vector["msg"].encode(), bytes.fromhex(vector["sig"])):
            accepted.append(vector["flags"] or [])
    assert len(vectors) == 914
    assert usable_keys == 28
    assert accepted == [[]]


def test_verifies_and_reproduces_the_jws_of_rfc_8037():
    vectors = json.loads(shared("standards/vectors/jose-dsse.json").read_bytes())
    jwk = vectors["ed25519Jws"]["jwk"]
    signer = Ed25519Signer("a", base64url(jwk["d"]))
    assert required_members(signer.public_key)["x"] == jwk["x"]
    for name in ("ed25519Jws", "ed25519JwsAlgEd25519"):
        message, _, signature = vectors[name]["jws"].rpartition(".")
        assert holds(Algorithm.ED25519, signer.public_key, message.encode(), base64url(signature))
        assert signer.sign(message.encode()) == base64url(signature)
    real = json.loads(shared("data/crypto_vectors/notes_and_jws/vectors.json").read_bytes())["rfc8037_A4"]
    message, _, signature = real["jws"].rpartition(".")
    assert holds(
        Algorithm.ED25519, parse_jwk(json.dumps(real["jwk"])).public_key, message.encode(), base64url(signature)
    )


def test_verifies_a_real_checkpoint_of_the_go_checksum_database():
    folder = shared("data/crypto_vectors/notes_and_jws")
    vkey = json.loads((folder / "vectors.json").read_bytes())["note_vkeys"]["sum.golang.org"]
    key = PublicKey(KeyKind.ED25519, base64.b64decode(vkey.split("+", 2)[2])[1:])
    checkpoints = sorted(folder.glob("sum.golang.org_*.checkpoint"))
    assert len(checkpoints) == 4
    for path in checkpoints:
        text, _, line = path.read_text().rpartition("\n\n")
        signature = base64.b64decode(line.split()[2])[4:]
        assert holds(Algorithm.ED25519, key, f"{text}\n".encode(), signature)
        assert not holds(Algorithm.ED25519, key, f"{text}".encode(), signature)


def test_the_algorithm_and_the_kind_of_key_must_fit():
    ed25519, p256 = Ed25519Signer("a", bytes(31) + b"\1").public_key, Es256Signer("b", bytes(31) + b"\1").public_key
    for algorithm, key in ((Algorithm.ED25519, p256), (Algorithm.ES256, ed25519), (Algorithm.ES384, p256)):
        with pytest.raises(InvalidKeyError):
            Jwk(key, algorithm)


@pytest.mark.parametrize(
    ("signer", "length"),
    [
        pytest.param(Ed25519Signer("a", b"\1" * 32), 64, id="ed25519"),
        pytest.param(Es256Signer("b", b"\1" * 32), 64, id="es256"),
        pytest.param(Es384Signer("c", b"\1" * 48), 96, id="es384"),
        pytest.param(Sm2Signer("d", b"\1" * 32), 64, id="sm2"),
    ],
)
@given(message=st.binary(max_size=80), position=st.integers(0, 63), bit=st.integers(0, 7))
def test_any_flipped_bit_and_any_other_length_breaks_a_signature(signer, length, message, position, bit):
    verify = verifier(signer.jwk)

    def holds(message, signature):
        try:
            verify(message, signature)
        except BadSignature:
            return False
        return True

    signature = signer.sign(message)
    assert len(signature) == length
    assert holds(message, signature)
    flipped = bytearray(signature)
    flipped[position] ^= 1 << bit
    assert not holds(message, bytes(flipped))
    for other in (b"", signature[:-1], signature + b"\0", b"\0" + signature):
        assert not holds(message, other)
    assert not holds(message + b"\0", signature)


@pytest.mark.parametrize(
    ("r", "s"),
    [(0, 1), (1, 0), (0, 0), (P256_ORDER, 1), (1, P256_ORDER), (2**256 - 1, 2**256 - 1)],
)
def test_es256_refuses_numbers_out_of_range(r, s):
    key = Es256Signer("b", b"\1" * 32).public_key
    assert not holds(Algorithm.ES256, key, b"m", r.to_bytes(32) + s.to_bytes(32))


def test_ed25519_refuses_an_s_that_is_not_reduced():
    order = 2**252 + 27742317777372353535851937790883648493
    signer = Ed25519Signer("a", b"\1" * 32)
    signature = signer.sign(b"m")
    s = int.from_bytes(signature[32:], "little") + order
    assert not holds(Algorithm.ED25519, signer.public_key, b"m", signature[:32] + s.to_bytes(32, "little"))


def test_a_longer_ed25519_signature_can_not_carry_a_part_of_the_message():
    signer = Ed25519Signer("a", b"\1" * 32)
    signature = signer.sign(b"abc")
    assert not holds(Algorithm.ED25519, signer.public_key, b"bc", signature + b"a")


def test_es256_numbers_have_a_fixed_width():
    signer = Es256Signer("b", b"\1" * 32)
    signature = signer.sign(b"m")
    assert not holds(Algorithm.ES256, signer.public_key, b"m", signature[:32] + b"\0" + signature[32:])
