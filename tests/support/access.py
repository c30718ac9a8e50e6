"""People, records and questions about them, for tests of access."""

import datetime as dt
from typing import Any

from security.access.decision import Question
from security.access.principal import Action, Method, Principal, Role
from security.access.request import Circumstances, FieldFacts, RecordFacts

NOON = dt.datetime(2026, 3, 2, 12, 0, 30, tzinfo=dt.UTC)
FIELDS = (
    FieldFacts("currency", 2),
    FieldFacts("amount", 3),
    FieldFacts("counterparty_name", 3),
    FieldFacts("diagnosis", 5),
)


def person(name: str = "p-1", *, tenant: str = "bank-a", department: str = "payments", **more: Any) -> Principal:
    given: dict[str, Any] = {"roles": frozenset({Role.READER}), "tier": 3, "method": Method.LOCAL} | more
    return Principal(person=name, tenant=tenant, department=department, **given)


def facts(tenant: str = "bank-a", domain: str = "payments", **more: str) -> RecordFacts:
    given = {"source": "urn:a", "kind": "io.sealstream.transaction.v1"} | more
    return RecordFacts(tenant=tenant, domain=domain, **given)


def question(
    who: Principal | None = None,
    *,
    action: Action = Action.READ,
    about: RecordFacts | None = None,
    fields: tuple[FieldFacts, ...] = FIELDS,
    purpose: str = "casework",
    time: dt.datetime = NOON,
    approvals: tuple[tuple[str, int], ...] = (),
) -> Question:
    where = Circumstances(purpose=purpose, time=time, approvals=approvals)
    return Question(who or person(), action, about or facts(), fields, where)
