"""A keyring that works like the one it wraps and remembers which scopes' keys were asked for."""

from security.file_keyring import FileKeyring
from security.key_provider import Scope, WrappedKey


class RecordingKeyring:
    """Attributes: `unwrapped` holds every scope whose wrapped keys somebody had opened."""

    def __init__(self, keyring: FileKeyring) -> None:
        self._keyring = keyring
        self.unwrapped: list[Scope] = []

    def kek_id(self, scope: Scope) -> str:
        """As the keyring."""
        return self._keyring.kek_id(scope)

    def wrap(self, scope: Scope, key: bytes) -> WrappedKey:
        """As the keyring."""
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
