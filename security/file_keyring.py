"""A keyring of plain files for development and tests: one key for each file, readable by its owner alone.

Whoever copies the directory has every key: production keeps its keys in a vault or an HSM behind the same
security.key_provider.KeyProvider. Layout:

    kek/<tenant>/<domain>/t<tier>.e<epoch>[.v<version>].key   index/<tenant>/<field>.key   seed/<name>.key

so that a process can be given the files of some tiers or tenants and no others. Where a key was destroyed there is
`t<tier>.e<epoch>.shredded` in its place, and no key is made there again.
"""

import base64
import binascii
import contextlib
import hashlib
import os
import re
import secrets
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from schemas.errors import ConfigurationError
from security.key_provider import KEY_BYTES, KeyUnavailable, Scope, UnwrapFailed, WrappedKey, wrapping_context

_HEADER: Final = b"sealstream-key/1 "
_WRAP_VERSION: Final = b"\x01"
_NONCE_BYTES: Final = 12
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_MAX_NAME: Final = 120
_UNSAFE = re.compile(rb"[^a-z0-9-]")


class FileKeyring:
    """A `KeyProvider` over a directory; also keeps the signing seeds of logs and authorities.

    Keys are made when first needed. Only `unwrap` never makes one: a key that is gone must stay gone, or destroying it
    would look like damage instead.
    """

    def __init__(self, directory: Path) -> None:
        self._root = directory

    def __repr__(self) -> str:
        return f"FileKeyring({str(self._root)!r})"

    def kek_id(self, scope: Scope) -> str:
        """Name the scope's key by its place and a fingerprint, making the key if there is none."""
        return _kek_id(scope, self._kek(scope))

    def wrap(self, scope: Scope, key: bytes) -> WrappedKey:
        """Seal a key with AES-256-GCM. The nonce is random: a scope wraps a handful of keys, never 2^32."""
        kek = self._kek(scope)
        kek_id = _kek_id(scope, kek)
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = AESGCM(kek).encrypt(nonce, key, wrapping_context(scope, kek_id))
        return WrappedKey(kek_id, _WRAP_VERSION + nonce + sealed)

    def unwrap(self, scope: Scope, wrapped: WrappedKey) -> bytes:
        """Open a key that `wrap` sealed.

        Raises:
            KeyUnavailable: No key file of the scope holds the key that wrapped.
            UnwrapFailed: The wrapped key was altered or made for another scope.
            ConfigurationError: The file may be read by others, or can't be read.
        """
        kek = next((each for each in self._keks(scope).values() if _kek_id(scope, each) == wrapped.kek_id), None)
        if kek is None:
            raise KeyUnavailable(wrapped.kek_id, "this keyring")
        version, nonce, sealed = wrapped.ciphertext[:1], wrapped.ciphertext[1:13], wrapped.ciphertext[13:]
        # Lengths first: AESGCM answers a short nonce with ValueError, and that is no key error.
        if version != _WRAP_VERSION or len(nonce) != _NONCE_BYTES:
            raise UnwrapFailed(wrapped.kek_id)
        try:
            return AESGCM(kek).decrypt(nonce, sealed, wrapping_context(scope, wrapped.kek_id))
        except InvalidTag as exc:
            raise UnwrapFailed(wrapped.kek_id) from exc

    def index_key(self, tenant: str, field: str) -> bytes:
        """Return the 32-byte key of a tenant's keyed digests of one field, making it if there is none."""
        return self._key("index", _file_name(tenant), _file_name(field) + ".key")

    def signing_seed(self, name: str) -> bytes:
        """Return the 32-byte Ed25519 seed of that name, for example `log-bank-a`, making it if there is none."""
        return self._key("seed", _file_name(name) + ".key")

    def answers(self) -> str:
        """What it is, for an operator; files need no asking."""
        return "files, for development"

    def renew(self, scope: Scope) -> None:
        """Make another key for the scope: it wraps from now on, former ones still open."""
        self._kek(scope)
        newest = max(self._keks(scope))
        self._key(*_kek_path(scope, newest + 1))

    def retire(self, scope: Scope, kek_id: str) -> None:
        """Delete the scope's keys but the one of this name, which wraps now.

        Raises:
            KeyUnavailable: It is not the one that wraps now; nothing is deleted.
        """
        keks = self._keks(scope)
        newest = max(keks, default=0)
        if not newest or _kek_id(scope, keks[newest]) != kek_id:
            raise KeyUnavailable(kek_id, "this keyring")
        self._delete(scope, [version for version in keks if version != newest])

    def destroy(self, scope: Scope) -> None:
        """Delete the scope's keys, and see that none is made again. What a disk or a backup keeps is its owner's."""
        try:
            directory = self._root.joinpath(*_kek_path(scope)[:-1])
            _private_directories(self._root, directory)
            (directory / _tombstone(scope)).touch(mode=0o600)
            _sync_directory(directory)
        except OSError as exc:
            raise _cannot_use(self._root, exc) from exc
        self._delete(scope, self._keks(scope))

    def is_destroyed(self, scope: Scope) -> bool:
        """Whether the scope's keys were destroyed, and are gone."""
        return self._was_destroyed(scope) and not self._keks(scope)

    def _was_destroyed(self, scope: Scope) -> bool:
        return self._root.joinpath(*_kek_path(scope)[:-1], _tombstone(scope)).exists()

    def _kek(self, scope: Scope) -> bytes:
        """The key that wraps now, made if there never was one.

        Raises:
            KeyUnavailable: It was destroyed.
        """
        keks = self._keks(scope)
        if not keks:
            self._refuse_destroyed(scope)
            self._key(*_kek_path(scope))
            if self._was_destroyed(scope):  # in between
                self._delete(scope, [1])
            self._refuse_destroyed(scope)
            keks = self._keks(scope)
        return keks[max(keks)]

    def _refuse_destroyed(self, scope: Scope) -> None:
        if self._was_destroyed(scope):
            raise KeyUnavailable("/".join(_kek_path(scope)[1:]), "this keyring any more: it was destroyed")

    def _keks(self, scope: Scope) -> dict[int, bytes]:
        """The scope's keys by version."""
        directory = self._root.joinpath(*_kek_path(scope)[:-1])
        try:
            names = [path.name for path in directory.iterdir()]
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except OSError as exc:
            raise _cannot_use(self._root, exc) from exc
        pattern = re.compile(rf"t{scope.tier}\.e{scope.epoch}(?:\.v([1-9][0-9]{{0,8}}))?\.key")
        versions = sorted(int(found[1] or 1) for name in names if (found := pattern.fullmatch(name)))
        keys = {version: self._existing(*_kek_path(scope, version)) for version in versions}
        return {version: key for version, key in keys.items() if key is not None}

    def _delete(self, scope: Scope, versions: Iterable[int]) -> None:
        try:
            for version in versions:
                path = self._root.joinpath(*_kek_path(scope, version))
                path.unlink(missing_ok=True)
                _sync_directory(path.parent)
        except OSError as exc:
            raise _cannot_use(self._root, exc) from exc

    def _key(self, *path: str) -> bytes:
        try:
            directory = self._root.joinpath(*path[:-1])
            _private_directories(self._root, directory)
            return _read_or_create(directory / path[-1])
        except OSError as exc:
            raise _cannot_use(self._root, exc) from exc

    def _existing(self, *path: str) -> bytes | None:
        try:
            directory = self._root
            for part in path[:-1]:
                _check_private(directory)
                directory /= part
            _check_private(directory)
            return _read(directory / path[-1])
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as exc:
            raise _cannot_use(self._root, exc) from exc


def _kek_path(scope: Scope, version: int = 1) -> tuple[str, ...]:
    name = f"t{scope.tier}.e{scope.epoch}" + (f".v{version}" if version > 1 else "")
    return "kek", _file_name(scope.tenant), _file_name(scope.domain), name + ".key"


def _tombstone(scope: Scope) -> str:
    return f"t{scope.tier}.e{scope.epoch}.shredded"


def _kek_id(scope: Scope, kek: bytes) -> str:
    # The fingerprint tells a key from one that was made anew under its name after it had been destroyed.
    fingerprint = hashlib.sha256(b"sealstream kek fingerprint\0" + kek).hexdigest()[:16]
    return "file:" + "/".join(_kek_path(scope)[1:]).removesuffix(".key") + "#" + fingerprint


def _file_name(text: str) -> str:
    """Make a file name of any text: one name for each text, on case-insensitive disks too, and never a path.

    Lower-case letters, digits and dashes stay; other bytes become `=` and two hex digits; a long name ends in a digest.
    """
    try:
        raw = text.encode()
    except UnicodeEncodeError as exc:
        raise ConfigurationError("a tenant, domain or key name is not valid Unicode text") from exc
    if not raw:
        raise ConfigurationError("a tenant, domain or key name is empty")
    name = _UNSAFE.sub(lambda byte: b"=%02x" % byte[0][0], raw).decode()
    if len(name) > _MAX_NAME:
        # `=h` can't come from a byte, so no short text has this name.
        name = f"{name[: _MAX_NAME - 66]}=h{hashlib.sha256(raw).hexdigest()}"
    return name


def _private_directories(root: Path, path: Path) -> None:
    """See that every directory from the root to this one is there, and private."""
    _private_directory(root)
    for part in path.relative_to(root).parts:
        root /= part
        _private_directory(root)


def _private_directory(path: Path) -> None:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode=0o700, exist_ok=True)
        # Above the keyring a directory may be searchable and yet not readable; there durability is its owner's matter.
        with contextlib.suppress(PermissionError):
            _sync_directory(path.parent)
    _check_private(path)


def _check_private(path: Path) -> None:
    status = path.stat()
    if not stat.S_ISDIR(status.st_mode):
        raise ConfigurationError(f"{path} must be a directory of the keyring")
    if status.st_mode & _OTHERS:
        raise ConfigurationError(f"keyring directory {path} is open to other users; run `chmod 700 {path}`")


def _read_or_create(path: Path) -> bytes:
    with contextlib.suppress(FileNotFoundError):
        return _read(path)
    key = secrets.token_bytes(KEY_BYTES)
    draft = path.with_name(f".{secrets.token_hex(8)}.tmp")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(_HEADER + base64.b64encode(key) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        # A rename would replace the key of a process that was faster, and that one may already have sealed with it.
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()
    _sync_directory(path.parent)
    return _read(path)


def _sync_directory(path: Path) -> None:
    # A key is only safe to seal with once the entry that names its file is durable.
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise ConfigurationError(f"{path} must be a key file")
        if status.st_mode & _OTHERS:
            raise ConfigurationError(f"key file {path} is open to other users; run `chmod 600 {path}`")
        content = file.read(256)
    try:
        key = base64.b64decode(content.removeprefix(_HEADER).rstrip(b"\n"), validate=True)
    except binascii.Error:
        key = b""
    if not content.startswith(_HEADER) or len(key) != KEY_BYTES:
        raise ConfigurationError(f"key file {path} is damaged; restore it from a backup")
    return key


def _cannot_use(root: Path, exc: OSError) -> ConfigurationError:
    return ConfigurationError(f"cannot use the keyring {root}: {exc.strerror}; check that this user owns it")
