"""Every Wycheproof group for the algorithms we take, through the path that records take: JWK, then `verifier`.

Each verdict is as expected, or stricter as said here: PSS parameters other than those of RFC 7518 are refused (a salt
as long as the hash, MGF1 with the same hash), and so are an encoding and an algorithm other than the key record's.
"""

import base64
import json
from collections.abc import Iterator

import pytest

from security.jwk import decode_member, parse_jwk, parse_jwks
from security.public_key import InvalidKeyError
from security.signatures import BadSignature, verifier
from tests.shared_data import shared

FOLDER = "data/crypto_vectors/wycheproof"
PRIVATE = {"d", "p", "q", "dp", "dq", "qi"}
PSS_AMONG_PKCS1 = 257
HEADER_NAMES_ANOTHER_ALGORITHM = 346  # PS384, under a key whose record says PS256
Case = tuple[int, bool, bool]
"""Test id, whether the vector is valid, whether we take it."""


def base64url(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def groups(file: str) -> list[dict]:
    return json.loads(shared(f"{FOLDER}/{file}").read_bytes())["testGroups"]


def verdicts(jwk: dict[str, str], group: dict) -> Iterator[Case]:
    verify = verifier(parse_jwk(json.dumps(jwk)))
    for case in group["tests"]:
        try:
            verify(bytes.fromhex(case["msg"]), bytes.fromhex(case["sig"]))
        except BadSignature:
            taken = False
        else:
            taken = True
        yield case["tcId"], case["result"] == "valid", taken


def ec_jwk(group: dict, curve: str, encoding: str) -> dict[str, str]:
    point = bytes.fromhex(group["publicKey"]["uncompressed"])[1:]
    half = len(point) // 2
    x, y = base64url(point[:half]), base64url(point[half:])
    return {"kty": "EC", "crv": curve, "x": x, "y": y, "signature_encoding": encoding}


def rsa_jwk(group: dict, algorithm: str) -> dict[str, str]:
    assert group["publicKey"]["publicExponent"] == "010001"
    modulus = bytes.fromhex(group["publicKey"]["modulus"]).lstrip(b"\0")
    return {"kty": "RSA", "alg": algorithm, "n": base64url(modulus), "e": "AQAB"}


def test_ed25519():
    found = [
        verdict
        for group in groups("ed25519_test.json")
        for verdict in verdicts(
            {"kty": "OKP", "crv": "Ed25519", "x": base64url(bytes.fromhex(group["publicKey"]["pk"]))}, group
        )
    ]
    assert len(found) == 151
    assert [case for case, valid, taken in found if valid is not taken] == []


@pytest.mark.parametrize(
    ("file", "curve", "encoding", "cases"),
    [
        ("ecdsa_secp256r1_sha256_p1363_test.json", "P-256", "raw", 262),
        ("ecdsa_secp256r1_sha256_test.json", "P-256", "der", 484),
        ("ecdsa_secp384r1_sha384_p1363_test.json", "P-384", "raw", 280),
        ("ecdsa_secp384r1_sha384_test.json", "P-384", "der", 504),
    ],
)
def test_ecdsa(file, curve, encoding, cases):
    found = [verdict for group in groups(file) for verdict in verdicts(ec_jwk(group, curve, encoding), group)]
    assert len(found) == cases
    assert [case for case, valid, taken in found if valid is not taken] == []


@pytest.mark.parametrize(
    ("file", "curve", "encoding"),
    [
        ("ecdsa_secp256r1_sha256_p1363_test.json", "P-256", "der"),
        ("ecdsa_secp256r1_sha256_test.json", "P-256", "raw"),
        ("ecdsa_secp384r1_sha384_test.json", "P-384", "raw"),
    ],
)
def test_a_signature_in_another_encoding_than_the_record_s_is_refused(file, curve, encoding):
    found = [verdict for group in groups(file) for verdict in verdicts(ec_jwk(group, curve, encoding), group)]
    assert found
    assert [case for case, _, taken in found if taken] == []


PSS_ALGORITHMS = {"SHA-256": ("PS256", 32), "SHA-384": ("PS384", 48), "SHA-512": ("PS512", 64)}
PSS_FILES = [
    ("rsa_pss_2048_sha1_mgf1_20_params_test.json", 88),
    ("rsa_pss_2048_sha1_mgf1_20_test.json", 88),
    ("rsa_pss_2048_sha256_mgf1_0_params_test.json", 103),
    ("rsa_pss_2048_sha256_mgf1_0_test.json", 103),
    ("rsa_pss_2048_sha256_mgf1_32_params_test.json", 108),
    ("rsa_pss_2048_sha256_mgf1_32_test.json", 108),
    ("rsa_pss_2048_sha256_mgf1sha1_20_test.json", 108),
    ("rsa_pss_2048_sha384_mgf1_48_test.json", 141),
    ("rsa_pss_2048_sha512_224_mgf1_28_test.json", 100),
    ("rsa_pss_2048_sha512_256_mgf1_32_test.json", 115),
    ("rsa_pss_2048_sha512_mgf1sha256_32_params_test.json", 178),
    ("rsa_pss_2048_shake128_test.json", 114),
    ("rsa_pss_2048_shake256_test.json", 184),
    ("rsa_pss_3072_sha256_mgf1_32_params_test.json", 108),
    ("rsa_pss_3072_sha256_mgf1_32_test.json", 108),
    ("rsa_pss_3072_shake128_test.json", 114),
    ("rsa_pss_3072_shake256_test.json", 184),
    ("rsa_pss_4096_sha256_mgf1_32_test.json", 108),
    ("rsa_pss_4096_sha384_mgf1_48_test.json", 141),
    ("rsa_pss_4096_sha512_mgf1_32_params_test.json", 177),
    ("rsa_pss_4096_sha512_mgf1_32_test.json", 177),
    ("rsa_pss_4096_sha512_mgf1_64_params_test.json", 179),
    ("rsa_pss_4096_sha512_mgf1_64_test.json", 179),
    ("rsa_pss_4096_shake256_test.json", 184),
    ("rsa_pss_misc_params_test.json", 150),
    ("rsa_pss_misc_test.json", 150),
]


@pytest.mark.parametrize(("file", "cases"), PSS_FILES, ids=[file for file, _ in PSS_FILES])
def test_rsa_pss(file, cases):
    seen, differing = 0, []
    for group in groups(file):
        algorithm, salt = PSS_ALGORITHMS.get(group["sha"], ("PS256", 32))
        ours = (
            group["sha"] in PSS_ALGORITHMS
            and (group["mgf"], group["mgfSha"]) == ("MGF1", group["sha"])
            and group["sLen"] == salt
        )
        for case, valid, taken in verdicts(rsa_jwk(group, algorithm), group):
            seen += 1
            # In the groups without a salt one signature has the salt that we want, and is refused there for it.
            if taken is not (valid and ours) and (group["sLen"], case) != (0, 69):
                differing.append(case)
    assert (seen, differing) == (cases, [])


def test_of_pkcs1_signatures_only_those_that_are_pss_pass_for_pss():
    seen, taken = 0, []
    for group in groups("rsa_signature_2048_sha256_test.json"):
        if group["publicKey"]["publicExponent"] == "010001":
            for case, _, found in verdicts(rsa_jwk(group, "PS256"), group):
                seen += 1
                if found:
                    taken.append(case)
    assert seen > 200
    assert taken == [PSS_AMONG_PKCS1]


def test_keys_that_wycheproof_calls_invalid_are_left_out_of_a_set():
    seen = 0
    for group in groups("json_web_key_test.json"):
        found = group["private"]["keys"]
        keys = [{name: value for name, value in key.items() if name not in PRIVATE} for key in found]
        (case, *_) = group["tests"]
        if case["result"] == "invalid" and all(key["kty"] != "oct" for key in keys):
            seen += 1
            pss = [key | {"alg": "PS256"} if key.get("alg") == "RS256" else key for key in keys]
            assert parse_jwks(json.dumps({"keys": keys})) == parse_jwks(json.dumps({"keys": pss})) == (), case[
                "comment"
            ]
    assert seen == 10


@pytest.mark.parametrize(("algorithm", "cases"), [("ES256", 39), ("PS256", 49), ("PS384", 5), ("PS512", 20)])
def test_signatures_of_json_web_signatures(algorithm, cases):
    """The signature alone: what a header may say is for whoever reads JSON Web Signatures, which we don't."""
    seen, differing = 0, []
    for group in groups("json_web_signature_test.json"):
        if group.get("public", {}).get("alg") != algorithm or "key_ops" in group["public"]:
            continue
        verify = verifier(parse_jwk(json.dumps(group["public"])))
        for case in group["tests"]:
            seen += 1
            message, _, signature = str(case["jws"]).rpartition(".")
            try:
                verify(message.encode(), decode_member({"sig": signature}, "sig"))
            except (BadSignature, InvalidKeyError):
                if case["result"] == "valid" and case["tcId"] != HEADER_NAMES_ANOTHER_ALGORITHM:
                    differing.append(case["tcId"])
    assert (seen, differing) == (cases, [])
