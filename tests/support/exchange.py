"""A registry whose residents two bureaus may see, each their part, once that is approved: the acceptance case."""

import datetime as dt
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from agents.access.approvals import Approvals
from agents.access.keeper import AccessKeeper
from agents.access.policy_keeper import PolicyKeeper, policy_act
from agents.access.registrar import AccessRegistrar
from agents.reading.desk import Desk
from schemas.tenant import PLATFORM_TENANT
from security.access.approval import SignedAct
from security.access.assertion import signed
from security.access.person import Person
from security.access.policy_set import default_policies
from security.access.principal import Method, Principal, Role
from streams.storage.database import Database
from tests.support.approving import (
    AUTHORITY,
    EVERYBODY,
    HEAD,
    OFFICIAL,
    PROVIDER,
    TAX_HEAD,
    asked,
    key_of,
    person,
    rfc3339,
)
from tests.support.approving import Desk as Signing
from tests.support.installation import LOG_ORIGIN, Installation, Producer, installed
from tests.support.messages import Inbox
from tests.support.records import registered_record

REGISTRY = Producer("registry", "population")
RESIDENT = "urn:schema:resident"
FIELDS = {"id_number": 4, "insurance_status": 3, "income": 4, "tax_paid": 4, "district": 1}
SEARCHED = {"insurance_status": "reference"}
CATALOGUE = [
    {"record_type": RESIDENT, "field": name, "tier": tier, "search": SEARCHED.get(name)}
    for name, tier in FIELDS.items()
]
MEMBERS = {
    "id_number": "110101199001011237",
    "insurance_status": "insured",
    "income": "12500.00",
    "tax_paid": "830.00",
    "district": "east",
}
POLICIES = f"""
@id("social-security-level-2") permit (
  principal in Department::"gov/social-security", action in [Action::"read", Action::"search"],
  resource in RecordKind::"{RESIDENT}"
) when {{
  context.approval >= 2 && context.purpose == "casework" && ["id_number", "insurance_status"].contains(resource.name)
}};

@id("tax-level-3") permit (
  principal in Department::"gov/tax", action == Action::"read", resource in RecordKind::"{RESIDENT}"
) when {{ context.approval >= 3 && context.purpose == "casework" && ["income", "tax_paid"].contains(resource.name) }};

@id("exchange-masked") @reach("registry") permit (
  principal in Department::"exchange/board", action == Action::"read_masked", resource in RecordKind::"{RESIDENT}"
) when {{ context.purpose == "audit" }};
"""
ADMINS = [
    person("first-admin", "exchange", "council", roles=frozenset({Role.ADMINISTRATOR})),
    person("second-admin", "exchange", "office", roles=frozenset({Role.ADMINISTRATOR})),
]


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def acting(who: Person, method: Method = Method.TOKEN) -> Principal:
    """Somebody whose identity is proved."""
    return who.principal(method)


class Exchange:
    """The platform with its people, and what they do."""

    def __init__(self, platform: Installation) -> None:
        self.platform = platform

    def desk(self, database: Database | None = None, **more: Any) -> Desk:
        """A desk of a process of its own."""
        platform = self.platform
        data = database or platform.database
        keeper = AccessKeeper(data, platform.identity)
        return Desk(data, platform.identity, platform.knowledge, platform.identity.new_worker(), keeper, **more)

    async def adopt(self, text: str) -> None:
        """Put policies in force."""
        policies = PolicyKeeper(self.platform.database, self.platform.identity)
        version = await policies.next_version()
        log = f"{LOG_ORIGIN}/{PLATFORM_TENANT}"
        for change, by in zip(("propose", "adopt"), ADMINS, strict=True):
            act = policy_act(change, version, text, rfc3339(now()))
            signing = SignedAct(by.person, signed(log, act, key_of(by.person)))
            await (policies.propose(text, signing) if change == "propose" else policies.adopt(signing))

    async def register(self, *people: Person) -> AccessRegistrar:
        """Register people."""
        registrar = AccessRegistrar(self.platform.database, self.platform.identity, actor="registrar@example.org")
        for each in people:
            await registrar.grant(each)
        return registrar

    async def granted(self, by: Person = OFFICIAL, level: int = 2, **more: Any) -> Signing:
        """A request with all its steps taken."""
        approvals = Approvals(self.platform.database, self.platform.identity)
        given = {"made": now(), "id": str(uuid4()), "salt": uuid4().hex} | more
        signing = Signing(asked(by, level, **given), f"{LOG_ORIGIN}/registry")
        await approvals.ask(signing.request, signing.made(by))
        head = HEAD if by.unit == HEAD.unit else TAX_HEAD
        for step, approver in enumerate((head, PROVIDER, AUTHORITY)[:level], 1):
            await self.act(signing, approver, "approve", step)
        return signing

    async def act(self, signing: Signing, by: Person, change: str, step: int | None = None) -> None:
        """Take a step over a request, now."""
        after = now() - dt.datetime.fromisoformat(signing.request.made)
        approvals = Approvals(self.platform.database, self.platform.identity)
        await approvals.act(UUID(signing.request.id), signing.act(by, change, step, after=after))

    async def residents(self, count: int = 1, members: Mapping[str, Any] = MEMBERS) -> list[UUID]:
        """Take in that many residents' records, and place them; returns their ids, the newest first."""
        inbox, platform = Inbox(topic="records"), self.platform
        for n in range(count):
            registered_record(inbox, f"r{n}-{uuid4()}", RESIDENT, members, producer=REGISTRY)
        await (await platform.worker()).commit(inbox.take())
        await platform.sequence()
        rows = await platform.rows("SELECT record_id FROM results ORDER BY created_at DESC, record_id LIMIT $1", count)
        return [row["record_id"] for row in rows]


@asynccontextmanager
async def exchange(dsn: str, keyring_dir: Path, **more: Any) -> AsyncIterator[Exchange]:
    """The installation with everybody registered and the policies adopted; no record and no request yet."""
    async with installed(dsn, keyring_dir, producers=(REGISTRY,), catalogue=CATALOGUE, **more) as platform:
        found = Exchange(platform)
        await found.register(*EVERYBODY, *ADMINS)
        await found.adopt(default_policies() + POLICIES)
        yield found
