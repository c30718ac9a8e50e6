"""A person as registered: how they are known, where they belong, what they are, and the key that they sign with."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import msgspec

from schemas.errors import ConfigurationError
from security.access.principal import Method, NotAuthenticated, Principal, Role
from security.jwk import public_jwk, thumbprint

PERSON_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,127}")
UNIT_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


class Duty(StrEnum):
    """Whose answer a step of an approval is."""

    UNIT_HEAD = "unit_head"
    DATA_PROVIDER = "data_provider"
    EXCHANGE_AUTHORITY = "exchange_authority"


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A registered person.

    Attributes:
        issuer: Whose tokens say who they are.
        subject: By which of them.
        jwk: Their public key; None for somebody who signs nothing.
        active: False from when they are no longer here.

    Raises:
        RolesNotSeparate: They hold two of the separate roles.
        ConfigurationError: A name has not its form, or the key is none.
    """

    person: str
    tenant: str
    department: str
    roles: frozenset[Role]
    tier: int
    duties: frozenset[Duty] = frozenset()
    issuer: str | None = None
    subject: str | None = None
    jwk: Mapping[str, str] | None = None
    active: bool = True
    key: str | None = field(init=False)

    def __post_init__(self) -> None:
        if not PERSON_ID.fullmatch(self.person):
            raise ConfigurationError("a person's id is letters, digits and . _ @ -, at most 128 of them")
        if not (UNIT_NAME.fullmatch(self.tenant) and UNIT_NAME.fullmatch(self.department)):
            raise ConfigurationError("tenant and department are small letters, digits and -, at most 63 of them")
        if (self.issuer is None) != (self.subject is None):
            raise ConfigurationError("an issuer and a subject are named together, or neither")
        if self.duties and self.jwk is None:
            raise ConfigurationError("whoever approves signs: name their public key")
        self.principal(Method.LOCAL)
        object.__setattr__(self, "key", None if self.jwk is None else thumbprint(public_jwk(self.jwk).public_key))

    @property
    def unit(self) -> tuple[str, str]:
        """Tenant and department."""
        return self.tenant, self.department

    def principal(self, method: Method, credential: str = "") -> Principal:
        """The person, once that it is them is proved."""
        return Principal(
            person=self.person,
            tenant=self.tenant,
            department=self.department,
            roles=self.roles,
            tier=self.tier,
            method=method,
            credential=credential,
        )

    def authenticated(self, method: Method, credential: str = "") -> Principal:
        """Likewise, unless they are no longer here.

        Raises:
            NotAuthenticated: They are not.
        """
        if not self.active:
            raise NotAuthenticated("unknown_person", "nobody of that name is registered here")
        return self.principal(method, credential)

    def agreed(self) -> bytes:
        """What the platform vouches for: all of it, in one form."""
        return msgspec.json.encode(
            {
                "active": self.active,
                "department": self.department,
                "duties": sorted(self.duties),
                "issuer": self.issuer,
                "jwk": None if self.jwk is None else dict(sorted(self.jwk.items())),
                "person": self.person,
                "roles": sorted(self.roles),
                "subject": self.subject,
                "tenant": self.tenant,
                "tier": self.tier,
            },
            order="sorted",
        )
