"""Who acted, as a log says it: a pseudonym that only the platform can make, the same within one tenant."""

import hmac
from collections.abc import Iterable

from security.key_provider import KeyProvider

_KEY = "actor"
_BYTES = 12


def pseudonym(keyring: KeyProvider, tenant: str, actor: str) -> str:
    """The actor's name in the tenant's log."""
    return _named(keyring.index_key(tenant, _KEY), actor)


def named_by_pseudonym(keyring: KeyProvider, tenant: str, actors: Iterable[str]) -> dict[str, str]:
    """Who of these is meant by which pseudonym in the tenant's log."""
    key = keyring.index_key(tenant, _KEY)
    return {_named(key, actor): actor for actor in actors}


def _named(key: bytes, actor: str) -> str:
    return hmac.digest(key, actor.encode(), "sha256")[:_BYTES].hex()
