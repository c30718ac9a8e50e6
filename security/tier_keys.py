"""Tier keys: one key for each tenant, domain, tier and epoch, stored wrapped and opened by a key provider.

They wrap the data keys of sealing passes, which is security.sealing; who may have which tier is an access decision.
"""

import hmac
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from schemas.errors import Unavailable
from security.associated_data import length_prefixed
from security.commitment import Commitments
from security.data_key import NONCE_BYTES, NewDataKey, wrap_data_key
from security.hmac_sm3 import hmac_sm3
from security.key_provider import KEY_BYTES, MAX_TIER, KeyProvider, KeyUnavailable, Scope, UnwrapFailed, WrappedKey
from security.key_scopes import KeyScopes
from security.suites import Suite


class TierKeysLapsed(Unavailable):
    """The opened tier keys' time is over, and the provider has not opened them again yet."""

    def __init__(self) -> None:
        super().__init__(
            "the tier keys' time is over and the key provider has not opened them again; nothing is sealed"
        )


@dataclass(frozen=True, slots=True)
class TierKeyRecord:
    """A tier key as it is stored: wrapped under its scope's key-encryption key.

    Attributes:
        scope: What the key covers.
        key_id: Its name, unique over all tenants; stands beside everything that it wraps.
        wrapped: The key as the provider sealed it; empty once shredded.
        shredded: Whether the provider's key is destroyed: nobody opens what this key covered.
    """

    scope: Scope
    key_id: str
    wrapped: WrappedKey
    shredded: bool = False


@dataclass(frozen=True, slots=True)
class TierKey:
    """An opened tier key.

    Attributes:
        key_id: Its name.
        epoch: Its scope's epoch.
        key: 32 secret bytes.
        suite: What its data keys seal with.
    """

    key_id: str
    epoch: int
    key: bytes = field(repr=False)
    suite: Suite = Suite.AES

    def wrapping_key(self, tenant: str, domain: str, tier: int, pass_id: int) -> bytes:
        """Derive the key that wraps one pass's data key: HKDF-Expand (RFC 5869), one block, with SHA-256 or SM3.

        A key of its own for each pass means that no tier key comes near the 2^32 random nonces AES-GCM allows, however
        many passes it serves.
        """
        if self.suite is Suite.SM4:
            info = length_prefixed("sealstream.data-key/2", self.suite, tenant, domain, tier, self.key_id, pass_id)
            return hmac_sm3(self.key, info + b"\x01")[: self.suite.key_bytes]
        info = length_prefixed("sealstream.data-key/1", tenant, domain, tier, self.key_id, pass_id)
        return hmac.digest(self.key, info + b"\x01", "sha256")


def new_tier_key(scope: Scope, provider: KeyProvider, random: Callable[[int], bytes]) -> TierKeyRecord:
    """Make a tier key and wrap it; the record can be stored, and `TierKeys.add` opens it.

    Args:
        scope: What the key is for.
        provider: Holds the scope's key-encryption key.
        random: Returns that many random bytes; `os.urandom` outside tests.
    """
    key_id = "tk-" + random(16).hex()
    return TierKeyRecord(scope, key_id, provider.wrap(scope, random(KEY_BYTES)))


class TierKeys:
    """The tier keys that a process or a reader holds, opened.

    A reader's copy is made with that reader's highest tier and domains: other records are passed over before the
    provider is asked, so that the keys of higher tiers and other domains never reach the process at all.

    Args:
        max_tier: Highest tier.
        domains: Tenant and domain of each owner; None for all there are.
        scopes: What a process serves at all; None for everything.
    """

    def __init__(
        self,
        max_tier: int = MAX_TIER,
        domains: Collection[tuple[str, str]] | None = None,
        scopes: KeyScopes | None = None,
    ) -> None:
        self._max_tier = max_tier
        self._scopes = scopes
        self._domains = None if domains is None else frozenset(domains)
        self._current: dict[tuple[str, str, int], TierKey] = {}
        self._by_id: dict[str, TierKey] = {}
        self._shredded: set[str] = set()
        self._commitments: dict[str, Commitments] = {}
        self._lapsed = False

    def forget(self) -> None:
        """Let go of all keys for good; who asks for one from now on is told to wait for others."""
        self._lapsed = True
        self._current.clear()
        self._by_id.clear()

    def covers(self, tenant: str, domain: str, tier: int) -> bool:
        """Whether a key of that tenant, domain and tier may be held."""
        return tier <= self._max_tier and self.serves(tenant, domain, tier) and self.covers_domain(tenant, domain)

    def serves(self, tenant: str, domain: str, tier: int) -> bool:
        """Whether the process serves that tier of that domain; what it does not, another one may."""
        return self._scopes is None or self._scopes.covers(tenant, domain, tier)

    def covers_domain(self, tenant: str, domain: str) -> bool:
        """Whether keys of that tenant's domain may be held."""
        if self._scopes is not None and not self._scopes.covers_domain(tenant, domain):
            return False
        return self._domains is None or (tenant, domain) in self._domains

    def held(self) -> list[tuple[str, str, int]]:
        """Tenant, domain and tier of the keys that seal now, sorted."""
        return sorted(self._current)

    def add(self, record: TierKeyRecord, provider: KeyProvider) -> bool:
        """Open a stored key and keep it.

        Returns:
            Whether the key is held now; False, without asking the provider, for what these keys don't cover, and for
            what is shredded.

        Raises:
            KeyUnavailable: The provider has not got the key-encryption key.
            UnwrapFailed: The record was altered or its parts belong to different keys.
        """
        scope = record.scope
        if record.shredded:
            self._shredded.add(record.key_id)
            return False
        if not self.covers(scope.tenant, scope.domain, scope.tier):
            return False
        key = provider.unwrap(scope, record.wrapped)
        if len(key) != KEY_BYTES:
            raise UnwrapFailed(record.wrapped.kek_id)
        opened = TierKey(record.key_id, scope.epoch, key, scope.suite)
        self._by_id[opened.key_id] = opened
        place = (scope.tenant, scope.domain, scope.tier)
        current = self._current.get(place)
        if current is None or current.epoch <= opened.epoch:
            self._current[place] = opened
            self._commitments.pop(scope.tenant, None)
        return True

    def commitments(self, tenant: str) -> Commitments:
        """How values that are sealed for a tenant now are committed to."""
        known = self._commitments.get(tenant)
        if known is None:
            suites = {key.suite for (owner, _, _), key in self._current.items() if owner == tenant}
            known = self._commitments[tenant] = Commitments.SM3 if Suite.SM4 in suites else Commitments.SHA256
        return known

    def is_shredded(self, key_id: str) -> bool:
        """Whether the key of that name was shredded."""
        return key_id in self._shredded

    def get(self, tenant: str, domain: str, tier: int) -> TierKey:
        """Return the key that seals now: the one of the highest epoch held.

        Raises:
            KeyUnavailable: No key of that tenant, domain and tier is held.
            TierKeysLapsed: None is held any more.
        """
        self._check()
        try:
            return self._current[tenant, domain, tier]
        except KeyError:
            raise KeyUnavailable(f"{tenant}/{domain}/tier {tier}", "the tier keys of this process") from None

    def new_data_key(
        self, pass_id: int, tenant: str, domain: str, tier: int, random: Callable[[int], bytes]
    ) -> NewDataKey:
        """Make the data key of one pass, wrapped by the key that seals now; raises as `get`."""
        tier_key = self.get(tenant, domain, tier)
        key = random(tier_key.suite.key_bytes)
        nonce = random(NONCE_BYTES)
        stored = wrap_data_key(key, tier_key, pass_id, tenant, domain, tier, nonce)
        return NewDataKey(key, tier_key.suite, stored)

    def by_id(self, key_id: str) -> TierKey:
        """Return the key of that name, whatever its epoch.

        Raises:
            KeyUnavailable: It is not held.
            TierKeysLapsed: None is held any more.
        """
        self._check()
        try:
            return self._by_id[key_id]
        except KeyError:
            raise KeyUnavailable(key_id, "the tier keys of this process") from None

    def _check(self) -> None:
        if self._lapsed:
            raise TierKeysLapsed
