"""Whose rows the database shows to somebody at all: the wall behind the decisions of `agents.reading.desk`.

It does not depend on the evaluation that it guards: it is their tenant, the tenants whose records an approval names,
and those that a policy's `@reach` annotation says it opens to them without one. What of these rows they see is
decided field by field all the same.
"""

import datetime as dt

from agents.access.keeper import Access
from schemas.tenant import PLATFORM_TENANT
from security.access.principal import Principal, Role
from security.access.request import principal_ancestors
from streams.storage.database import EVERYBODY, Reach

_PLATFORMS = frozenset({Role.OPERATOR, Role.ADMINISTRATOR})


def tenant_reach(who: Principal) -> str | None:
    """Whose keys, letters and work somebody can ask for at all: a tenant's, or None for everybody's.

    Auditors check everybody; the platform's own operators and administrators look after everybody.
    """
    if Role.AUDITOR in who.roles or (who.tenant == PLATFORM_TENANT and who.roles & _PLATFORMS):
        return None
    return who.tenant


def work_reach(who: Principal) -> Reach:
    """Whose rows that are no records the database shows to them."""
    tenant = tenant_reach(who)
    return EVERYBODY if tenant is None else (tenant,)


def record_reach(access: Access, who: Principal, now: dt.datetime) -> Reach:
    """Whose records the database shows to somebody, as they are registered now."""
    if Role.AUDITOR in who.roles:
        return EVERYBODY
    found = {who.tenant} | access.decider.policies.reach(principal_ancestors(who))
    found |= {each.request.provider[0] for each in access.grants(now, who.person)}
    return EVERYBODY if "*" in found else tuple(sorted(found))
