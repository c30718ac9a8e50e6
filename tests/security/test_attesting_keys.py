"""Several signatures in one envelope, and what a source's policy asks of them."""

import datetime as dt

import pytest

from schemas.errors import ConfigurationError, Rejection
from schemas.reasons import Reason
from security.dsse import DsseSignature, decode_envelope
from security.key_registry import KeyRegistry
from security.signatures import Algorithm
from security.signing import Ed25519Signer, Es256Signer
from security.source_policy import SourcePolicy
from security.verifiability import sign_event, verify_event, with_signature
from tests.security.test_verifiability import DAY, EVENT, MOMENT, NOW, SIGNED, signing_key, with_signatures

ANNA, BEN, CLARA = (Ed25519Signer(name, name.encode().ljust(32)) for name in ("anna", "ben", "clara"))
FOUR_EYES = SourcePolicy(source="/bank/*", signatures=2)


def registry(*policies: SourcePolicy, **changes: object) -> KeyRegistry:
    return KeyRegistry([signing_key(ANNA, **changes), signing_key(BEN), signing_key(CLARA)], policies)


def refused(event, keys, at_ms=NOW) -> Reason:
    with pytest.raises(Rejection) as caught:
        verify_event(event, keys, at_ms)
    return caught.value.reason


def signed_by(*signers):
    return with_signature(EVENT, signers[0], SIGNED, signers[1:])


def test_all_keys_that_hold_are_named():
    verified = verify_event(signed_by(CLARA, ANNA), registry(), NOW)
    assert verified.key_ids == ("clara", "anna")
    assert verified.signer == "anna,clara"


def test_four_eyes_need_two_distinct_keys():
    keys = registry(FOUR_EYES)
    assert verify_event(signed_by(ANNA, BEN), keys, NOW).signer == "anna,ben"
    assert verify_event(signed_by(ANNA, BEN, CLARA), keys, NOW).signer == "anna,ben,clara"
    assert refused(signed_by(ANNA), keys) is Reason.MISSING_SIGNATURE
    assert refused(signed_by(ANNA, ANNA), keys) is Reason.MISSING_SIGNATURE


def test_a_signature_that_does_not_hold_is_none():
    keys = registry(FOUR_EYES)
    message = decode_envelope(sign_event(EVENT, ANNA)).signed_bytes()
    good, bad = DsseSignature(ANNA.sign(message), "anna"), DsseSignature(bytes(64), "ben")
    assert refused(with_signatures(EVENT, good, bad), keys) is Reason.MISSING_SIGNATURE
    mislabelled = DsseSignature(ANNA.sign(message), "ben")
    assert refused(with_signatures(EVENT, good, mislabelled), keys) is Reason.MISSING_SIGNATURE
    nameless = DsseSignature(ANNA.sign(message))
    assert refused(with_signatures(EVENT, good, nameless), keys) is Reason.MISSING_SIGNATURE
    third = DsseSignature(CLARA.sign(message))
    assert verify_event(with_signatures(EVENT, bad, good, third), keys, NOW).key_ids == ("anna", "clara")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [({"revoked_at": MOMENT}, Reason.KEY_REVOKED), ({"not_after": MOMENT}, Reason.KEY_EXPIRED)],
)
def test_a_key_that_no_longer_counts_does_not_make_up_the_number(changes, expected):
    keys = registry(FOUR_EYES, **changes)
    assert refused(signed_by(ANNA, BEN), keys) is expected
    assert verify_event(signed_by(ANNA, BEN), keys, NOW - 1).signer == "anna,ben"
    assert verify_event(signed_by(ANNA, BEN, CLARA), keys, NOW).signer == "ben,clara"


def test_of_keys_of_different_domains_nobody_owns_the_record():
    assert refused(signed_by(ANNA, BEN), registry(domain="treasury")) is Reason.BAD_SIGNATURE


def test_the_allow_list_shuts_out_other_algorithms():
    es256 = Es256Signer("es", b"\3" * 32)
    only_ed25519 = SourcePolicy(source="/bank/*", algorithms=(Algorithm.ED25519,))
    keys = KeyRegistry([signing_key(ANNA), signing_key(es256)], [only_ed25519])
    assert refused(signed_by(es256), keys) is Reason.UNKNOWN_KEY
    assert verify_event(signed_by(es256, ANNA), keys, NOW).key_ids == ("anna",)


def test_a_policy_counts_from_its_moment_on():
    later = SourcePolicy(source="/bank/*", signatures=2, since=MOMENT)
    loosened = SourcePolicy(source="/bank/*", since=MOMENT + DAY)
    keys = registry(later, loosened)
    verify_event(signed_by(ANNA), keys, NOW - 1)
    assert refused(signed_by(ANNA), keys, NOW) is Reason.MISSING_SIGNATURE
    verify_event(signed_by(ANNA), keys, NOW + 86_400_000)


@pytest.mark.parametrize(
    ("source", "wanted"),
    [("/bank/core", 3), ("/bank/cards/x", 2), ("/bank/other", 1), ("/bank/core/x", 1), ("/shop", 1)],
)
def test_the_most_specific_policy_counts_alone(source, wanted):
    keys = registry(
        SourcePolicy(source="/bank/*"),
        SourcePolicy(source="/bank/cards/*", signatures=2),
        SourcePolicy(source="/bank/core", signatures=3),
    )
    assert keys.policy(source, NOW).signatures == wanted


def test_a_policy_not_yet_in_force_leaves_the_wider_one():
    wide, narrow = SourcePolicy(source="/bank/*", signatures=2), SourcePolicy(source="/bank/core", since=MOMENT)
    keys = registry(wide, narrow)
    assert [keys.policy("/bank/core", at).signatures for at in (NOW - 1, NOW)] == [2, 1]


@pytest.mark.parametrize(
    "wrong",
    [
        {"source": ""},
        {"source": "a*b"},
        {"source": "a", "signatures": 0},
        {"source": "a", "signatures": 9},
    ],
)
def test_a_policy_that_can_not_be_met_is_refused(wrong):
    with pytest.raises(ConfigurationError):
        SourcePolicy(**wrong)


def test_a_policys_moment_has_a_zone():
    with pytest.raises(ConfigurationError):
        KeyRegistry([], [SourcePolicy(source="a", since=dt.datetime(2026, 1, 1))])
