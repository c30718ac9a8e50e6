"""Whose rows the database shows to somebody: their tenant's, what approvals name, and what policies declare."""

import datetime as dt
from collections.abc import AsyncIterator

import pytest

from agents.access.keeper import Access, AccessKeeper
from agents.access.reach import record_reach, tenant_reach, work_reach
from agents.reading.desk import Desk
from security.access.decision import Decider
from security.access.policy_set import InvalidPolicies, PolicySet, default_policies
from security.access.principal import Method, Principal, Role
from streams.storage.database import API_ROLE, EVERYBODY, Database
from tests.support.approving import OFFICIAL, TAX_OFFICIAL, person
from tests.support.exchange import Exchange, acting

NOW = dt.datetime.now(dt.UTC)
PERMIT = '@id("x") {} permit (principal{}, action, resource);'


def reach_of(who: Principal, policies: str) -> tuple[str, ...]:
    access = Access(0, {}, {}, 1, Decider(PolicySet.parse(policies)), [])
    return tuple(record_reach(access, who, NOW))


def somebody(role: Role, tenant: str = "gov") -> Principal:
    return person("somebody", tenant, "tax", roles=frozenset({role})).principal(Method.TOKEN)


@pytest.mark.parametrize(
    ("policies", "role", "reach"),
    [
        pytest.param(default_policies(), Role.READER, ("gov",), id="their own"),
        pytest.param(default_policies(), Role.AUDITOR, EVERYBODY, id="auditors"),
        pytest.param(default_policies(), Role.ADMINISTRATOR, ("gov",), id="administrators"),
        pytest.param(PERMIT.format("", ""), Role.READER, ("gov",), id="a permit that declares nothing"),
        pytest.param(PERMIT.format('@reach("b a")', ""), Role.READER, ("a", "b", "gov"), id="some"),
        pytest.param(PERMIT.format('@reach("*")', ""), Role.READER, EVERYBODY, id="all"),
        pytest.param(
            PERMIT.format('@reach("a")', ' in Department::"gov/tax"'),
            Role.READER,
            ("a", "gov"),
            id="their department",
        ),
        pytest.param(
            PERMIT.format('@reach("a")', ' in Department::"gov/other"'),
            Role.READER,
            ("gov",),
            id="another department",
        ),
        pytest.param(PERMIT.format('@reach("*")', ' in Role::"auditor"'), Role.READER, ("gov",), id="another role"),
    ],
)
def test_a_reach_is_by_tenant_role_and_declaration(policies: str, role: Role, reach: tuple[str, ...]) -> None:
    assert reach_of(somebody(role), policies) == reach


def test_the_platforms_people_reach_everybodys_work_and_their_own_records() -> None:
    platform = somebody(Role.OPERATOR, "platform")
    assert (tenant_reach(platform), work_reach(platform)) == (None, EVERYBODY)
    assert reach_of(platform, default_policies()) == ("platform",)
    other = somebody(Role.OPERATOR)
    assert (tenant_reach(other), work_reach(other)) == ("gov", ("gov",))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(PERMIT.format('@reach("")', ""), id="empty"),
        pytest.param(PERMIT.format("@reach", ""), id="no value"),
        pytest.param(PERMIT.format('@reach("* a")', ""), id="all and one"),
        pytest.param('@id("x") @reach("a") forbid (principal, action, resource);', id="of what forbids"),
    ],
)
def test_a_reach_in_another_form_is_never_in_force(text: str) -> None:
    with pytest.raises(InvalidPolicies, match="x: only a permit reaches"):
        PolicySet.parse(text)


@pytest.fixture
async def desk(bureaus: Exchange, dsn: str) -> AsyncIterator[Desk]:
    """As the API has it: everything as its role, and people each within their reach."""
    async with (
        Database(dsn, name="own", role=API_ROLE, reach=EVERYBODY) as own,
        Database(dsn, name="people", role=API_ROLE) as people,
    ):
        yield bureaus.desk(own, people=people)


async def test_an_approval_reaches_its_providers_records_as_long_as_it_is_granted(
    bureaus: Exchange, desk: Desk
) -> None:
    (name,) = await bureaus.residents()
    who = acting(OFFICIAL)
    assert await desk.show(who, "casework", name) == []
    request = await bureaus.granted(OFFICIAL, 2)
    (seen,) = await desk.show(who, "casework", name)
    assert {field for field, each in seen.fields.items() if each.state == "open"} == {"id_number", "insurance_status"}
    assert [each.record for each in await desk.search(who, "casework", "insurance_status", "insured")] == [name]
    assert await desk.show(acting(TAX_OFFICIAL), "casework", name) == []
    await bureaus.act(request, OFFICIAL, "revoke")
    access = await AccessKeeper(bureaus.platform.database, bureaus.platform.identity).current()
    assert record_reach(access, who, dt.datetime.now(dt.UTC)) == ("gov",)
    assert await desk.show(who, "casework", name) == []


async def test_a_policy_that_crosses_tenants_opens_nothing_before_it_declares_it(bureaus: Exchange, desk: Desk) -> None:
    (name,) = await bureaus.residents()
    who = acting(TAX_OFFICIAL)
    crossing = '@id("all") {} permit (principal in Department::"gov/tax", action, resource);'
    await bureaus.adopt(crossing.format(""))
    assert await desk.show(who, "casework", name) == []
    await bureaus.adopt(crossing.format('@reach("registry")'))
    assert [each.record for each in await desk.show(who, "casework", name)] == [name]
    assert [each.record for each in (await desk.list(who, "casework")).records] == [name]


async def test_looks_through_the_wall_are_audited_like_any(bureaus: Exchange, desk: Desk) -> None:
    (name,) = await bureaus.residents()
    await bureaus.granted(OFFICIAL, 2)
    await desk.show(acting(OFFICIAL), "casework", name)
    await desk.show(acting(TAX_OFFICIAL), "casework", name)
    await bureaus.platform.sequence()
    report = await bureaus.platform.audit()
    assert report.findings == []
