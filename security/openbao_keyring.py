"""Keys in the Transit engine of OpenBao or Vault: a key-encryption key for each scope never leaves the server.

Key-encryption keys are AES-256-GCM; wrapped keys are bound to scope and key id by associated data. Index keys and
signing seeds are derived by Transit keys that can do nothing but HMAC (security.deriving_keyring). HTTP and tokens are
security.openbao_client's.
"""

import binascii
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Final

import msgspec

from schemas.errors import ConfigurationError
from security.deriving_keyring import DerivingKeyring, kek_name, tombstone_name
from security.key_provider import KEY_BYTES, KeyUnavailable, Scope, UnwrapFailed, WrappedKey, wrapping_context
from security.openbao_client import OpenBaoClient, RefusedByVault, SecretAnswer

_KEK_TYPE: Final = "aes256-gcm96"
_HMAC_TYPE: Final = "hmac"
_NEW_KEYS: Final[Mapping[str, dict[str, object]]] = {
    _KEK_TYPE: {"type": _KEK_TYPE},
    _HMAC_TYPE: {"type": _HMAC_TYPE, "key_size": KEY_BYTES},
}
_DERIVING_VERSION: Final = 1
"""Rotating an index key or a seed would be another key: terms would match nothing, a log would change its name."""
_CIPHERTEXT: Final = re.compile(rb"vault:v[1-9][0-9]{0,8}:[A-Za-z0-9+/]{1,8000}={0,2}")


class _Key(msgspec.Struct):
    """What Transit says about a key; `keys` holds when each usable version was made, in seconds since 1970."""

    type: str
    latest_version: int
    exportable: bool = False
    allow_plaintext_backup: bool = False
    derived: bool = False
    keys: dict[str, int] = {}


class _Ciphertext(msgspec.Struct):
    ciphertext: str


class _Plaintext(SecretAnswer):
    plaintext: bytes


class _Mac(SecretAnswer):
    hmac: str


class OpenBaoKeyring(DerivingKeyring):
    """A key provider over a Transit engine.

    Keys are made when first needed, where the token's policy allows it. `unwrap` never makes one. Only keys that can't
    be exported are used.
    """

    def __init__(self, client: OpenBaoClient) -> None:
        super().__init__()
        self._client = client

    def __repr__(self) -> str:
        return f"OpenBaoKeyring({self._client!r})"

    def answers(self) -> str:
        """Ask the server whether it is there; returns what it is, for an operator.

        Raises:
            SealstreamError: It does not answer, or can't be used by us.
        """
        return f"OpenBao or Vault {self._client.version()}"

    def kek_id(self, scope: Scope) -> str:
        """Name the version of the scope's key that wraps now, making the key if there is none."""
        name, key = kek_name(scope), self._kek(scope)
        return self._kek_id(name, key.latest_version, key)

    def wrap(self, scope: Scope, key: bytes) -> WrappedKey:
        """Seal a key under the newest version of the scope's key."""
        name = kek_name(scope)
        info = self._kek(scope)
        kek_id = self._kek_id(name, info.latest_version, info)
        body: dict[str, object] = {
            "plaintext": b64encode(key).decode(),
            "associated_data": b64encode(wrapping_context(scope, kek_id)).decode(),
            # The id that is bound names a version: a rotation between the two calls must not make it another's.
            "key_version": info.latest_version,
        }
        return WrappedKey(kek_id, self._client.write(f"encrypt/{name}", body, _Ciphertext).ciphertext.encode())

    def unwrap(self, scope: Scope, wrapped: WrappedKey) -> bytes:
        """Open a key that `wrap` sealed.

        Raises:
            KeyUnavailable: The scope's key, or the version of it that wrapped, is not there any more.
            UnwrapFailed: The wrapped key was altered or made for another scope.
            Unavailable: The server does not answer.
        """
        if _CIPHERTEXT.fullmatch(wrapped.ciphertext) is None:
            raise UnwrapFailed(wrapped.kek_id)
        name = kek_name(scope)
        body: dict[str, object] = {
            "ciphertext": wrapped.ciphertext.decode(),
            "associated_data": b64encode(wrapping_context(scope, wrapped.kek_id)).decode(),
        }
        try:
            return self._client.write(f"decrypt/{name}", body, _Plaintext).plaintext
        except RefusedByVault as exc:
            # It answers a key that is gone and a broken ciphertext alike.
            key = self._client.read(f"keys/{name}", _Key)
            known = [] if key is None else [self._kek_id(name, int(version), key) for version in key.keys]
            if wrapped.kek_id not in known:
                raise KeyUnavailable(wrapped.kek_id, f"Transit engine {self._client.mount!r}") from exc
            raise UnwrapFailed(wrapped.kek_id) from exc

    def renew(self, scope: Scope) -> None:
        """Make another version of the scope's key: it wraps from now on, former ones still open."""
        name = kek_name(scope)
        self._kek(scope)
        self._client.write(f"keys/{name}/rotate", {}, msgspec.Raw)

    def retire(self, scope: Scope, kek_id: str) -> None:
        """Have the server delete the versions before the one of this name, which wraps now.

        Raises:
            KeyUnavailable: It is not the one that wraps now; nothing is deleted.
        """
        name = kek_name(scope)
        key = self._client.read(f"keys/{name}", _Key)
        if key is None or self._kek_id(name, key.latest_version, key) != kek_id:
            raise KeyUnavailable(kek_id, f"Transit engine {self._client.mount!r}")
        newest = key.latest_version
        if newest > 1:
            limits: dict[str, object] = {"min_decryption_version": newest, "min_encryption_version": newest}
            self._client.write(f"keys/{name}/config", limits, msgspec.Raw)
            self._client.write(f"keys/{name}/trim", {"min_available_version": newest}, msgspec.Raw)

    def destroy(self, scope: Scope) -> None:
        """Have the server delete the scope's key, and see that none is made under its name again."""
        name, tombstone = kek_name(scope), tombstone_name(scope)
        # First: of two that are at work, one that makes a key looks for this one before.
        self._client.write(f"keys/{tombstone}", _NEW_KEYS[_HMAC_TYPE], msgspec.Raw)
        if self._client.read(f"keys/{name}", _Key) is not None:
            self._client.write(f"keys/{name}/config", {"deletion_allowed": True}, msgspec.Raw)
            self._client.delete(f"keys/{name}")

    def is_destroyed(self, scope: Scope) -> bool:
        """Whether the scope's key was destroyed, and is gone."""
        return (
            self._client.read(f"keys/{tombstone_name(scope)}", _Key) is not None
            and self._client.read(f"keys/{kek_name(scope)}", _Key) is None
        )

    def _kek(self, scope: Scope) -> _Key:
        """What the server says about the scope's key, made if there never was one.

        Raises:
            KeyUnavailable: It was destroyed.
        """
        name = kek_name(scope)
        if (
            self._client.read(f"keys/{name}", _Key) is None
            and self._client.read(f"keys/{tombstone_name(scope)}", _Key) is not None
        ):
            raise KeyUnavailable(name, f"Transit engine {self._client.mount!r} any more: it was destroyed")
        return self._key(name, _KEK_TYPE)

    def _hmac(self, name: str, message: bytes) -> bytes:
        body: dict[str, object] = {
            "input": b64encode(message).decode(),
            "algorithm": "sha2-256",
            "key_version": _DERIVING_VERSION,
        }
        try:
            mac = self._client.write(f"hmac/{name}", body, _Mac).hmac
        except RefusedByVault:
            self._key(name, _HMAC_TYPE)  # the likely reason: there was none yet
            mac = self._client.write(f"hmac/{name}", body, _Mac).hmac
        try:
            return b64decode(mac.rpartition(":")[2], validate=True)
        except binascii.Error:
            return b""

    def _key(self, name: str, kind: str) -> _Key:
        """What the server says about a key of ours, made if there is none."""
        path = f"keys/{name}"
        key = self._client.read(path, _Key)
        if key is None:
            # Of two processes that make one, the later finds the earlier one's.
            self._client.write(path, _NEW_KEYS[kind], msgspec.Raw)
            key = self._client.read(path, _Key)
        if key is None or key.type != kind or key.exportable or key.allow_plaintext_backup or key.derived:
            raise ConfigurationError(
                f"Transit key {name!r} must be of type {kind}, not derived, not exportable, without plaintext backup; "
                "delete it if nothing was sealed under it, and let it be made anew"
            )
        return key

    def _kek_id(self, name: str, version: int, key: _Key) -> str:
        # The moment of making tells a key from one that was made anew under its name after it had been destroyed.
        return f"openbao:{self._client.mount}/{name}.v{version}#{key.keys.get(str(version), 0)}"
