import json
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from hypothesis import given
from hypothesis import strategies as st

from security import libcrypto
from security.algorithms import SignatureEncoding
from security.libcrypto import LibcryptoMissing
from security.public_key import InvalidKeyError, KeyKind, PublicKey
from security.signatures import BadSignature, verifier
from security.signing import Sm2Signer
from security.sm2 import SM2_ORDER
from tests.shared_data import shared

SIGNER = Sm2Signer("a", b"\1" * 32)


def holds(record, message, signature):
    try:
        verifier(record)(message, signature)
    except BadSignature:
        return False
    return True


def test_verifies_the_example_of_the_standard():
    vector = json.loads(shared("standards/vectors/sm.json").read_bytes())["sm2Signature"][0]
    signer = Sm2Signer("a", bytes.fromhex(vector["d"]), vector["uidUtf8"])
    assert signer.public_key.material.hex() == vector["pubX"] + vector["pubY"]
    signature = bytes.fromhex(vector["r"] + vector["s"])
    message = vector["messageUtf8"].encode()
    assert holds(signer.jwk, message, signature)
    assert not holds(signer.jwk, message + b"!", signature)
    assert not holds(replace(signer.jwk, signer_id="1234567812345679"), message, signature)


def test_verifies_the_example_of_botan_on_the_recommended_curve():
    fields: dict[str, str] = {}
    found = 0
    for line in shared("data/crypto_vectors/botan_sm/pubkey/sm2_sig.vec").read_text().splitlines():
        name, _, value = line.partition(" = ")
        fields[name.strip()] = value.strip()
        if name == "Signature" and fields["Oid"] == "1.2.156.10197.1.301" and fields["Hash"] == "SM3":
            signer = Sm2Signer("a", int(fields["x"], 16).to_bytes(32), fields["Ident"])
            assert holds(signer.jwk, bytes.fromhex(fields["Msg"]), bytes.fromhex(value))
            found += 1
    assert found == 1


@given(message=st.binary(max_size=200), signer_id=st.text("aé银", min_size=1, max_size=20))
def test_what_is_signed_verifies_under_its_signer_id_alone(message, signer_id):
    signer = Sm2Signer("a", b"\1" * 32, signer_id)
    signature = signer.sign(message)
    assert holds(signer.jwk, message, signature)
    assert not holds(replace(signer.jwk, signer_id=signer_id + "x"), message, signature)
    assert not holds(replace(Sm2Signer("b", b"\2" * 32).jwk, signer_id=signer_id), message, signature)


@pytest.mark.parametrize(("r", "s"), [(0, 1), (1, 0), (SM2_ORDER, 1), (1, SM2_ORDER), (1, SM2_ORDER - 1)])
@pytest.mark.parametrize("encoding", list(SignatureEncoding))
def test_refuses_numbers_out_of_range_and_a_sum_of_zero(r, s, encoding):
    signature = encode_dss_signature(r, s) if encoding is SignatureEncoding.DER else r.to_bytes(32) + s.to_bytes(32)
    assert not holds(replace(SIGNER.jwk, encoding=encoding), b"m", signature)


def test_der_is_taken_where_the_record_says_so_and_in_its_one_form():
    signature = SIGNER.sign(b"m")
    r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
    der = encode_dss_signature(r, s)
    record = replace(SIGNER.jwk, encoding=SignatureEncoding.DER)
    assert holds(record, b"m", der)
    assert not holds(record, b"m", signature)
    assert not holds(SIGNER.jwk, b"m", der)
    long_length = b"\x30\x81" + der[1:]
    padded = b"\x30" + bytes([der[1] + 1]) + b"\x02" + bytes([der[3] + 1]) + b"\0" + der[4:]
    for wrong in (der + b"\0", der[:-1], long_length, padded, b"", b"\x30\x00", b"\x31" + der[1:]):
        assert not holds(record, b"m", wrong)


@pytest.mark.parametrize("secret", [0, SM2_ORDER - 1, SM2_ORDER, 2**256 - 1])
def test_refuses_scalars_out_of_range(secret):
    with pytest.raises(InvalidKeyError):
        Sm2Signer("a", secret.to_bytes(32))


@given(material=st.binary(min_size=64, max_size=64))
def test_a_point_off_the_curve_is_no_key(material):
    with pytest.raises(InvalidKeyError):
        PublicKey(KeyKind.SM2, material)


def test_the_repr_shows_no_secret():
    assert repr(SIGNER) == "Sm2Signer(key_id='a')"


@pytest.mark.parametrize("library", ["libcrypto-that-is-not-there.so", "libm.so.6"])
def test_a_machine_without_such_an_openssl_says_what_is_missing(monkeypatch, library):
    monkeypatch.setattr(libcrypto, "LIBRARY", library)
    libcrypto.load.cache_clear()
    try:
        with pytest.raises(LibcryptoMissing, match=r"SM2 needs the system's OpenSSL 3.*libssl3"):
            verifier(SIGNER.jwk)
    finally:
        libcrypto.load.cache_clear()
