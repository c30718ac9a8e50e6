"""What is sealed with another suite: bound to it, beside what is not, and the default's bytes as they always were."""

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from security.commitment import Commitments, verify_commitment
from security.file_keyring import FileKeyring
from security.hmac_sm3 import hmac_sm3
from security.key_provider import Scope, UnwrapFailed, WrappedKey
from security.opening import FieldOpener
from security.sealed_blob import SealBroken, decode_blob, encode_blob
from security.sealing import SealingPass
from security.suites import Suite
from security.tier_keys import TierKeyRecord, TierKeys, new_tier_key

TENANT, DOMAIN, RECORD = "bank-a", "payments", bytes(range(16))
FIELDS = [("amount", 3, b"10.00"), ("currency", 2, b"EUR")]


@pytest.fixture
def ring(tmp_path: Path) -> FileKeyring:
    return FileKeyring(tmp_path / "ring")


def records(ring: FileKeyring, suite: Suite, epoch: int = 1) -> list[TierKeyRecord]:
    return [new_tier_key(Scope(TENANT, DOMAIN, tier, epoch, suite), ring, os.urandom) for tier in (2, 3)]


def opened_keys(ring: FileKeyring, *stored: TierKeyRecord) -> TierKeys:
    keys = TierKeys()
    for record in stored:
        keys.add(record, ring)
    return keys


def opener(keys: TierKeys, *passes: SealingPass) -> FieldOpener:
    data_keys = {(key.pass_id, key.domain, key.tier): key for each in passes for key in each.data_keys()}
    return FieldOpener(keys, lambda *place: data_keys.get(place), 5)


def test_fields_and_evidence_are_sealed_with_sm4_and_committed_to_with_sm3(ring: FileKeyring) -> None:
    keys = opened_keys(ring, *records(ring, Suite.SM4))
    sealing = SealingPass(7, TENANT, keys)
    sealed = sealing.seal_fields(DOMAIN, RECORD, FIELDS)
    evidence = sealing.seal_evidence(DOMAIN, RECORD, 3, b"as received")
    assert sealed.kind is evidence.kind is Commitments.SM3
    assert {key.wrapped[:1] for key in sealing.data_keys()} == {b"\x02"}
    reader = opener(keys, sealing)
    opened = reader.open_record(TENANT, DOMAIN, RECORD, 7, sealed.blob)
    assert [(name, field.tier, field.value) for name, field in opened.items()] == FIELDS
    for name, field in opened.items():
        assert field.salt is not None
        assert field.value is not None
        assert field.commitment == sealed.commitments[name] == hmac_sm3(field.salt, field.value)
        verify_commitment(sealed.commitments[name], field.salt, field.value, field.kind)
    (found,) = reader.open_record(TENANT, DOMAIN, RECORD, 7, evidence.blob).values()
    assert found.value == b"as received"


def test_a_tier_key_opens_in_its_own_suite_alone(ring: FileKeyring) -> None:
    for suite, other in ((Suite.SM4, Suite.AES), (Suite.AES, Suite.SM4)):
        record, _ = records(ring, suite)
        with pytest.raises(UnwrapFailed):
            TierKeys().add(replace(record, scope=replace(record.scope, suite=other)), ring)


def test_neither_form_nor_data_key_can_be_passed_off_as_the_others(ring: FileKeyring) -> None:
    keys = opened_keys(ring, *records(ring, Suite.SM4))
    sealing = SealingPass(7, TENANT, keys)
    sealed = sealing.seal_fields(DOMAIN, RECORD, FIELDS)
    counter, fields, _ = decode_blob(RECORD, sealed.blob)
    with pytest.raises(SealBroken):
        opener(keys, sealing).open_record(TENANT, DOMAIN, RECORD, 7, encode_blob(counter, fields, Commitments.SHA256))
    data_keys = {
        (key.pass_id, key.domain, key.tier): replace(key, wrapped=b"\x01" + key.wrapped[1:])
        for key in sealing.data_keys()
    }
    with pytest.raises(SealBroken):
        FieldOpener(keys, lambda *place: data_keys.get(place), 5).open_record(TENANT, DOMAIN, RECORD, 7, sealed.blob)


@pytest.mark.parametrize(("before", "after"), [(Suite.AES, Suite.SM4), (Suite.SM4, Suite.AES)])
def test_sealed_again_under_the_other_suite_commitments_stay(ring: FileKeyring, before: Suite, after: Suite) -> None:
    former = records(ring, before)
    sealing = SealingPass(7, TENANT, opened_keys(ring, *former))
    sealed = sealing.seal_fields(DOMAIN, RECORD, FIELDS)
    keys = opened_keys(ring, *former, *records(ring, after, epoch=2))
    again = SealingPass(8, TENANT, keys)
    assert again.commitments is not sealing.commitments
    found = opener(keys, sealing).open_record(TENANT, DOMAIN, RECORD, 7, sealed.blob)
    blob = again.seal_again(DOMAIN, RECORD, found)
    assert opener(keys, again).open_record(TENANT, DOMAIN, RECORD, 8, blob) == found
    assert {name: field.commitment for name, field in found.items()} == sealed.commitments


class GivenKey:
    """Opens every tier key as the same 32 bytes."""

    def unwrap(self, scope: Scope, wrapped: WrappedKey) -> bytes:
        return bytes(range(32))


def known_random() -> Callable[[int], bytes]:
    calls: Iterator[int] = iter(range(256))
    return lambda size: hashlib.shake_128(bytes([next(calls)])).digest(size)


def test_what_is_sealed_by_default_has_the_bytes_it_had_before_there_were_suites() -> None:
    keys = TierKeys()
    for tier in (2, 3):
        keys.add(TierKeyRecord(Scope(TENANT, DOMAIN, tier), f"tk-{tier}", WrappedKey("k", b"")), GivenKey())  # type: ignore[arg-type]
    sealing = SealingPass(7, TENANT, keys, known_random())
    record = sealing.seal_fields(DOMAIN, bytes(16), FIELDS)
    evidence = sealing.seal_evidence(DOMAIN, bytes(16), 3, b"evidence")
    made = [record.blob, *record.commitments.values(), evidence.blob, *evidence.commitments.values()]
    made += [key.wrapped for key in sealing.data_keys()]
    assert hashlib.sha256(b"".join(made)).hexdigest() == GOLDEN


GOLDEN = "431d2e711ecad1d9c5494675d1c572934338f2b12c45d525de2d618e2601564a"
"""Computed by the version before suites."""
