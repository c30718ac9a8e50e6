"""What vault and HSM keyrings share: the names of their keys, and secrets that their own keys derive.

A key that must be in our memory to be used, an index key or a signing seed, is HMAC-SHA-256 by a key of the provider's
over a fixed message. Nothing of it is stored anywhere, and it ends with the provider's key. What wraps tier keys, and
how a provider is asked, is security.openbao_keyring's and security.pkcs11_keyring's.
"""

import hashlib
import re
from abc import ABC, abstractmethod
from typing import Final

from schemas.errors import ConfigurationError
from security.associated_data import length_prefixed
from security.key_provider import KEY_BYTES, Scope

_MAX_PART: Final = 90
# A name may not end in a dash at every provider, so a part doesn't either.
_UNSAFE: Final = re.compile(rb"[^a-z0-9-]|-$")


class DerivingKeyring(ABC):
    """A keyring whose provider computes HMACs. Each secret is asked for once and kept until the process ends."""

    def __init__(self) -> None:
        self._derived: dict[str, bytes] = {}

    @abstractmethod
    def _hmac(self, name: str, message: bytes) -> bytes:
        """HMAC-SHA-256 by the provider's key of that name, which is made if there is none."""

    def index_key(self, tenant: str, field: str) -> bytes:
        """Return the 32-byte key of a tenant's keyed digests of one field."""
        return self._secret(key_name("index", tenant, field), length_prefixed("sealstream.index-key/1", tenant, field))

    def signing_seed(self, name: str) -> bytes:
        """Return the 32-byte Ed25519 seed of that name, for example `log-bank-a`."""
        return self._secret(key_name("seed", name), length_prefixed("sealstream.signing-seed/1", name))

    def _secret(self, name: str, message: bytes) -> bytes:
        secret = self._derived.get(name)
        if secret is None:
            secret = self._hmac(name, message)
            if len(secret) != KEY_BYTES:
                raise ConfigurationError(f"the key provider's key {name!r} gave no HMAC-SHA-256; see docs/keys.md")
            self._derived[name] = secret
        return secret


def kek_name(scope: Scope) -> str:
    """The provider's name of the scope's key-encryption key: `kek.<tenant>.<domain>.t<tier>.e<epoch>`."""
    return f"{key_name('kek', scope.tenant, scope.domain)}.t{scope.tier}.e{scope.epoch}"


def tombstone_name(scope: Scope) -> str:
    """The provider's name of what stands in the place of a scope's destroyed key, within the same rights."""
    return kek_name(scope) + ".shredded"


def key_name(kind: str, *parts: str) -> str:
    """One name for each list of texts, of lower-case letters, digits, `-`, `_` and, between the parts, `.`.

    Providers' rules can therefore cover a tenant, a domain or a tier by the beginning of a name. Other bytes become `_`
    and two hex digits; a long part ends in a digest.
    """
    return ".".join([kind, *map(_name_part, parts)])


def _name_part(text: str) -> str:
    try:
        raw = text.encode()
    except UnicodeEncodeError as exc:
        raise ConfigurationError("a tenant, domain or key name is not valid Unicode text") from exc
    if not raw:
        raise ConfigurationError("a tenant, domain or key name is empty")
    name = _UNSAFE.sub(lambda byte: b"_%02x" % byte[0][0], raw).decode()
    if len(name) > _MAX_PART:
        # `_h` can't come from a byte, so no short text has this name.
        name = f"{name[: _MAX_PART - 66]}_h{hashlib.sha256(raw).hexdigest()}"
    return name
