"""Nobody gets another tenant's rows: by ids that are not theirs, nor when the decision itself is broken."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from agents.reading.desk import Desk
from security.access.decision import Decider, Decision, FieldDecision, FieldState, Question
from security.access.person import Person
from streams.storage.projects import ProjectRow, insert_project
from tests.support.api import AUDITOR, OPERATOR, OTHER_OPERATOR, READER, STRANGER, Site, served
from tests.support.installation import BANK_A, BANK_B, Installation, Worker
from tests.support.messages import Inbox, transaction
from tests.support.reviews import left_open

OPENAPI = json.loads((Path(__file__).resolve().parents[3] / "docs" / "openapi.json").read_text())
ROUTES = sorted(
    path for path, operations in OPENAPI["paths"].items() if path.startswith("/v1/") and "get" in operations
)
NAMED = [path for path in ROUTES if "{" in path]
PUBLIC = {"/v1/models/{name}/{version}"}
"""Of no tenant."""


@pytest.fixture
async def site(platform: Installation, worker: Worker) -> AsyncIterator[Site]:
    await left_open(worker, "open-1")
    inbox = Inbox(partition=1)
    BANK_A.put(inbox, transaction("a1"), transaction("bad", amount="twelve"))
    BANK_B.put(inbox, transaction("b1"))
    await worker.commit(inbox.take())
    await platform.sequence()
    async with platform.database.session() as connection:
        await insert_project(connection, ProjectRow("prj-a", "bank-a", "casework"))
    async with served(platform) as found:
        yield found


async def theirs(site: Site) -> dict[str, list[str]]:
    """What stands in addresses for bank A's own, by the parameter's name."""

    async def ids(query: str) -> list[str]:
        return [str(row[0]) for row in await site.platform.rows(query)]

    records = await ids("SELECT record_id FROM results WHERE tenant = 'bank-a'")
    messages = await ids("SELECT message_id FROM messages WHERE tenant = 'bank-a'")
    letters = await ids("SELECT dead_letter_id FROM dead_letters WHERE tenant = 'bank-a'")
    assert all((records, messages, letters))
    return {
        "record": records + messages,
        "dead_letter": letters,
        "name": records + messages + letters,
        "project": ["prj-a"],
        "tenant": ["bank-a"],
    }


def address(path: str, names: dict[str, str]) -> str:
    """The address of a route, with what it asks for."""
    wanted = OPENAPI["paths"][path]["get"].get("parameters", [])
    query = "&".join(f"{each['name']}=casework" for each in wanted if each["in"] == "query" and each.get("required"))
    return f"{path.format(path='0/000', **names)}?{query}"


@pytest.mark.parametrize("path", sorted(set(NAMED) - PUBLIC))
@pytest.mark.parametrize("who", [pytest.param(STRANGER, id="reader"), pytest.param(OTHER_OPERATOR, id="operator")])
async def test_another_tenants_ids_look_like_absent_ones(site: Site, path: str, who: Person) -> None:
    known = await theirs(site)
    (parameter,) = [each for each in known if f"{{{each}}}" in path]
    absent = {"project": "prj-x", "tenant": "bank-x"}.get(parameter, str(uuid4()))
    missing = await site.get(who, address(path, {parameter: absent}))
    assert missing.status_code in (403, 404)
    for name in known[parameter]:
        denied = await site.get(who, address(path, {parameter: name}))
        assert (denied.status_code, denied.json()) == (missing.status_code, missing.json()), path


async def test_those_ids_are_there_for_who_may_ask(site: Site) -> None:
    """What the test above asks for is answered, so that it is no accident of wrong addresses."""
    known = await theirs(site)
    for path in sorted(set(NAMED) - PUBLIC):
        (parameter,) = [each for each in known if f"{{{each}}}" in path]
        answers = [
            (await site.get(who, address(path, {parameter: name}))).status_code
            for who in (READER, OPERATOR, AUDITOR)
            for name in known[parameter]
        ]
        # A proof names a leaf too; a tile is there once it is full.
        assert 200 in answers or path.endswith(("/proof", "/tile/{path}")), path


@pytest.mark.parametrize("path", sorted(set(ROUTES) - set(NAMED)))
@pytest.mark.parametrize("who", [pytest.param(STRANGER, id="reader"), pytest.param(OTHER_OPERATOR, id="operator")])
async def test_no_list_names_another_tenant(site: Site, path: str, who: Person) -> None:
    answer = await site.get(who, address(path, {}))
    assert answer.status_code in (200, 403)
    assert "bank-a" not in answer.text
    wanted = [each["name"] for each in OPENAPI["paths"][path]["get"].get("parameters", [])]
    if "tenant" in wanted:
        assert (await site.get(who, f"{address(path, {})}&tenant=bank-a")).json().get("data", []) == []


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """A decision that opens everything to everybody."""

    def everything(self: Decider, question: Question) -> Decision:
        opened = {each.name: FieldDecision(FieldState.OPEN, ("broken",)) for each in question.fields}
        return Decision(self.policies.digest, opened)

    monkeypatch.setattr(Decider, "decide", everything)


@pytest.mark.usefixtures("broken")
async def test_a_broken_decision_shows_no_row_of_another_tenant(site: Site) -> None:
    known = await theirs(site)
    own = (await site.get(READER, "/v1/records?purpose=casework")).json()["data"]
    # The decision is broken indeed: above their tier everything is open too.
    assert {field["state"] for each in own for field in each["fields"].values()} == {"open"}
    value = own[0]["fields"]["counterparty_name"]["value"]

    answers = [
        await site.get(STRANGER, "/v1/records?purpose=casework&limit=100"),
        await site.get(STRANGER, "/v1/records?purpose=casework&tenant=bank-a"),
        await site.get(STRANGER, "/v1/reviews?purpose=casework"),
        await site.get(STRANGER, "/v1/projects/prj-a/data"),
        await site.post(STRANGER, "/v1/records/search", {"field": "counterparty_name", "value": value, "purpose": "x"}),
        *[await site.get(STRANGER, f"/v1/records/{name}?purpose=casework") for name in known["record"]],
        *[await site.get(STRANGER, f"/v1/records/{name}/receipt?purpose=casework") for name in known["name"]],
        *[await site.get(OTHER_OPERATOR, f"/v1/dead-letters/{name}?purpose=x") for name in known["dead_letter"]],
    ]
    for answer in answers:
        assert answer.status_code in (200, 404)
        assert "bank-a" not in answer.text
        assert not any(name in answer.text for name in known["name"])
    assert {each["tenant"] for each in answers[0].json()["data"]} == {"bank-b"}


@pytest.mark.usefixtures("broken")
async def test_without_the_wall_it_would(site: Site) -> None:
    """The test above holds by the wall: the same desk over the owner's connections shows all."""
    owner = site.platform
    desk = Desk(owner.database, owner.identity, await site.parts.known.up_to(5),
                owner.identity.new_worker(), site.parts.keeper)  # fmt: skip
    (name, *_) = (await theirs(site))["record"]
    who = (await site.parts.keeper.current()).people[STRANGER.person].principal("token")  # type: ignore[arg-type]
    assert len(await desk.show(who, "casework", UUID(name))) == 1
