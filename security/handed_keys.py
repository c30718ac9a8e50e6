"""Data keys that another process made and handed over, for one sealing pass each: sealing without a tier key.

Whoever has one can read what it sealed itself with it, and nothing else. Making them is security.tier_keys.
"""

from collections.abc import Callable, Iterable, Mapping

from security.commitment import Commitments
from security.data_key import NewDataKey
from security.key_provider import KeyUnavailable


class HandedKeys:
    """What was asked for beforehand; each key is given out once.

    Args:
        commitments: How each tenant's values are committed to.
    """

    def __init__(self, keys: Iterable[NewDataKey], commitments: Mapping[str, Commitments]) -> None:
        self._keys = {(key.stored.pass_id, key.stored.tenant, key.stored.domain, key.stored.tier): key for key in keys}
        self._commitments = commitments

    def commitments(self, tenant: str) -> Commitments:
        """How values that are sealed for a tenant now are committed to."""
        return self._commitments[tenant]

    def new_data_key(
        self, pass_id: int, tenant: str, domain: str, tier: int, random: Callable[[int], bytes]
    ) -> NewDataKey:
        """A data key that nothing else seals with; its randomness is that of who made it.

        Raises:
            KeyUnavailable: It was not asked for, or is given out.
        """
        made = self._keys.pop((pass_id, tenant, domain, tier), None)
        if made is None:
            raise KeyUnavailable(f"{tenant}/{domain}/tier {tier}", "what the key release handed over")
        return made
