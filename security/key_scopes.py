"""What one process holds keys for: tenant, domain and tiers, as a setting says it. Holding them is security.tier_keys.

`bank-a/payments/1-3` are the tiers 1 to 3 of one department, `bank-a/*/4` tier 4 of all of a bank's, `*/*/1-5` is
everything.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

from schemas.errors import ConfigurationError
from security.key_provider import MAX_TIER

ANY: Final = "*"
_TIERS: Final = re.compile(r"([1-5])(?:-([1-5]))?")


@dataclass(frozen=True, slots=True)
class ScopePattern:
    """Some tiers of a domain, or of all of a tenant's, or of everybody's.

    Attributes:
        tenant: One, or `*`.
        domain: Likewise.
        lowest: Of the tiers.
        highest: Of the tiers.
    """

    tenant: str
    domain: str
    lowest: int = 1
    highest: int = MAX_TIER

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read one.

        Raises:
            ConfigurationError: It is none.
        """
        parts = text.split("/")
        tiers = _TIERS.fullmatch(parts[-1])
        if len(parts) != 3 or not all(parts) or tiers is None:
            raise ConfigurationError(f"{text!r} is no scope of keys: say tenant/domain/tier, as in bank-a/payments/1-3")
        lowest, highest = int(tiers[1]), int(tiers[2] or tiers[1])
        if lowest > highest:
            raise ConfigurationError(f"the scope {text!r} names its tiers backwards")
        return cls(parts[0], parts[1], lowest, highest)

    def covers_tenant(self, tenant: str) -> bool:
        """Whether anything of a tenant's is in it."""
        return self.tenant in (ANY, tenant)

    def covers_domain(self, tenant: str, domain: str) -> bool:
        """Whether anything of a domain's is in it."""
        return self.covers_tenant(tenant) and self.domain in (ANY, domain)

    def covers(self, tenant: str, domain: str, tier: int) -> bool:
        """Whether a tier of a domain is in it."""
        return self.lowest <= tier <= self.highest and self.covers_domain(tenant, domain)


@dataclass(frozen=True, slots=True)
class KeyScopes:
    """All that one process holds keys for."""

    patterns: tuple[ScopePattern, ...]

    @classmethod
    def parse(cls, texts: Iterable[str]) -> Self:
        """Read them.

        Raises:
            ConfigurationError: One of them is none.
        """
        return cls(tuple(map(ScopePattern.parse, texts)))

    def covers_tenant(self, tenant: str) -> bool:
        """Whether anything of a tenant's is among them."""
        return any(each.covers_tenant(tenant) for each in self.patterns)

    def covers_domain(self, tenant: str, domain: str) -> bool:
        """Whether anything of a domain's is among them."""
        return any(each.covers_domain(tenant, domain) for each in self.patterns)

    def covers(self, tenant: str, domain: str, tier: int) -> bool:
        """Whether a tier of a domain is among them."""
        return any(each.covers(tenant, domain, tier) for each in self.patterns)
