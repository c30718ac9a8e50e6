"""What a decision is about, and the same as Cedar takes it: requests, and the entities that they speak of."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from schemas.errors import ConfigurationError
from security.access.policy_set import Uid
from security.access.principal import Action, Principal

MAX_PURPOSE: Final = 64

SHARING: Final = ("unconditional", "conditional", "not_shared")


@dataclass(frozen=True, slots=True)
class FieldFacts:
    """A field, as the catalogue has it.

    Attributes:
        sharing: One of `SHARING`.
    """

    name: str
    tier: int
    sharing: str = "not_shared"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordFacts:
    """Where a record comes from and belongs: what of it is known without opening anything.

    Attributes:
        domain: The department or unit that owns it.
        kind: Its CloudEvents type, or the schema of a registry record.
    """

    tenant: str
    domain: str
    source: str
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What else a decision depends on.

    Attributes:
        purpose: What somebody says that they look for.
        time: When.
        approvals: Field name to the level of the approval that covers it now; see security.access.approval.

    Raises:
        ConfigurationError: No purpose is stated, or it is no word.
    """

    purpose: str
    time: dt.datetime
    approvals: tuple[tuple[str, int], ...] = ()

    def __post_init__(self) -> None:
        if not 0 < len(self.purpose) <= MAX_PURPOSE or not self.purpose.isprintable():
            raise ConfigurationError(f"state a purpose, in at most {MAX_PURPOSE} characters")

    @property
    def minute(self) -> str:
        """The time, as policies see it."""
        return self.time.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:00Z")


def principal_ancestors(principal: Principal) -> frozenset[Uid]:
    """A person, and all that they are in."""
    return frozenset(
        {
            ("Person", principal.person),
            ("Department", f"{principal.tenant}/{principal.department}"),
            ("Tenant", principal.tenant),
            *[("Role", role.value) for role in principal.roles],
        }
    )


def resource_ancestors(facts: RecordFacts) -> frozenset[Uid]:
    """What any field of such a record is in."""
    return frozenset(
        {
            ("RecordKind", facts.kind),
            ("Domain", f"{facts.tenant}/{facts.domain}"),
            ("Source", facts.source),
            ("Tenant", facts.tenant),
        }
    )


def field_uid(facts: RecordFacts, name: str) -> Uid:
    """A field of a record of that kind."""
    return "Field", f"{facts.kind}#{name}"


def entities(principal: Principal, facts: RecordFacts, fields: Sequence[FieldFacts]) -> list[dict[str, Any]]:
    """The slice of the world that a decision looks at, in Cedar's form; sorted, so that its digest is one."""
    person_unit = f"{principal.tenant}/{principal.department}"
    domain = f"{facts.tenant}/{facts.domain}"
    tenant = _reference("Tenant", facts.tenant)
    person_roles = sorted(role.value for role in principal.roles)
    found = [
        _entity(
            "Person",
            principal.person,
            [("Department", person_unit), *[("Role", role) for role in person_roles]],
            department=principal.department,
            tenant=_reference("Tenant", principal.tenant),
            tier=principal.tier,
        ),
        _entity("Department", person_unit, [("Tenant", principal.tenant)]),
        _entity("Domain", domain, [("Tenant", facts.tenant)], name=facts.domain, tenant=tenant),
        _entity("RecordKind", facts.kind, []),
        _entity("Source", facts.source, [("Tenant", facts.tenant)]),
        *[_entity("Tenant", name, []) for name in sorted({principal.tenant, facts.tenant})],
    ]
    parents = [("RecordKind", facts.kind), ("Domain", domain), ("Source", facts.source)]
    for each in sorted(fields, key=lambda field: field.name):
        kind, entity_id = field_uid(facts, each.name)
        kept = {"name": each.name, "tier": each.tier, "sharing": each.sharing, "domain": facts.domain, "tenant": tenant}
        found.append(_entity(kind, entity_id, parents, **kept))
    return found


def request(principal: Principal, action: Action, resource: Uid, where: Circumstances, approval: int) -> dict[str, Any]:
    """One question to Cedar."""
    return {
        "principal": {"type": "Person", "id": principal.person},
        "action": {"type": "Action", "id": action.value},
        "resource": {"type": resource[0], "id": resource[1]},
        "context": {
            "purpose": where.purpose,
            "time": {"__extn": {"fn": "datetime", "arg": where.minute}},
            "tier": principal.tier,
            "approval": approval,
        },
    }


def _entity(kind: str, entity_id: str, parents: Sequence[Uid], /, **attributes: object) -> dict[str, Any]:
    return {
        "uid": {"type": kind, "id": entity_id},
        "attrs": attributes,
        "parents": [{"type": parent[0], "id": parent[1]} for parent in parents],
    }


def _reference(kind: str, name: str) -> Mapping[str, Mapping[str, str]]:
    return {"__entity": {"type": kind, "id": name}}
