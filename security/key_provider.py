"""What holds the keys that wrap keys: the seam to a keyring, a vault or an HSM, and what each of them is asked.

security.file_keyring is the provider of a development machine, those of production are
security.openbao_keyring and security.pkcs11_keyring. What the wrapped keys do is security.tier_keys.
"""

from dataclasses import dataclass
from typing import Final, Protocol

from schemas.errors import ConfigurationError, VerificationFailed
from security.associated_data import length_prefixed
from security.suites import Suite

KEY_BYTES: Final = 32
MAX_TIER: Final = 5


class KeyUnavailable(VerificationFailed):
    """A key that something was sealed under is not to be had: never given to this process, or destroyed.

    Attributes:
        key_id: Which key.
    """

    def __init__(self, key_id: str, where: str) -> None:
        super().__init__(f"key {key_id!r} is not in {where}; what it sealed cannot be opened here")
        self.key_id = key_id


class UnwrapFailed(VerificationFailed):
    """A wrapped key was altered, or was wrapped for another scope or under another key.

    Attributes:
        key_id: The key it should have opened under.
    """

    def __init__(self, key_id: str) -> None:
        super().__init__(f"a wrapped key does not open under key {key_id!r}: it was altered or belongs elsewhere")
        self.key_id = key_id


@dataclass(frozen=True, slots=True)
class Scope:
    """What one key-encryption key covers.

    Attributes:
        tenant: The organisation that owns the data.
        domain: Its department or unit.
        tier: JR/T 0197 level, 1 to 5.
        epoch: From 1; a higher epoch's keys seal what comes after a rotation.
        suite: What the scope's keys seal with, from its first day to its last; another one is another epoch's.
    """

    tenant: str
    domain: str
    tier: int
    epoch: int = 1
    suite: Suite = Suite.AES

    def __post_init__(self) -> None:
        if not (self.tenant and self.domain):
            raise ConfigurationError("a key scope needs a tenant and a domain; check the signing key's binding")
        if not 1 <= self.tier <= MAX_TIER:
            raise ConfigurationError(f"a key scope has tier {self.tier}; tiers are 1 to {MAX_TIER}")
        if self.epoch < 1:
            raise ConfigurationError(f"a key scope has epoch {self.epoch}; epochs count from 1")


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A key as its provider sealed it; safe to store.

    Attributes:
        kek_id: The provider's name for the key that opens it.
        ciphertext: In the provider's own format.
    """

    kek_id: str
    ciphertext: bytes


def wrapping_context(scope: Scope, kek_id: str) -> bytes:
    """What every provider binds a wrapped key to, as associated data."""
    context = length_prefixed("sealstream.tier-key/1", kek_id, scope.tenant, scope.domain, scope.tier, scope.epoch)
    return context if scope.suite is Suite.AES else context + length_prefixed(scope.suite)


class KeyProvider(Protocol):
    """Holds one key-encryption key for each scope, and one index key for each tenant and field."""

    def kek_id(self, scope: Scope) -> str:
        """Name the key that wraps this scope's keys now."""
        ...

    def wrap(self, scope: Scope, key: bytes) -> WrappedKey:
        """Seal a key under the scope's key-encryption key, bound to the scope and that key's id."""
        ...

    def unwrap(self, scope: Scope, wrapped: WrappedKey) -> bytes:
        """Open a wrapped key.

        Raises:
            KeyUnavailable: The provider has no such key-encryption key, or has it no more.
            UnwrapFailed: It was altered or wrapped for another scope.
        """
        ...

    def index_key(self, tenant: str, field: str) -> bytes:
        """Return the 32-byte key of a tenant's keyed digests of one field; no other tenant or field has the same."""
        ...


class KeyKeeper(Protocol):
    """Changes key-encryption keys: what an operator's process asks of a provider, and no worker."""

    def renew(self, scope: Scope) -> None:
        """Make another key-encryption key for the scope: it wraps from now on, former ones still open."""
        ...

    def retire(self, scope: Scope, kek_id: str) -> None:
        """Destroy the scope's key-encryption keys for good, all but the one of this name, which wraps now.

        Raises:
            KeyUnavailable: The scope has no such key; nothing is destroyed.
        """
        ...

    def destroy(self, scope: Scope) -> None:
        """Destroy all of the scope's key-encryption keys for good. None is ever made for this scope again."""
        ...

    def is_destroyed(self, scope: Scope) -> bool:
        """Whether the scope's keys were destroyed, and are gone."""
        ...
