"""Who acts: a person with roles, or a key that acts for one with less. How they prove it is tokens and api_key."""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final, TypeVar

from schemas.errors import ConfigurationError, SealstreamError
from security.access.presented import Presented
from security.key_provider import MAX_TIER

T = TypeVar("T")


class Role(StrEnum):
    """What a person is here. Whoever runs the platform neither decides who sees what nor checks that."""

    OPERATOR = "operator"
    ADMINISTRATOR = "administrator"
    AUDITOR = "auditor"
    READER = "reader"


class Action(StrEnum):
    """What can be done to records and to what decides over them; the names that policies use."""

    READ = "read"
    READ_MASKED = "read_masked"
    SEARCH = "search"
    RECEIPT = "receipt"
    REPLAY = "replay"
    ERASE = "erase"
    REQUEST = "request"
    APPROVE = "approve"


class Method(StrEnum):
    """How somebody proved who they are."""

    TOKEN = "token"  # noqa: S105 not a secret, the word
    API_KEY = "api_key"
    LOCAL = "local"


SEPARATE: Final = frozenset({Role.OPERATOR, Role.ADMINISTRATOR, Role.AUDITOR})
"""Of these nobody holds two."""


class NotAuthenticated(SealstreamError):
    """Nobody that we know: a credential that is missing, wrong, expired or not for us.

    Attributes:
        reason: A code for programs. It tells the caller what to renew, never which check a forged credential failed
            at: everything that only an attacker meets is `invalid_token` or `invalid_key`.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class RolesNotSeparate(ConfigurationError):
    """Roles of one person that must be different persons'."""

    def __init__(self, roles: Collection[Role]) -> None:
        both = " and ".join(sorted(roles))
        super().__init__(f"{both} are roles of different persons; grant one of them to somebody else")


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Somebody whose identity is proved, as decisions see them.

    Attributes:
        person: Stable id of the person; what acts for somebody has that person's.
        tenant: The organisation they belong to.
        department: Within it.
        tier: The highest tier that they may read without an approval: 0 for none.
        actions: What this credential is good for; None for all that its person may do.
        projects: Likewise, the projects.
        credential: Which one it was: an issuer, or the id of an API key.
        proof: The credential itself, for whoever has to see it too; no decision depends on it.

    Raises:
        RolesNotSeparate: The person holds two of the separate roles, wherever that was written down.
        ConfigurationError: A name is missing, or there is no such tier.
    """

    person: str
    tenant: str
    department: str
    roles: frozenset[Role]
    tier: int
    method: Method
    credential: str = ""
    actions: frozenset[Action] | None = None
    projects: frozenset[str] | None = None
    proof: Presented | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_roles(self.roles)
        if not (self.person and self.tenant and self.department):
            raise ConfigurationError("a person has an id, a tenant and a department")
        if not 0 <= self.tier <= MAX_TIER:
            raise ConfigurationError(f"a standing tier is 0 to {MAX_TIER}")

    @property
    def unit(self) -> tuple[str, str]:
        """Tenant and department."""
        return self.tenant, self.department

    def may_use(self, action: Action, project: str | None = None) -> bool:
        """Whether the credential is good for an action, which is not yet that its person may do it."""
        if self.actions is not None and action not in self.actions:
            return False
        return self.projects is None or (project is not None and project in self.projects)

    def limited(
        self,
        *,
        method: Method,
        credential: str,
        tier: int,
        actions: frozenset[Action] | None,
        projects: frozenset[str] | None,
    ) -> "Principal":
        """The same person through a credential that is good for less."""
        return replace(
            self,
            method=method,
            credential=credential,
            tier=min(self.tier, tier),
            actions=_both(self.actions, actions),
            projects=_both(self.projects, projects),
        )


def _both(one: frozenset[T] | None, other: frozenset[T] | None) -> frozenset[T] | None:
    if one is None or other is None:
        return other if one is None else one
    return one & other


def check_roles(roles: Collection[Role]) -> None:
    """See that these may be one person's.

    Raises:
        RolesNotSeparate: They may not.
    """
    both = SEPARATE & frozenset(roles)
    if len(both) > 1:
        raise RolesNotSeparate(both)
