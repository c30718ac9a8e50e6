"""Who acted, as a log says it: a pseudonym that only the platform can make, the same within one tenant."""

import hmac

from security.key_provider import KeyProvider

_KEY = "actor"
_BYTES = 12


def pseudonym(keyring: KeyProvider, tenant: str, actor: str) -> str:
    """The actor's name in the tenant's log."""
    return hmac.digest(keyring.index_key(tenant, _KEY), actor.encode(), "sha256")[:_BYTES].hex()
