"""Keyrings that work like the one they wrap: one remembers which scopes' keys were asked for, one can be away."""

from agents.platform.identity import Keyring
from security.key_provider import Scope, WrappedKey
from security.tier_keys import TierKeysLapsed


class RecordingKeyring:
    """Attributes: `unwrapped` and `wrapped` hold every scope whose keys somebody had opened or sealed."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring
        self.unwrapped: list[Scope] = []
        self.wrapped: list[Scope] = []

    def kek_id(self, scope: Scope) -> str:
        """As the keyring."""
        return self._keyring.kek_id(scope)

    def wrap(self, scope: Scope, key: bytes) -> WrappedKey:
        """As the keyring, and remembered."""
        self.wrapped.append(scope)
        return self._keyring.wrap(scope, key)

    def unwrap(self, scope: Scope, wrapped: WrappedKey) -> bytes:
        """As the keyring, and remembered."""
        self.unwrapped.append(scope)
        return self._keyring.unwrap(scope, wrapped)

    def index_key(self, tenant: str, field: str) -> bytes:
        """As the keyring."""
        return self._keyring.index_key(tenant, field)

    def signing_seed(self, name: str) -> bytes:
        """As the keyring."""
        return self._keyring.signing_seed(name)


class AwayKeyring(RecordingKeyring):
    """A provider that can be away."""

    away = False

    def unwrap(self, scope: Scope, wrapped: WrappedKey) -> bytes:
        if self.away:
            raise TierKeysLapsed
        return super().unwrap(scope, wrapped)
