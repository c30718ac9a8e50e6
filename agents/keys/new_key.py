"""A producer's key that shall be registered: what it must say, and its row. Registering is agents.keys.registrar."""

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from agents.keys.certificates import CertificateOffer
from schemas.errors import ConfigurationError
from schemas.tenant import PLATFORM_TENANT
from security.jwk import Jwk
from streams.storage.keys import SigningKeyRow

KEY_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SCOPE_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """A public key and what it shall be good for; see security.key_registry.SigningKey.

    Attributes:
        offer: The chain of certificates that vouches for it, to be verified as it is registered.
    """

    name: str
    jwk: Jwk
    tenant: str
    domain: str
    sources: Sequence[str]
    not_before: dt.datetime | None = None
    not_after: dt.datetime | None = None
    offer: CertificateOffer | None = None

    def row(self) -> SigningKeyRow:
        """The row that registers it.

        Raises:
            ConfigurationError: A name is not allowed, or it would never be valid.
        """
        check_key_name(self.name)
        check_scope(self.tenant, self.domain)
        if self.not_before is not None and self.not_after is not None and self.not_after <= self.not_before:
            raise ConfigurationError(f"key {self.name!r}: its validity ends before it begins; see --not-after")
        return SigningKeyRow(
            key_id=self.name,
            jwk=dict(replace(self.jwk, key_id=None).to_members()),
            tenant=self.tenant,
            domain=self.domain,
            sources=list(self.sources),
            not_before=self.not_before,
            not_after=self.not_after,
        )


def check_key_name(name: str) -> None:
    """See that a name can be a key id here.

    Raises:
        ConfigurationError: It can't.
    """
    if not KEY_NAME.fullmatch(name):
        raise ConfigurationError(f"key name {name!r}: use letters, digits, dot, dash and underscore, 64 at most")


def check_scope(tenant: str, domain: str) -> None:
    """See that names can be a producer's tenant and domain.

    Raises:
        ConfigurationError: They can't.
    """
    for what, text in (("tenant", tenant), ("domain", domain)):
        if not _SCOPE_NAME.fullmatch(text):
            raise ConfigurationError(f"{what} {text!r}: use lower-case letters, digits and dashes, 63 at most")
    if tenant == PLATFORM_TENANT:
        raise ConfigurationError(f"tenant {PLATFORM_TENANT!r} is the platform's own; name the producer's organisation")
