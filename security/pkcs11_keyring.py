"""Keys in a PKCS#11 token: AES-256 keys that wrap tier keys, and HMAC keys that derive (security.deriving_keyring).

All of them are made in the token, sensitive and not extractable. A wrapped key is version (1 byte), nonce (12),
ciphertext and tag of CKM_AES_GCM, with scope and key id as associated data.
"""

import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, cast

from schemas.errors import ConfigurationError
from security.deriving_keyring import DerivingKeyring, kek_name, tombstone_name
from security.key_provider import KEY_BYTES, KeyUnavailable, Scope, UnwrapFailed, WrappedKey, wrapping_context
from security.pkcs11_token import Pkcs11Token

if TYPE_CHECKING:  # an optional extra
    import pkcs11
    from pkcs11.types import DecryptMixin, EncryptMixin, SignMixin

_VERSION: Final = b"\x01"
_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16
_WRAPPED_BYTES: Final = len(_VERSION) + _NONCE_BYTES + KEY_BYTES + _TAG_BYTES
_ID_BYTES: Final = 8
_VERSION_BYTES: Final = 2
SETTLE_SECONDS: Final = 0.2
"""A token has no way to make a key unless there is one: who made one looks again after this while."""


class Pkcs11Keyring(DerivingKeyring):
    """A key provider over one token. Keys are made when first needed; `unwrap` never makes one."""

    def __init__(self, token: Pkcs11Token) -> None:
        super().__init__()
        self._token = token

    def __repr__(self) -> str:
        return f"Pkcs11Keyring({self._token!r})"

    def answers(self) -> str:
        """Ask the token whether it is there; returns what it is, for an operator.

        Raises:
            SealstreamError: It is not there, or can't be used by us.
        """
        return self._token.run(lambda session: f"token {session.token.label!r} of {session.token.manufacturer_id!r}")

    def kek_id(self, scope: Scope) -> str:
        """Name the scope's key by its label and id, making the key if there is none."""
        return self._token.run(lambda session: self._kek_id(_kek(session, scope)))

    def wrap(self, scope: Scope, key: bytes) -> WrappedKey:
        """Seal a key with AES-256-GCM. The nonce is random: a scope wraps a handful of keys, never 2^32."""

        def wrap(session: "pkcs11.Session") -> WrappedKey:
            kek = _kek(session, scope)
            kek_id, nonce = self._kek_id(kek), os.urandom(_NONCE_BYTES)
            return WrappedKey(kek_id, _VERSION + nonce + _encrypt(kek, key, nonce, wrapping_context(scope, kek_id)))

        return self._token.run(wrap)

    def unwrap(self, scope: Scope, wrapped: WrappedKey) -> bytes:
        """Open a key that `wrap` sealed.

        Raises:
            KeyUnavailable: The token has not got the key that wrapped.
            UnwrapFailed: The wrapped key was altered or made for another scope.
            Unavailable: The token does not answer.
        """
        if len(wrapped.ciphertext) != _WRAPPED_BYTES or wrapped.ciphertext[:1] != _VERSION:
            raise UnwrapFailed(wrapped.kek_id)
        nonce, sealed = wrapped.ciphertext[1:13], wrapped.ciphertext[13:]

        def unwrap(session: "pkcs11.Session") -> bytes | None:
            from pkcs11 import PKCS11Error

            # An id that is bound names one object, also where a label was used twice.
            found = [kek for kek in _keys(session, kek_name(scope)) if self._kek_id(kek) == wrapped.kek_id]
            if not found:
                raise KeyUnavailable(wrapped.kek_id, f"token {self._token.label!r}")
            context = wrapping_context(scope, wrapped.kek_id)
            try:
                return _decrypt(_checked(found[0]), sealed, nonce, context)
            except PKCS11Error:
                # Modules answer a broken ciphertext and a broken device alike: one that opens what it sealed just now
                # is sound. If it is not, this raises too.
                probe = os.urandom(_NONCE_BYTES)
                _decrypt(found[0], _encrypt(found[0], bytes(KEY_BYTES), probe, context), probe, context)
                return None

        key = self._token.run(unwrap)
        if key is None:
            raise UnwrapFailed(wrapped.kek_id)
        return key

    def renew(self, scope: Scope) -> None:
        """Make another key for the scope: it wraps from now on, former ones still open."""

        def renew(session: "pkcs11.Session") -> None:
            from pkcs11 import KeyType, MechanismFlag

            version = _version(_kek(session, scope)) + 1
            key_id = version.to_bytes(_VERSION_BYTES, "big") + os.urandom(_ID_BYTES)
            _new(session, kek_name(scope), KeyType.AES, MechanismFlag.ENCRYPT | MechanismFlag.DECRYPT, key_id)

        self._token.run(renew)

    def retire(self, scope: Scope, kek_id: str) -> None:
        """Destroy the scope's keys but the one of this name, which wraps now.

        Raises:
            KeyUnavailable: It is not the one that wraps now; nothing is destroyed.
        """

        def retire(session: "pkcs11.Session") -> None:
            found = _keys(session, kek_name(scope))
            if not found or self._kek_id(found[0]) != kek_id:
                raise KeyUnavailable(kek_id, f"token {self._token.label!r}")
            for former in found[1:]:
                former.destroy()

        self._token.run(retire)

    def destroy(self, scope: Scope) -> None:
        """Destroy the scope's keys, and leave a key of another label, so that none is made in their place."""

        def destroy(session: "pkcs11.Session") -> None:
            from pkcs11 import KeyType, MechanismFlag

            if not _keys(session, tombstone_name(scope)):
                _new(session, tombstone_name(scope), KeyType.GENERIC_SECRET, MechanismFlag.SIGN)
            for kek in _keys(session, kek_name(scope)):
                kek.destroy()

        self._token.run(destroy)

    def is_destroyed(self, scope: Scope) -> bool:
        """Whether the scope's keys were destroyed, and are gone."""
        return self._token.run(
            lambda session: bool(_keys(session, tombstone_name(scope))) and not _keys(session, kek_name(scope))
        )

    def _hmac(self, name: str, message: bytes) -> bytes:
        from pkcs11 import Mechanism

        def sign(session: "pkcs11.Session") -> bytes:
            key = cast("SignMixin", _hmac_key(session, name))
            return bytes(key.sign(message, mechanism=Mechanism.SHA256_HMAC))

        return self._token.run(sign)

    def _kek_id(self, kek: "pkcs11.SecretKey") -> str:
        return f"pkcs11:{self._token.label}/{kek.label}#{kek.id.hex()}"


def _kek(session: "pkcs11.Session", scope: Scope) -> "pkcs11.SecretKey":
    from pkcs11 import KeyType, MechanismFlag

    if not _keys(session, kek_name(scope)) and _keys(session, tombstone_name(scope)):
        raise KeyUnavailable(kek_name(scope), "the token any more: it was destroyed")
    return _existing_or_new(session, kek_name(scope), KeyType.AES, MechanismFlag.ENCRYPT | MechanismFlag.DECRYPT)


def _hmac_key(session: "pkcs11.Session", name: str) -> "pkcs11.SecretKey":
    from pkcs11 import KeyType, MechanismFlag

    return _existing_or_new(session, name, KeyType.GENERIC_SECRET, MechanismFlag.SIGN)


def _existing_or_new(
    session: "pkcs11.Session", label: str, kind: "pkcs11.KeyType", uses: "pkcs11.MechanismFlag"
) -> "pkcs11.SecretKey":
    """The key of that label; of several that were made at once the one with the lowest id."""
    if found := _keys(session, label):
        return _checked(found[0])
    made = _new(session, label, kind, uses)
    time.sleep(SETTLE_SECONDS)
    first = _keys(session, label)[0]
    if first.id != made.id:
        made.destroy()  # nothing was sealed under it yet
    return _checked(first)


def _new(
    session: "pkcs11.Session",
    label: str,
    kind: "pkcs11.KeyType",
    uses: "pkcs11.MechanismFlag",
    key_id: bytes | None = None,
) -> "pkcs11.SecretKey":
    from pkcs11 import Attribute

    return session.generate_key(
        kind,
        8 * KEY_BYTES,
        id=key_id or os.urandom(_ID_BYTES),
        label=label,
        store=True,
        capabilities=uses,
        template={Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False},
    )


def _version(key: "pkcs11.SecretKey") -> int:
    """From 1; a renewed key's id begins with it, and is that much longer."""
    return int.from_bytes(key.id[:-_ID_BYTES], "big") if len(key.id) == _VERSION_BYTES + _ID_BYTES else 1


def _keys(session: "pkcs11.Session", label: str) -> Sequence["pkcs11.SecretKey"]:
    """The keys of that label, the newest version first, and of one version the lowest id."""
    from pkcs11 import Attribute, KeyType, ObjectClass, SecretKey

    objects = session.get_objects({Attribute.CLASS: ObjectClass.SECRET_KEY, Attribute.LABEL: label})
    found = sorted((key for key in objects if isinstance(key, SecretKey)), key=lambda key: (-_version(key), key.id))
    if not found:
        # A session that is not logged in any more sees no key either, and only says so when it should make one.
        session.generate_key(KeyType.AES, 8 * KEY_BYTES, template={Attribute.PRIVATE: True}).destroy()
    return found


def _checked(key: "pkcs11.SecretKey") -> "pkcs11.SecretKey":
    from pkcs11 import Attribute

    if key[Attribute.EXTRACTABLE] or not key[Attribute.SENSITIVE]:
        raise ConfigurationError(
            f"key {key.label!r} in the token can be taken out of it; delete it if nothing was sealed under it, and let "
            "it be made anew"
        )
    return key


def _encrypt(key: "pkcs11.SecretKey", data: bytes, nonce: bytes, context: bytes) -> bytes:
    from pkcs11 import GCMParams, Mechanism

    parameters = GCMParams(nonce, context, 8 * _TAG_BYTES)
    done = cast("EncryptMixin", key).encrypt(data, mechanism=Mechanism.AES_GCM, mechanism_param=parameters)
    return cast(bytes, done)


def _decrypt(key: "pkcs11.SecretKey", data: bytes, nonce: bytes, context: bytes) -> bytes:
    from pkcs11 import GCMParams, Mechanism

    parameters = GCMParams(nonce, context, 8 * _TAG_BYTES)
    done = cast("DecryptMixin", key).decrypt(data, mechanism=Mechanism.AES_GCM, mechanism_param=parameters)
    return cast(bytes, done)
