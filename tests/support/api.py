"""The API over a test's platform, and people who ask it."""

import datetime as dt
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import httpx

from agents.access.registrar import AccessRegistrar
from sealstream.api.application import create_app
from sealstream.api.parts import Parts, opened_parts
from sealstream.console.application import attach_console
from sealstream.people.access import EMBEDDED_ISSUER
from sealstream.people.issuers import embedded_issuer
from security.access.embedded_issuer import EmbeddedIssuer
from security.access.person import Person
from security.access.principal import Action, Role
from tests.support.approving import person
from tests.support.installation import Installation

URL = "http://api.test"


def _somebody(name: str, tenant: str, role: Role, tier: int = 3, department: str = "payments") -> Person:
    made = person(name, tenant, department, roles=frozenset({role}), tier=tier)
    return replace(made, issuer=EMBEDDED_ISSUER, subject=name)


READER = _somebody("reader-a", "bank-a", Role.READER)
LOW = _somebody("low-a", "bank-a", Role.READER, 2)
BLIND = _somebody("blind-a", "bank-a", Role.READER, 1)
STRANGER = _somebody("reader-b", "bank-b", Role.READER, 5)
AUDITOR = _somebody("auditor", "exchange", Role.AUDITOR, 5)
ADMINISTRATOR = _somebody("administrator", "exchange", Role.ADMINISTRATOR, 0)
OPERATOR = _somebody("operator-a", "bank-a", Role.OPERATOR, 4)
OTHER_OPERATOR = _somebody("operator-b", "bank-b", Role.OPERATOR, 5)
PLATFORM_OPERATOR = _somebody("operator", "platform", Role.OPERATOR, 0, "operations")
READING_OPERATOR = replace(
    _somebody("operator-r", "bank-a", Role.READER, 4), roles=frozenset({Role.OPERATOR, Role.READER})
)
EVERYBODY = (
    READER,
    LOW,
    BLIND,
    STRANGER,
    AUDITOR,
    ADMINISTRATOR,
    OPERATOR,
    OTHER_OPERATOR,
    READING_OPERATOR,
    PLATFORM_OPERATOR,
)


@dataclass(frozen=True)
class Site:
    """The API as somebody outside sees it."""

    platform: Installation
    parts: Parts
    client: httpx.AsyncClient
    issuer: EmbeddedIssuer
    registrar: AccessRegistrar

    def token(self, who: Person, certificate: str | None = None) -> str:
        """A token of a person, as the embedded issuer gives it; bound to a client certificate if one is named."""
        return self.issuer.token(who.subject or "", dt.datetime.now(dt.UTC), certificate)

    async def key(self, who: Person, *actions: Action, projects: Sequence[str] | None = None) -> str:
        """An API key for a person."""
        text, _ = await self.registrar.add_key(
            who.person,
            tier=who.tier,
            actions=list(actions),
            projects=list(projects) if projects is not None else None,
            lifetime=dt.timedelta(days=1),
        )
        return text

    async def get(self, who: Person | str | None, path: str, **more: Any) -> httpx.Response:
        """Ask."""
        return await self.ask("GET", who, path, **more)

    async def post(self, who: Person | str | None, path: str, body: Any, **more: Any) -> httpx.Response:
        """Ask, with a JSON body."""
        return await self.ask("POST", who, path, json=body, **more)

    async def ask(self, method: str, who: Person | str | None, path: str, **more: Any) -> httpx.Response:
        """Ask by any method, as a person or with a credential."""
        headers = more.pop("headers", {})
        if who is not None:
            headers = {"Authorization": f"Bearer {self.token(who) if isinstance(who, Person) else who}"} | headers
        return await self.client.request(method, path, headers=headers, **more)


@asynccontextmanager
async def served(
    platform: Installation, *, people: Sequence[Person] = EVERYBODY, **changes: Any
) -> AsyncIterator[Site]:
    """The API over a platform, with these people registered.

    Args:
        changes: Of the settings.
    """
    registrar = AccessRegistrar(platform.database, platform.identity, actor="admin@example.org")
    for each in people:
        await registrar.grant(each)
    settings = platform.settings.model_copy(update={"api_rate": 10_000.0, "api_tenant_rate": 10_000.0} | changes)
    issuer = embedded_issuer(settings, platform.identity)
    assert issuer is not None
    async with opened_parts(settings) as parts:
        transport = httpx.ASGITransport(app=create_app(parts, attach_console))
        async with httpx.AsyncClient(transport=transport, base_url=URL) as client:
            yield Site(platform, parts, client, issuer, registrar)


def problem(answer: httpx.Response) -> tuple[int, str]:
    """Status and code of an error, which has its form."""
    body = answer.json()
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    assert {"type", "title", "status", "detail", "code"} <= body.keys()
    assert body["status"] == answer.status_code
    assert body["type"] == f"urn:sealstream:problem:{body['code']}"
    return answer.status_code, body["code"]
