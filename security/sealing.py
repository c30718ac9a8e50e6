"""Sealing of field values under data keys that serve one sealing pass, each wrapped by a tier key.

A `SealingPass` seals the records of one commit; a `FieldOpener` opens what its tier keys allow. The blob's form is
security.sealed_blob, the keys above the data keys are security.tier_keys, whose suite seals: AES-256-GCM, or SM4-GCM.
Bound as associated data, length-prefixed: format version, pass, tenant, domain, record id, field, tier, tier key id.
"""

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache
from typing import Final, Literal, Protocol

import msgspec
from cryptography.exceptions import InvalidTag

from schemas.errors import ConfigurationError
from security.associated_data import length_prefixed, length_prefixed_bytes
from security.commitment import SALT_BYTES, Commitments
from security.data_key import NONCE_BYTES, NewDataKey, WrappedDataKey, unwrap_data_key
from security.key_provider import UnwrapFailed
from security.sealed_blob import SealBroken, SealedField, decode_blob, encode_blob, shown_name
from security.suites import Crypt
from security.tier_keys import TierKeys

EVIDENCE_FIELD: Final = "evidence"
"""Name under which a message's own bytes are sealed; no field of a record may have it."""

_FIELD_FORMATS: Final = {Commitments.SHA256: "sealstream.field/1", Commitments.SM3: "sealstream.field/2"}
_SALTS_AT_ONCE: Final = 256
_DATA_KEYS_KEPT: Final = 1024

FieldState = Literal["open", "sealed", "erased", "shredded"]
_Sealer = tuple[int, Crypt, bytes]
"""A field's tier, its data key's encryption, and the end of its associated data."""


# Structs, not dataclasses: one is built for each record, and this takes a third of the time.
class SealedRecord(msgspec.Struct, frozen=True, gc=False):
    """What is stored of a record, and what the log says about it.

    Attributes:
        blob: Every field's ciphertext.
        commitments: Field name to commitment, in the order given, under the salt sealed with the value.
        kind: How the commitments were made.
    """

    blob: bytes
    commitments: dict[str, bytes]
    kind: Commitments = Commitments.SHA256


class OpenedField(msgspec.Struct, frozen=True, gc=False):
    """A field as a reader gets it.

    Attributes:
        tier: Its tier.
        state: `open`, `sealed` (above the reader's tier), `erased` or `shredded` (nobody can open it any more).
        value: The canonical bytes of an open field.
        salt: With `value` opens the commitment.
        shredded_key: Name of the tier key of a shredded field.
        kind: How the commitment was made.
    """

    tier: int
    state: FieldState
    value: bytes | None = None
    salt: bytes | None = None
    shredded_key: str | None = None
    kind: Commitments = Commitments.SHA256

    @property
    def commitment(self) -> bytes | None:
        """What the log has to say for this field: computed when asked for, since readers who see values never do."""
        return None if self.value is None or self.salt is None else self.kind.commit(self.salt, self.value)

    def __repr__(self) -> str:
        # A repr with the value would put a customer's data into a traceback.
        return f"<OpenedField, tier {self.tier}, {self.state}>"


_Shape = tuple[str, str, int, Commitments, frozenset[str] | None, tuple[tuple[str, int], ...]]
"""Tenant, domain, pass, how values are committed to, what may be opened, and name and tier of each field."""

_Way = tuple[OpenedField, Crypt | None, bytes]
"""A field as it is where it is not opened; what decrypts it, if anything does; the end of its associated data."""


class SealingKeys(Protocol):
    """What a pass seals with: opened tier keys, or data keys that whoever holds those made for it."""

    def commitments(self, tenant: str) -> Commitments:
        """How values that are sealed for a tenant now are committed to."""
        ...

    def new_data_key(
        self, pass_id: int, tenant: str, domain: str, tier: int, random: Callable[[int], bytes]
    ) -> NewDataKey:
        """A data key that nothing else seals with.

        Raises:
            KeyUnavailable: There is no key of that tenant, domain and tier.
        """
        ...


class SealingPass:
    """One sealing pass for one tenant: its data keys are made here and never seal anything after it.

    A retry that changes rows is a new pass: nonces count from zero under each pass's own keys. Not for two threads.
    """

    def __init__(
        self, pass_id: int, tenant: str, tier_keys: SealingKeys, random: Callable[[int], bytes] = os.urandom
    ) -> None:
        """Start a pass.

        Args:
            pass_id: Unique over all tenants; stored with every row that the pass seals.
            tenant: Owner of everything that is sealed.
            tier_keys: Give the current key of each domain and tier.
            random: Returns that many random bytes; `os.urandom` outside tests.
        """
        self._pass_id = pass_id
        self._tenant = tenant
        self._tier_keys = tier_keys
        self._random = random
        self._commitments = tier_keys.commitments(tenant)
        self._commit = self._commitments.commit
        self._counter = 0
        self._salts = b""
        self._salts_used = 0
        self._heads: dict[str, bytes] = {}
        self._sealers: dict[str, dict[str, _Sealer]] = {}
        self._evidence_sealers: dict[tuple[str, int], _Sealer] = {}
        self._ciphers: dict[tuple[str, int], tuple[Crypt, str]] = {}
        self._data_keys: list[WrappedDataKey] = []
        self._shredded: dict[tuple[str, int], str] = {}

    @property
    def commitments(self) -> Commitments:
        """How this pass commits to values."""
        return self._commitments

    def seal_fields(self, domain: str, record_id: bytes, fields: Sequence[tuple[str, int, bytes]]) -> SealedRecord:
        """Seal the fields of one record that belong to one domain.

        Args:
            domain: Owner of the fields.
            record_id: The record they belong to, 16 bytes.
            fields: Name, tier and canonical value of each; each name once.

        Raises:
            KeyUnavailable: No tier key of that domain and tier is held.
            ConfigurationError: A name is there twice, is empty, or is `evidence`.
        """
        count = len(fields)
        counter = first = self._counter
        # Counted before anything is sealed: a pass that goes on after an error must not use a nonce again.
        self._counter += count
        salts, at = self._take_salts(count)
        head = self._record_head(domain, record_id)
        find_sealer, commit = self._sealers[domain].get, self._commit
        sealed: list[SealedField] = []
        commitments = {}
        for name, tier, value in fields:
            sealer = find_sealer(name)
            if sealer is None or sealer[0] != tier:
                sealer = self._sealer(domain, name, tier)
            _, encrypt, tail = sealer
            salt = salts[at : at + SALT_BYTES]
            at += SALT_BYTES
            sealed.append((name, tier, encrypt(counter.to_bytes(NONCE_BYTES), salt + value, head + tail)))
            counter += 1
            commitments[name] = commit(salt, value)
        if len(commitments) != count:
            raise ConfigurationError("a record has a field twice; a sealed record holds each name once")
        return SealedRecord(encode_blob(first, sealed, self._commitments), commitments, self._commitments)

    def seal_evidence(self, domain: str, record_id: bytes, tier: int, evidence: bytes) -> SealedRecord:
        """Seal a message's bytes as received; `open_record` gives them back as the field `evidence`.

        Args:
            domain: Owner of the message.
            record_id: The message's id.
            tier: Tier of the whole payload, at least that of each field in it.
            evidence: Payload and envelope.

        Raises:
            KeyUnavailable: No tier key of that domain and tier is held.
        """
        first = self._counter
        self._counter = first + 1
        sealer = self._evidence_sealers.get((domain, tier)) or self._evidence_sealer(domain, tier)
        _, encrypt, tail = sealer
        salt, kind = self._take_salt(), self._commitments
        plain = salt + evidence
        sealed = encrypt(first.to_bytes(NONCE_BYTES), plain, self._record_head(domain, record_id) + tail)
        blob = encode_blob(first, [(EVIDENCE_FIELD, tier, sealed)], kind)
        return SealedRecord(blob, {EVIDENCE_FIELD: self._commit(salt, evidence)}, kind)

    def seal_again(self, domain: str, record_id: bytes, fields: Mapping[str, OpenedField]) -> bytes:
        """Seal opened fields with the salts they had: their commitments stay, of whatever kind they are.

        Evidence may be among them. A shredded field keeps its name; where its data key was stands that of its shredded
        tier key, which is why a pass may not seal other fields of that tier.

        Raises:
            KeyUnavailable: No tier key of that domain and a field's tier is held.
            ValueError: A field is neither open nor shredded, or they come from several records.
        """
        kinds = {each.kind for each in fields.values()} or {self._commitments}
        if len(kinds) != 1:
            raise ValueError("fields of one record are committed to in one way")
        (kind,) = kinds
        first = self._counter
        self._counter += len(fields)
        head = _domain_head(kind, self._pass_id, self._tenant, domain) + length_prefixed_bytes(record_id)
        sealed: list[SealedField] = []
        for counter, (name, each) in enumerate(fields.items(), first):
            if each.shredded_key is not None:
                self._shredded[domain, each.tier] = each.shredded_key
                sealed.append((name, each.tier, b""))
            elif each.value is None or each.salt is None:
                raise ValueError(f"field {name!r} is {each.state}: it can't be sealed again")
            else:
                encrypt, key_id = self._cipher(domain, each.tier)
                tail = _field_tail(name, each.tier, key_id)
                plain = each.salt + each.value
                sealed.append((name, each.tier, encrypt(counter.to_bytes(NONCE_BYTES), plain, head + tail)))
        return encode_blob(first, sealed, kind)

    def data_keys(self) -> list[WrappedDataKey]:
        """The data keys made so far, wrapped: to be stored in the same commit as the rows."""
        shredded = [
            WrappedDataKey(self._pass_id, self._tenant, domain, tier, key_id, b"")
            for (domain, tier), key_id in self._shredded.items()
        ]
        return self._data_keys + shredded

    def _take_salts(self, count: int) -> tuple[bytes, int]:
        at = self._salts_used
        if at + count * SALT_BYTES > len(self._salts):
            self._salts = self._random(max(count, _SALTS_AT_ONCE) * SALT_BYTES)
            at = 0
        self._salts_used = at + count * SALT_BYTES
        return self._salts, at

    def _take_salt(self) -> bytes:
        at = self._salts_used
        if at == len(self._salts):
            self._salts, at = self._random(_SALTS_AT_ONCE * SALT_BYTES), 0
        self._salts_used = end = at + SALT_BYTES
        return self._salts[at:end]

    def _record_head(self, domain: str, record_id: bytes) -> bytes:
        head = self._heads.get(domain)
        if head is None:
            head = self._heads[domain] = _domain_head(self._commitments, self._pass_id, self._tenant, domain)
            self._sealers[domain] = {}
        return head + length_prefixed_bytes(record_id)

    def _sealer(self, domain: str, name: str, tier: int) -> _Sealer:
        if not name or name == EVIDENCE_FIELD:
            raise ConfigurationError(f"a field may not be called {name!r}; rename it in its schema and the catalogue")
        encrypt, key_id = self._cipher(domain, tier)
        sealer = self._sealers[domain][name] = tier, encrypt, _field_tail(name, tier, key_id)
        return sealer

    def _evidence_sealer(self, domain: str, tier: int) -> _Sealer:
        encrypt, key_id = self._cipher(domain, tier)
        sealer = self._evidence_sealers[domain, tier] = tier, encrypt, _field_tail(EVIDENCE_FIELD, tier, key_id)
        return sealer

    def _cipher(self, domain: str, tier: int) -> tuple[Crypt, str]:
        known = self._ciphers.get((domain, tier))
        if known is None:
            made = self._tier_keys.new_data_key(self._pass_id, self._tenant, domain, tier, self._random)
            self._data_keys.append(made.stored)
            known = self._ciphers[domain, tier] = made.suite.cipher(made.key).encrypt, made.stored.tier_key_id
        return known


class FieldOpener:
    """Opens sealed records up to a tier. Made for one response or one batch: it keeps the data keys it has opened."""

    def __init__(
        self, tier_keys: TierKeys, find_data_key: Callable[[int, str, int], WrappedDataKey | None], max_tier: int
    ) -> None:
        """Make an opener for one reader.

        Args:
            tier_keys: The tier keys the reader may have.
            find_data_key: Returns the stored data key of a pass id, domain and tier.
            max_tier: Fields above it stay sealed, whatever keys are held.
        """
        self._tier_keys = tier_keys
        self._find_data_key = find_data_key
        self._max_tier = max_tier
        self._ciphers: dict[tuple[str, int, str, int], tuple[Crypt | None, str]] = {}
        self._ways: dict[_Shape, list[_Way]] = {}

    def open_record(
        self,
        tenant: str,
        domain: str,
        record_id: bytes,
        pass_id: int,
        blob: bytes,
        only: Collection[str] | None = None,
    ) -> dict[str, OpenedField]:
        """Open the fields of one stored record, evidence included.

        Args:
            tenant: The row's tenant.
            domain: The row's domain.
            record_id: The row's record id.
            pass_id: The row's sealing pass.
            blob: The row's sealed fields.
            only: What may be opened; None for all. The others are not decrypted.

        Returns:
            Field name to field, in stored order; a field above the reader's tier, of a domain that is not the
            reader's, or whose key is shredded, is there with its state alone. That no field was left out is for the
            caller to compare with the names in the record's audit leaf.

        Raises:
            SealBroken: The blob, a field or its data key was altered, is missing or belongs elsewhere.
            KeyUnavailable: A tier key that the reader's tier allows is not held.
        """
        counter, fields, kind = decode_blob(record_id, blob)
        names = None if only is None else frozenset(only)
        shape = tenant, domain, pass_id, kind, names, tuple([(name, tier) for name, tier, _ in fields])
        ways = self._ways.get(shape)
        if ways is None:
            ways = self._ways_of(record_id, *shape)
            if len(self._ways) >= _DATA_KEYS_KEPT:
                self._ways.clear()
            self._ways[shape] = ways
        head = _domain_head(kind, pass_id, tenant, domain) + length_prefixed_bytes(record_id)
        opened, at = {}, 0
        try:
            for (name, tier, ciphertext), (closed, decrypt, tail) in zip(fields, ways, strict=True):
                if decrypt is None:
                    opened[name] = closed
                else:
                    plain = decrypt((counter + at).to_bytes(NONCE_BYTES, "big"), ciphertext, head + tail)
                    opened[name] = OpenedField(tier, "open", plain[SALT_BYTES:], plain[:SALT_BYTES], None, kind)
                at += 1
        except InvalidTag as exc:
            raise SealBroken(record_id, shown_name(fields[at][0])) from exc
        return opened

    def _ways_of(
        self,
        record_id: bytes,
        tenant: str,
        domain: str,
        pass_id: int,
        kind: Commitments,
        only: frozenset[str] | None,
        fields: Sequence[tuple[str, int]],
    ) -> list[_Way]:
        """How each field is opened, or why not: the same for all records of one pass and shape."""
        ours = self._tier_keys.covers_domain(tenant, domain)
        ways: list[_Way] = []
        for name, tier in fields:
            if not (tier <= self._max_tier and ours and self._tier_keys.serves(tenant, domain, tier)):
                ways.append((OpenedField(tier, "sealed", kind=kind), None, b""))
                continue
            if only is not None and name not in only:
                ways.append((self._closed(pass_id, domain, tier, kind), None, b""))
                continue
            try:
                decrypt, key_id = self._cipher(tenant, pass_id, domain, tier)
            except UnwrapFailed as exc:
                raise SealBroken(record_id, shown_name(name)) from exc
            shredded = OpenedField(tier, "shredded", shredded_key=key_id, kind=kind)
            ways.append((shredded, decrypt, _field_tail(name, tier, key_id)))
        return ways

    def _closed(self, pass_id: int, domain: str, tier: int, kind: Commitments) -> OpenedField:
        """A field that is left closed: nothing is unwrapped to say whether anybody could open it."""
        stored = self._find_data_key(pass_id, domain, tier)
        if stored is not None and self._tier_keys.is_shredded(stored.tier_key_id):
            return OpenedField(tier, "shredded", shredded_key=stored.tier_key_id, kind=kind)
        return OpenedField(tier, "sealed", kind=kind)

    def _cipher(self, tenant: str, pass_id: int, domain: str, tier: int) -> tuple[Crypt | None, str]:
        """What opens a tier's fields, None where its tier key is shredded; and that tier key's name."""
        place = (tenant, pass_id, domain, tier)
        known = self._ciphers.get(place)
        if known is None:
            stored = self._find_data_key(pass_id, domain, tier)
            if stored is None or (stored.tenant, stored.pass_id, stored.domain, stored.tier) != place:
                raise UnwrapFailed(f"data key of pass {pass_id}, {domain}, tier {tier}")
            decrypt = None
            if not self._tier_keys.is_shredded(stored.tier_key_id):
                tier_key = self._tier_keys.by_id(stored.tier_key_id)
                decrypt = tier_key.suite.cipher(unwrap_data_key(stored, tier_key)).decrypt
            if len(self._ciphers) >= _DATA_KEYS_KEPT:
                self._ciphers.clear()
            known = self._ciphers[place] = decrypt, stored.tier_key_id
        return known


# All records of a page are often of one pass.
@lru_cache(maxsize=256)
def _domain_head(kind: Commitments, pass_id: int, tenant: str, domain: str) -> bytes:
    return length_prefixed(_FIELD_FORMATS[kind], pass_id, tenant, domain)


# The same for every pass under a tier key: small passes would spend more on these than on sealing. Bounded, because
# names also come from stored blobs, which may be damaged.
@lru_cache(maxsize=4096)
def _field_tail(name: str, tier: int, tier_key_id: str) -> bytes:
    return length_prefixed(name, tier, tier_key_id)
