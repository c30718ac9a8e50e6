"""Who acted, as a log says it: a pseudonym that only the platform can make, the same within one tenant."""

import asyncio
from collections.abc import Collection, Iterable
from typing import Final

from security.hmac_sha256 import Mac, keyed
from security.key_provider import KeyProvider

ACTOR_KEY: Final = "actor"
"""Name of each tenant's index key of pseudonyms."""

_BYTES = 12


class Pseudonyms:
    """Makes many actors' names; the keyring is asked once for each tenant, whose key stays the same for good."""

    def __init__(self, keyring: KeyProvider) -> None:
        self._keyring = keyring
        self._macs: dict[str, Mac] = {}

    async def learn(self, tenants: Collection[str]) -> None:
        """Ask for these tenants' keys while others work: the keyring's provider may be a server."""
        if missing := [tenant for tenant in tenants if tenant not in self._macs]:
            await asyncio.to_thread(lambda: [self._mac(tenant) for tenant in missing])

    def of(self, tenant: str, actor: str) -> str:
        """The actor's name in the tenant's log."""
        return _named(self._mac(tenant), actor)

    def _mac(self, tenant: str) -> Mac:
        mac = self._macs.get(tenant)
        if mac is None:
            mac = self._macs[tenant] = keyed(self._keyring.index_key(tenant, ACTOR_KEY))
        return mac


def pseudonym(keyring: KeyProvider, tenant: str, actor: str) -> str:
    """The actor's name in the tenant's log."""
    return _named(keyed(keyring.index_key(tenant, ACTOR_KEY)), actor)


def named_by_pseudonym(keyring: KeyProvider, tenant: str, actors: Iterable[str]) -> dict[str, str]:
    """Who of these is meant by which pseudonym in the tenant's log."""
    mac = keyed(keyring.index_key(tenant, ACTOR_KEY))
    return {_named(mac, actor): actor for actor in actors}


def _named(mac: Mac, actor: str) -> str:
    return mac(actor.encode())[:_BYTES].hex()
