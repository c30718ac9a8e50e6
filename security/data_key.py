"""Data keys as they are stored: each seals one tier of one domain in one pass, wrapped by the tier key.

Making them and sealing with them is security.sealing.
"""

from dataclasses import dataclass, field
from typing import Final, Protocol

from cryptography.exceptions import InvalidTag

from security.key_provider import UnwrapFailed
from security.suites import Suite

NONCE_BYTES: Final = 12
_VERSIONS: Final = {Suite.AES: b"\x01", Suite.SM4: b"\x02"}
_OVERHEAD_BYTES: Final = 1 + NONCE_BYTES + 16


class WrappingKey(Protocol):
    """What wraps data keys: an opened tier key."""

    @property
    def key_id(self) -> str:
        """Its name."""
        ...

    @property
    def suite(self) -> Suite:
        """What its data keys seal with."""
        ...

    def wrapping_key(self, tenant: str, domain: str, tier: int, pass_id: int) -> bytes:
        """The key that wraps one pass's data key."""
        ...


@dataclass(frozen=True, slots=True)
class WrappedDataKey:
    """A data key as it is stored, once, beside the rows that it sealed.

    Attributes:
        pass_id: The sealing pass.
        tenant: Owner of the rows.
        domain: Owner's department.
        tier: Tier of the fields it sealed.
        tier_key_id: The tier key that opens it.
        wrapped: Format version (1 byte; 2 for SM4-GCM), nonce (12), ciphertext and tag (48, or 32).
    """

    pass_id: int
    tenant: str
    domain: str
    tier: int
    tier_key_id: str
    wrapped: bytes


@dataclass(frozen=True, slots=True)
class NewDataKey:
    """A data key that has sealed nothing yet, and the same as it is stored.

    Attributes:
        key: As many secret bytes as the suite takes.
        suite: What it seals with.
    """

    key: bytes = field(repr=False)
    suite: Suite
    stored: WrappedDataKey


def wrap_data_key(
    data_key: bytes, tier_key: WrappingKey, pass_id: int, tenant: str, domain: str, tier: int, nonce: bytes
) -> WrappedDataKey:
    """Wrap a data key under the key that the tier key gives this pass, with the tier key's suite.

    That key is derived from everything the wrapped key must be bound to, which AES key wrap (RFC 5649) has no place
    for, and it serves one pass alone. The nonce is random all the same: a database restored from a backup may hand out
    its pass ids a second time.

    Args:
        data_key: As many secret bytes as the suite takes.
        tier_key: The scope's current key.
        pass_id: The sealing pass.
        tenant: The scope's tenant.
        domain: The scope's domain.
        tier: The scope's tier.
        nonce: 12 random bytes.
    """
    version, suite = _VERSIONS[tier_key.suite], tier_key.suite
    wrapping_key = suite.cipher(tier_key.wrapping_key(tenant, domain, tier, pass_id))
    wrapped = version + nonce + wrapping_key.encrypt(nonce, data_key, version)
    return WrappedDataKey(pass_id, tenant, domain, tier, tier_key.key_id, wrapped)


def unwrap_data_key(stored: WrappedDataKey, tier_key: WrappingKey) -> bytes:
    """Open a stored data key.

    Raises:
        UnwrapFailed: It was altered, or is not the key of the pass and scope it is stored for.
    """
    version, nonce, sealed = stored.wrapped[:1], stored.wrapped[1:13], stored.wrapped[13:]
    suite = tier_key.suite
    if len(stored.wrapped) != _OVERHEAD_BYTES + suite.key_bytes or version != _VERSIONS[suite]:
        raise UnwrapFailed(tier_key.key_id)
    wrapping_key = suite.cipher(tier_key.wrapping_key(stored.tenant, stored.domain, stored.tier, stored.pass_id))
    try:
        return wrapping_key.decrypt(nonce, sealed, version)
    except InvalidTag as exc:
        raise UnwrapFailed(tier_key.key_id) from exc
