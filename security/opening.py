"""Opening sealed fields: what a reader's tier keys allow, and how a field stands that they don't.

How they were sealed is security.sealing.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Final, Literal

import msgspec
from cryptography.exceptions import InvalidTag

from security.associated_data import length_prefixed_bytes
from security.commitment import SALT_BYTES, Commitments
from security.data_key import NONCE_BYTES, WrappedDataKey, unwrap_data_key
from security.field_binding import domain_head, field_tail
from security.key_provider import UnwrapFailed
from security.sealed_blob import SealBroken, decode_blob, shown_name
from security.suites import Crypt
from security.tier_keys import TierKeys

_DATA_KEYS_KEPT: Final = 1024

FieldState = Literal["open", "sealed", "erased", "shredded"]


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
        head = domain_head(kind, pass_id, tenant, domain) + length_prefixed_bytes(record_id)
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
            ways.append((shredded, decrypt, field_tail(name, tier, key_id)))
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
