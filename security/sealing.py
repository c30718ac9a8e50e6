"""Sealing of field values under data keys that serve one sealing pass, each wrapped by a tier key.

A `SealingPass` seals the records of one commit. The blob's form is security.sealed_blob, what is bound to each field
security.field_binding; the keys above the data keys are security.tier_keys, whose suite seals: AES-256-GCM, or SM4-GCM.
Opening is security.opening.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

import msgspec

from schemas.errors import ConfigurationError
from security.associated_data import length_prefixed_bytes
from security.commitment import SALT_BYTES, Commitments
from security.data_key import NONCE_BYTES, NewDataKey, WrappedDataKey
from security.field_binding import EVIDENCE_FIELD, domain_head, field_tail
from security.opening import OpenedField
from security.sealed_blob import SealedField, encode_blob
from security.suites import Crypt

_SALTS_AT_ONCE: Final = 256

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
        _, encrypt, tail = self._evidence_sealers.get((domain, tier)) or self._evidence_sealer(domain, tier)
        salts, at = self._take_salts(1)
        salt, kind = salts[at : at + SALT_BYTES], self._commitments
        bound = self._record_head(domain, record_id) + tail
        sealed = encrypt(first.to_bytes(NONCE_BYTES), salt + evidence, bound)
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
        head = domain_head(kind, self._pass_id, self._tenant, domain) + length_prefixed_bytes(record_id)
        sealed: list[SealedField] = []
        for counter, (name, each) in enumerate(fields.items(), first):
            if each.shredded_key is not None:
                self._shredded[domain, each.tier] = each.shredded_key
                sealed.append((name, each.tier, b""))
            elif each.value is None or each.salt is None:
                raise ValueError(f"field {name!r} is {each.state}: it can't be sealed again")
            else:
                encrypt, key_id = self._cipher(domain, each.tier)
                tail = field_tail(name, each.tier, key_id)
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

    def _record_head(self, domain: str, record_id: bytes) -> bytes:
        head = self._heads.get(domain)
        if head is None:
            head = self._heads[domain] = domain_head(self._commitments, self._pass_id, self._tenant, domain)
            self._sealers[domain] = {}
        return head + length_prefixed_bytes(record_id)

    def _sealer(self, domain: str, name: str, tier: int) -> _Sealer:
        if not name or name == EVIDENCE_FIELD:
            raise ConfigurationError(f"a field may not be called {name!r}; rename it in its schema and the catalogue")
        encrypt, key_id = self._cipher(domain, tier)
        sealer = self._sealers[domain][name] = tier, encrypt, field_tail(name, tier, key_id)
        return sealer

    def _evidence_sealer(self, domain: str, tier: int) -> _Sealer:
        encrypt, key_id = self._cipher(domain, tier)
        sealer = self._evidence_sealers[domain, tier] = tier, encrypt, field_tail(EVIDENCE_FIELD, tier, key_id)
        return sealer

    def _cipher(self, domain: str, tier: int) -> tuple[Crypt, str]:
        known = self._ciphers.get((domain, tier))
        if known is None:
            made = self._tier_keys.new_data_key(self._pass_id, self._tenant, domain, tier, self._random)
            self._data_keys.append(made.stored)
            known = self._ciphers[domain, tier] = made.suite.cipher(made.key).encrypt, made.stored.tier_key_id
        return known
