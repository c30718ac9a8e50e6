"""SM4-GCM and HMAC-SM3 against the standards' vectors and Wycheproof."""

import json
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from hypothesis import given
from hypothesis import strategies as st

from security.commitment import COMMITMENT_BYTES, CommitmentMismatch, Commitments, UnknownCommitments, verify_commitment
from security.hmac_sm3 import hmac_sm3
from security.sm4_gcm import Sm4Gcm
from security.suites import Suite
from tests.shared_data import shared

KEY, NONCE = bytes(range(16)), bytes(12)


def vectors(file: str) -> Any:
    return json.loads(shared(file).read_bytes())


def wycheproof(file: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    groups = vectors(f"data/crypto_vectors/wycheproof/{file}")["testGroups"]
    return [(group, case) for group in groups for case in group["tests"]]


def test_rfc_8998_appendix_a_1() -> None:
    (vector,) = [each for each in vectors("standards/vectors/sm.json")["sm4"] if each["mode"] == "GCM"]
    key, nonce, aad, plain, sealed, tag = (
        bytes.fromhex(vector[name]) for name in ("key", "iv", "aad", "plaintext", "ciphertext", "tag")
    )
    assert Sm4Gcm(key).encrypt(nonce, plain, aad) == sealed + tag
    assert Sm4Gcm(key).decrypt(nonce, sealed + tag, aad) == plain


def test_wycheproof_sm4_gcm() -> None:
    valid = refused = 0
    for group, case in wycheproof("sm4_gcm_test.json"):
        if group["ivSize"] != 96:  # ours never are; see NIST SP 800-38D on others
            continue
        key, nonce, aad, plain = (bytes.fromhex(case[name]) for name in ("key", "iv", "aad", "msg"))
        sealed = bytes.fromhex(case["ct"] + case["tag"])
        if case["result"] == "valid":
            assert Sm4Gcm(key).encrypt(nonce, plain, aad) == sealed, case["tcId"]
            assert Sm4Gcm(key).decrypt(nonce, sealed, aad) == plain, case["tcId"]
            valid += 1
        else:
            with pytest.raises(InvalidTag):
                Sm4Gcm(key).decrypt(nonce, sealed, aad)
            refused += 1
    assert valid > 30
    assert refused > 10


@pytest.mark.parametrize("vector", ["hmacSm3"])
def test_hmac_sm3_of_the_standards_file(vector: str) -> None:
    for each in vectors("standards/vectors/sm.json")[vector]:
        assert hmac_sm3(bytes.fromhex(each["key"]), bytes.fromhex(each["msg"])).hex() == each["tag"]


def test_wycheproof_hmac_sm3() -> None:
    for group, case in wycheproof("hmac_sm3_test.json"):
        made = hmac_sm3(bytes.fromhex(case["key"]), bytes.fromhex(case["msg"]))[: group["tagSize"] // 8]
        assert (made.hex() == case["tag"]) == (case["result"] == "valid"), case["tcId"]


@given(st.binary(max_size=80), st.binary(max_size=80), st.data())
def test_sm4_gcm_opens_nothing_that_was_altered(plain: bytes, aad: bytes, data: st.DataObject) -> None:
    sealed = bytearray(Sm4Gcm(KEY).encrypt(NONCE, plain, aad))
    assert Sm4Gcm(KEY).decrypt(NONCE, bytes(sealed), aad) == plain
    bit = data.draw(st.integers(0, 8 * len(sealed) - 1))
    sealed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(InvalidTag):
        Sm4Gcm(KEY).decrypt(NONCE, bytes(sealed), aad)
    for short in (b"", bytes(sealed[:15])):
        with pytest.raises(InvalidTag):
            Sm4Gcm(KEY).decrypt(NONCE, short, aad)


@pytest.mark.parametrize("suite", Suite)
def test_a_suite_takes_keys_of_its_own_length(suite: Suite) -> None:
    cipher = suite.cipher(bytes(suite.key_bytes))
    assert cipher.decrypt(NONCE, cipher.encrypt(NONCE, b"value", b"place"), b"place") == b"value"
    with pytest.raises(ValueError):
        suite.cipher(bytes(suite.key_bytes - 1))


def test_commitments_are_of_the_kind_that_the_leaf_says() -> None:
    salt = bytes(16)
    made = Commitments.SM3.commit(salt, b"value")
    assert len(made) == COMMITMENT_BYTES
    verify_commitment(made, salt, b"value", Commitments.of_leaf("hmac-sm3"))
    with pytest.raises(CommitmentMismatch):
        verify_commitment(made, salt, b"value", Commitments.of_leaf(None))
    with pytest.raises(UnknownCommitments):
        Commitments.of_leaf("hmac-md5")
    assert [Commitments.of_leaf(each.in_leaf) for each in Commitments] == list(Commitments)
