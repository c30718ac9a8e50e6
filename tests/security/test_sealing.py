import os
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace

import msgspec
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import ConfigurationError, VerificationFailed
from security.commitment import Commitments, verify_commitment
from security.data_key import WrappedDataKey, unwrap_data_key
from security.field_binding import EVIDENCE_FIELD
from security.file_keyring import FileKeyring
from security.key_provider import KeyUnavailable, Scope
from security.opening import FieldOpener
from security.sealed_blob import SealBroken, decode_blob, encode_blob
from security.sealing import SealedRecord, SealingPass
from security.tier_keys import TierKeyRecord, TierKeys, new_tier_key

TENANT, DOMAIN, PASS = "bank-a", "retail", 7
RECORD = bytes(range(16))
FIELDS = [("account", 3, b"BE68539007547034"), ("currency", 2, b"EUR"), ("remittance", 3, "工资 Mai".encode())]
MARKER = b"A-VALUE-THAT-NOBODY-MAY-SEE"


@dataclass
class Vault:
    """A keyring with tier keys for two tenants of two domains each, and the data keys that passes have stored."""

    ring: FileKeyring
    records: list[TierKeyRecord]
    tier_keys: TierKeys
    data_keys: dict[tuple[int, str, int], WrappedDataKey]

    def seal(self, fields: list[tuple[str, int, bytes]], pass_id: int = PASS, record: bytes = RECORD) -> SealedRecord:
        sealing = SealingPass(pass_id, TENANT, self.tier_keys)
        sealed = sealing.seal_fields(DOMAIN, record, fields)
        self.store(sealing)
        return sealed

    def store(self, sealing: SealingPass) -> None:
        self.data_keys |= {(key.pass_id, key.domain, key.tier): key for key in sealing.data_keys()}

    def find(self, pass_id: int, domain: str, tier: int) -> WrappedDataKey | None:
        return self.data_keys.get((pass_id, domain, tier))

    def opener(self, max_tier: int = 5) -> FieldOpener:
        return FieldOpener(self.tier_keys, self.find, max_tier)

    def readers_keys(self, max_tier: int) -> TierKeys:
        keys = TierKeys(max_tier)
        for record in self.records:
            keys.add(record, self.ring)
        return keys


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Vault:
    ring = FileKeyring(tmp_path_factory.mktemp("keys") / "ring")
    scopes = [Scope(t, d, n) for t in (TENANT, "bank-b") for d in (DOMAIN, "treasury") for n in range(1, 6)]
    records = [new_tier_key(scope, ring, os.urandom) for scope in scopes]
    tier_keys = TierKeys()
    for record in records:
        tier_keys.add(record, ring)
    return Vault(ring, records, tier_keys, {})


@pytest.fixture
def vault(keys: Vault) -> Vault:
    return replace(keys, data_keys={})


names = st.text(min_size=1, max_size=20).filter(lambda name: name != EVIDENCE_FIELD)
field_lists = st.lists(
    st.tuples(names, st.integers(1, 5), st.binary(max_size=80)), max_size=8, unique_by=lambda field: field[0]
)


def flipped(data: bytes, bit: int) -> bytes:
    broken = bytearray(data)
    broken[bit // 8] ^= 1 << bit % 8
    return bytes(broken)


@given(field_lists, st.binary(min_size=16, max_size=16), st.integers(1, 2**63 - 1))
def test_opening_gives_back_what_was_sealed(
    keys: Vault, fields: list[tuple[str, int, bytes]], record: bytes, pass_id: int
) -> None:
    vault = replace(keys, data_keys={})
    sealed = vault.seal(fields, pass_id, record)
    opened = vault.opener().open_record(TENANT, DOMAIN, record, pass_id, sealed.blob)
    assert [(name, field.tier, field.value) for name, field in opened.items()] == fields
    assert {field.state for field in opened.values()} <= {"open"}
    for name, field in opened.items():
        assert field.commitment == sealed.commitments[name]
        assert field.salt is not None
        assert field.value is not None
        verify_commitment(sealed.commitments[name], field.salt, field.value)


def test_one_pass_seals_many_records_and_domains(vault: Vault) -> None:
    sealing = SealingPass(PASS, TENANT, vault.tier_keys)
    rows = [(domain, uuid.uuid4().bytes) for domain in (DOMAIN, "treasury") for _ in range(300)]
    blobs = [sealing.seal_fields(domain, record, FIELDS).blob for domain, record in rows]
    vault.store(sealing)
    assert len(sealing.data_keys()) == 4
    opener = vault.opener()
    for (domain, record), blob in zip(rows, blobs, strict=True):
        opened = opener.open_record(TENANT, domain, record, PASS, blob)
        assert [(name, field.tier, field.value) for name, field in opened.items()] == FIELDS


@pytest.mark.parametrize("size", [0, 1, 600, 3_000_000])
def test_evidence_comes_back_as_the_field_evidence(vault: Vault, size: int) -> None:
    evidence = os.urandom(size)
    sealing = SealingPass(PASS, TENANT, vault.tier_keys)
    sealing.seal_fields(DOMAIN, RECORD, FIELDS)
    sealed = sealing.seal_evidence(DOMAIN, RECORD, 4, evidence)
    vault.store(sealing)
    field = vault.opener().open_record(TENANT, DOMAIN, RECORD, PASS, sealed.blob)[EVIDENCE_FIELD]
    assert (field.tier, field.value) == (4, evidence)
    assert field.salt is not None
    assert sealed.commitments == {EVIDENCE_FIELD: Commitments.SHA256.commit(field.salt, evidence)}


def test_no_value_stands_in_what_is_stored(vault: Vault) -> None:
    sealed = vault.seal([("name", 3, MARKER)])
    assert MARKER not in sealed.blob
    assert MARKER not in b"".join(sealed.commitments.values())
    opened = vault.opener().open_record(TENANT, DOMAIN, RECORD, PASS, sealed.blob)
    assert MARKER.decode() not in repr(opened)


def test_equal_values_give_unequal_ciphertexts_and_commitments(vault: Vault) -> None:
    sealing = SealingPass(PASS, TENANT, vault.tier_keys)
    fields = [(f"f{n}", 3, b"same") for n in range(300)]
    sealed = sealing.seal_fields(DOMAIN, RECORD, fields)
    assert len(set(sealed.commitments.values())) == 300
    assert len({ciphertext for _, _, ciphertext in decode_blob(RECORD, sealed.blob)[1]}) == 300


def test_no_nonce_is_used_twice_under_a_pass_even_after_an_error(vault: Vault) -> None:
    sealing = SealingPass(PASS, TENANT, vault.tier_keys)
    used: list[int] = []
    for _ in range(3):
        first, fields, _ = decode_blob(RECORD, sealing.seal_fields(DOMAIN, RECORD, FIELDS).blob)
        used += range(first, first + len(fields))
        first, _, _ = decode_blob(RECORD, sealing.seal_evidence(DOMAIN, RECORD, 3, b"x").blob)
        used.append(first)
        with pytest.raises(KeyUnavailable):
            sealing.seal_fields(DOMAIN, RECORD, [*FIELDS, ("other", 6, b"")])
    assert len(set(used)) == len(used) == 12
    first, _, _ = decode_blob(RECORD, sealing.seal_fields(DOMAIN, RECORD, FIELDS).blob)
    assert first == 12 + 3 * 4


def test_every_pass_and_tier_has_a_data_key_of_its_own(vault: Vault) -> None:
    passes = [SealingPass(PASS, TENANT, vault.tier_keys) for _ in range(5)]
    stored = []
    for sealing in passes:
        sealing.seal_fields(DOMAIN, RECORD, FIELDS)
        sealing.seal_evidence(DOMAIN, RECORD, 3, b"x")
        stored += sealing.data_keys()
    assert len(stored) == 10
    opened = {unwrap_data_key(key, vault.tier_keys.by_id(key.tier_key_id)) for key in stored}
    assert len(opened) == 10
    assert len({key.wrapped[1:13] for key in stored}) == 10


def test_any_flipped_bit_of_a_blob_is_found(vault: Vault) -> None:
    # All tiers, so that a flipped tier still names a data key that exists and a tier this reader may open.
    sealed = vault.seal([(f"field{tier}", tier, b"value") for tier in range(1, 6)])
    opener = vault.opener()
    for bit in range(len(sealed.blob) * 8):
        with pytest.raises(SealBroken):
            opener.open_record(TENANT, DOMAIN, RECORD, PASS, flipped(sealed.blob, bit))


def test_a_broken_field_is_named_and_no_value_is(vault: Vault) -> None:
    sealed = vault.seal([("currency", 2, MARKER), ("account", 3, MARKER)])
    with pytest.raises(SealBroken, match=f"record {uuid.UUID(bytes=RECORD)} .* field 'account'") as caught:
        vault.opener().open_record(TENANT, DOMAIN, RECORD, PASS, flipped(sealed.blob, len(sealed.blob) * 8 - 1))
    assert caught.value.field == "field 'account'"
    assert MARKER.decode() not in str(caught.value)


@pytest.mark.parametrize("cut", [1, 16, 40])
def test_a_shortened_blob_is_found(vault: Vault, cut: int) -> None:
    sealed = vault.seal(FIELDS)
    with pytest.raises(SealBroken):
        vault.opener().open_record(TENANT, DOMAIN, RECORD, PASS, sealed.blob[:-cut])


@given(st.binary(max_size=200))
def test_any_bytes_are_answered_with_seal_broken(keys: Vault, blob: bytes) -> None:
    with pytest.raises(SealBroken):
        keys.opener().open_record(TENANT, DOMAIN, RECORD, PASS, blob)


@pytest.mark.parametrize(
    "blob",
    [
        pytest.param(b"\x93\x01\x00\xdd\xff\xff\xff\xff", id="claims-four-billion-fields"),
        pytest.param(b"\x93\xcc\x01\x00\x90", id="version-in-two-bytes"),
        pytest.param(msgspec.msgpack.encode((3, 0, [])), id="other-version"),
        pytest.param(msgspec.msgpack.encode((1, -1, [])), id="negative-counter"),
        pytest.param(msgspec.msgpack.encode((1, 2**63, [])), id="counter-too-large"),
        pytest.param(msgspec.msgpack.encode((1, 0, [("a", 0, bytes(32))])), id="tier-0"),
        pytest.param(msgspec.msgpack.encode((1, 0, [("a", 6, bytes(32))])), id="tier-6"),
        pytest.param(msgspec.msgpack.encode((1, 0, [("", 3, bytes(32))])), id="no-name"),
        pytest.param(msgspec.msgpack.encode((1, 0, [("a", 3, b"")])), id="no-ciphertext"),
        pytest.param(msgspec.msgpack.encode((1, 0, [("a", 5, b""), ("a", 5, b"")])), id="same-name-twice"),
        pytest.param(msgspec.msgpack.encode((1, 0, [])) + b"\x00", id="trailing-byte"),
        pytest.param(msgspec.msgpack.encode((1, 0, [], 1)), id="extra-member"),
        pytest.param(msgspec.msgpack.encode({"v": 1}), id="map"),
    ],
)
def test_refuses_blobs_that_sealing_never_makes(vault: Vault, blob: bytes) -> None:
    vault.seal(FIELDS)
    with pytest.raises(SealBroken):
        vault.opener().open_record(TENANT, DOMAIN, RECORD, PASS, blob)


def test_a_damaged_name_writes_nothing_into_a_log(vault: Vault) -> None:
    vault.seal(FIELDS)
    blob = encode_blob(0, [("x\nfake log line", 3, bytes(40))])
    with pytest.raises(SealBroken) as caught:
        vault.opener().open_record(TENANT, DOMAIN, RECORD, PASS, blob)
    assert "fake" not in str(caught.value)


def test_a_blob_moved_to_another_record_tenant_domain_or_pass_is_found(vault: Vault) -> None:
    blob = vault.seal(FIELDS).blob
    for tenant, domain, pass_id in (("bank-b", DOMAIN, PASS), (TENANT, "treasury", PASS), (TENANT, DOMAIN, PASS + 1)):
        # The strongest thief: every place has valid data keys, and those of the right place are copied there too.
        for copied in (False, True):
            thief = replace(vault, data_keys=dict(vault.data_keys))
            sealing = SealingPass(pass_id, tenant, vault.tier_keys)
            sealing.seal_fields(domain, RECORD, FIELDS)
            thief.store(sealing)
            if copied:
                thief.data_keys |= {
                    (pass_id, domain, key.tier): replace(key, tenant=tenant, domain=domain, pass_id=pass_id)
                    for key in vault.data_keys.values()
                }
            with pytest.raises(SealBroken):
                thief.opener().open_record(tenant, domain, RECORD, pass_id, blob)
    with pytest.raises(SealBroken):
        vault.opener().open_record(TENANT, DOMAIN, RECORD[::-1], PASS, blob)


def test_ciphertexts_cannot_change_places(vault: Vault) -> None:
    fields = [("a", 3, b"one"), ("b", 3, b"two"), ("c", 2, b"six")]
    first, ((a, _, x), (b, _, y), (c, _, z)), _ = decode_blob(RECORD, vault.seal(fields).blob)
    forged = [
        [(a, 3, y), (b, 3, x), (c, 2, z)],
        [(b, 3, y), (a, 3, x), (c, 2, z)],
        [(a, 3, x), (b, 3, y), (c, 3, z)],
        [(a, 2, x), (b, 3, y), (c, 2, z)],
        [(b, 3, x)],
        [(EVIDENCE_FIELD, 3, x)],
    ]
    for swapped in forged:
        with pytest.raises(SealBroken):
            vault.opener().open_record(TENANT, DOMAIN, RECORD, PASS, encode_blob(first, swapped))


def test_any_flipped_bit_of_a_stored_data_key_is_found(vault: Vault) -> None:
    sealed = vault.seal([("account", 3, b"x")])
    stored = vault.data_keys[PASS, DOMAIN, 3]
    for bit in range(len(stored.wrapped) * 8):
        vault.data_keys[PASS, DOMAIN, 3] = replace(stored, wrapped=flipped(stored.wrapped, bit))
        with pytest.raises(SealBroken, match="field 'account'"):
            vault.opener().open_record(TENANT, DOMAIN, RECORD, PASS, sealed.blob)


def test_a_data_key_of_another_tier_key_is_found(vault: Vault) -> None:
    sealed = vault.seal([("account", 3, b"x")])
    stored = vault.data_keys[PASS, DOMAIN, 3]
    other = vault.tier_keys.get(TENANT, "treasury", 3).key_id
    vault.data_keys[PASS, DOMAIN, 3] = replace(stored, tier_key_id=other)
    with pytest.raises(SealBroken):
        vault.opener().open_record(TENANT, DOMAIN, RECORD, PASS, sealed.blob)


@pytest.mark.parametrize("wrapped", [b"", b"\x01", bytes(61), b"\x01" + bytes(28)], ids=len)
def test_a_shortened_data_key_is_found(vault: Vault, wrapped: bytes) -> None:
    sealed = vault.seal([("account", 3, b"x")])
    vault.data_keys[PASS, DOMAIN, 3] = replace(vault.data_keys[PASS, DOMAIN, 3], wrapped=wrapped)
    with pytest.raises(SealBroken):
        vault.opener().open_record(TENANT, DOMAIN, RECORD, PASS, sealed.blob)


def test_a_missing_data_key_is_found(vault: Vault) -> None:
    sealed = vault.seal(FIELDS)
    del vault.data_keys[PASS, DOMAIN, 2]
    with pytest.raises(SealBroken, match="field 'currency'"):
        vault.opener().open_record(TENANT, DOMAIN, RECORD, PASS, sealed.blob)


@pytest.mark.parametrize("max_tier", [1, 2, 3, 4, 5])
def test_a_reader_opens_its_tiers_and_asks_for_no_key_above(vault: Vault, max_tier: int) -> None:
    sealed = vault.seal([(f"field{tier}", tier, b"value") for tier in range(1, 6)])
    asked: list[int] = []

    def find(pass_id: int, domain: str, tier: int) -> WrappedDataKey | None:
        asked.append(tier)
        return vault.find(pass_id, domain, tier)

    opener = FieldOpener(vault.readers_keys(max_tier), find, max_tier)
    opened = opener.open_record(TENANT, DOMAIN, RECORD, PASS, sealed.blob)
    assert asked == list(range(1, max_tier + 1))
    for tier in range(1, 6):
        field = opened[f"field{tier}"]
        if tier <= max_tier:
            assert (field.state, field.value) == ("open", b"value")
        else:
            assert (field.state, field.value, field.salt, field.commitment) == ("sealed", None, None, None)


def test_an_opener_keeps_to_its_tier_whatever_keys_it_holds(vault: Vault) -> None:
    sealed = vault.seal(FIELDS)
    opened = vault.opener(max_tier=2).open_record(TENANT, DOMAIN, RECORD, PASS, sealed.blob)
    assert {name: field.state for name, field in opened.items()} == {
        "account": "sealed",
        "currency": "open",
        "remittance": "sealed",
    }


def test_keys_of_a_lower_tier_never_open_a_higher_one(vault: Vault) -> None:
    sealed = vault.seal([("account", 3, b"value"), ("currency", 2, b"EUR")])
    reader = FieldOpener(vault.readers_keys(2), vault.find, 5)
    with pytest.raises(KeyUnavailable):
        reader.open_record(TENANT, DOMAIN, RECORD, PASS, sealed.blob)
    # Nor by calling the field one of tier 2, nor with the tier-2 data key filed under tier 3.
    first, ((name, _, ciphertext), _), _ = decode_blob(RECORD, sealed.blob)
    with pytest.raises(SealBroken):
        reader.open_record(TENANT, DOMAIN, RECORD, PASS, encode_blob(first, [(name, 2, ciphertext)]))
    vault.data_keys[PASS, DOMAIN, 3] = replace(vault.data_keys[PASS, DOMAIN, 2], tier=3)
    with pytest.raises(SealBroken):
        reader.open_record(TENANT, DOMAIN, RECORD, PASS, sealed.blob)


def test_an_older_epochs_fields_open_after_a_newer_key_seals(vault: Vault) -> None:
    old = vault.seal(FIELDS)
    newer = [new_tier_key(Scope(TENANT, DOMAIN, tier, epoch=2), vault.ring, os.urandom) for tier in (2, 3)]
    rotated = replace(vault, records=[*vault.records, *newer])
    rotated.tier_keys = rotated.readers_keys(5)
    new = rotated.seal(FIELDS, PASS + 1)
    assert {rotated.data_keys[PASS + 1, DOMAIN, tier].tier_key_id for tier in (2, 3)} == {key.key_id for key in newer}
    for pass_id, sealed in ((PASS, old), (PASS + 1, new)):
        opened = rotated.opener().open_record(TENANT, DOMAIN, RECORD, pass_id, sealed.blob)
        assert [field.value for field in opened.values()] == [value for _, _, value in FIELDS]


def test_without_its_tier_key_a_field_is_key_unavailable(vault: Vault) -> None:
    sealed = vault.seal(FIELDS)
    with pytest.raises(KeyUnavailable):
        FieldOpener(TierKeys(), vault.find, 5).open_record(TENANT, DOMAIN, RECORD, PASS, sealed.blob)


def test_sealing_without_a_tier_key_fails_closed(vault: Vault) -> None:
    sealing = SealingPass(PASS, "unknown-tenant", vault.tier_keys)
    with pytest.raises(KeyUnavailable):
        sealing.seal_fields(DOMAIN, RECORD, FIELDS)
    with pytest.raises(KeyUnavailable):
        sealing.seal_evidence(DOMAIN, RECORD, 3, b"x")
    assert sealing.data_keys() == []


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param([("a", 3, b"1"), ("a", 3, b"2")], id="twice"),
        pytest.param([("a", 3, b"1"), ("a", 2, b"2")], id="twice-in-two-tiers"),
        pytest.param([("", 3, b"1")], id="empty"),
        pytest.param([(EVIDENCE_FIELD, 3, b"1")], id="evidence"),
    ],
)
def test_refuses_names_that_could_be_mistaken(vault: Vault, fields: list[tuple[str, int, bytes]]) -> None:
    sealing = SealingPass(PASS, TENANT, vault.tier_keys)
    sealing.seal_evidence(DOMAIN, RECORD, 3, b"x")
    with pytest.raises(ConfigurationError):
        sealing.seal_fields(DOMAIN, RECORD, fields)


def test_opens_by_the_published_format(vault: Vault) -> None:
    """Opened with nothing but AES-GCM and the description of the format."""

    def sized(*parts: bytes) -> bytes:
        return b"".join(len(part).to_bytes(4, "big") + part for part in parts)

    sealed = vault.seal([("currency", 2, b"EUR")])
    stored = vault.data_keys[PASS, DOMAIN, 2]
    data_key = unwrap_data_key(stored, vault.tier_keys.by_id(stored.tier_key_id))
    version, counter, ((name, tier, ciphertext),) = msgspec.msgpack.decode(sealed.blob)
    associated = sized(
        b"sealstream.field/1", b"7", b"bank-a", b"retail", RECORD, b"currency", b"2", stored.tier_key_id.encode()
    )
    plain = AESGCM(data_key).decrypt(counter.to_bytes(12, "big"), ciphertext, associated)
    assert (version, name, tier, plain[16:]) == (1, "currency", 2, b"EUR")
    assert Commitments.SHA256.commit(plain[:16], plain[16:]) == sealed.commitments["currency"]


def test_many_passes_do_not_pile_up_in_an_opener(vault: Vault) -> None:
    opener = vault.opener()
    for pass_id in range(1, 1500):
        blob = vault.seal([(f"f{pass_id}", 3, b"x")], pass_id).blob
        assert opener.open_record(TENANT, DOMAIN, RECORD, pass_id, blob)[f"f{pass_id}"].value == b"x"
    assert len(opener._ciphers) <= 1024


def test_its_errors_are_verification_failures() -> None:
    assert issubclass(SealBroken, VerificationFailed)
    assert issubclass(KeyUnavailable, VerificationFailed)


def test_salts_come_from_the_random_source(vault: Vault) -> None:
    drawn: list[bytes] = []

    def recorded(source: Callable[[int], bytes], size: int) -> bytes:
        drawn.append(source(size))
        return drawn[-1]

    sealing = SealingPass(PASS, TENANT, vault.tier_keys, lambda size: recorded(os.urandom, size))
    sealed = [sealing.seal_fields(DOMAIN, RECORD, FIELDS) for _ in range(200)]
    vault.store(sealing)
    salts = [
        field.salt
        for record in sealed
        for field in vault.opener().open_record(TENANT, DOMAIN, RECORD, PASS, record.blob).values()
    ]
    assert len(set(salts)) == len(salts) == 600
    pool = b"".join(drawn)
    assert all(salt is not None and salt in pool for salt in salts)
