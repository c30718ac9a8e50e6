"""Reading by right, over a real database: who sees what, how fast that stops, quotas, denials and forged rows."""

import asyncio
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import cedarpy
import pytest

from agents.access.keeper import AccessUnavailable
from agents.reading.desk import Desk
from schemas.errors import ConfigurationError
from security.access.decision import FieldState
from security.access.principal import Action, Method, NotAuthenticated
from security.sealed_blob import SealBroken
from streams.storage.database import Database
from tests.support.approving import AUTHORITY, COLLEAGUE, HEAD, OFFICIAL, TAX_OFFICIAL
from tests.support.exchange import RESIDENT, Exchange, acting

READER = acting(OFFICIAL)
TAX = acting(TAX_OFFICIAL)
TAX_FIELDS = ("income", "tax_paid")


async def seen(desk: Desk, who: object, name: UUID, purpose: str = "casework") -> dict[str, str | None]:
    """What is open or masked of a record, by field."""
    records = await desk.show(who, purpose, name)  # type: ignore[arg-type]
    return {
        field: each.value
        for record in records
        for field, each in record.fields.items()
        if each.state in (FieldState.OPEN, FieldState.MASKED)
    }


async def test_each_bureau_sees_its_fields_at_its_level_and_neither_the_others(bureaus: Exchange) -> None:
    (name,) = await bureaus.residents()
    desk = bureaus.desk()
    assert (await seen(desk, READER, name), await seen(desk, TAX, name)) == ({}, {})
    await bureaus.granted(OFFICIAL, 2)
    await bureaus.granted(TAX_OFFICIAL, 3, fields=TAX_FIELDS)
    (social,) = await desk.show(READER, "casework", name)
    assert (social.kind, social.source, social.domain) == (RESIDENT, "urn:test:registry:population", "population")
    assert {field: each.state for field, each in social.fields.items()} == {
        "district": "sealed",
        "id_number": "open",
        "income": "sealed",
        "insurance_status": "open",
        "tax_paid": "sealed",
    }
    assert await seen(desk, READER, name) == {
        "id_number": '"110101199001011237"',
        "insurance_status": '"insured"',
    }
    assert await seen(desk, TAX, name) == {"income": '"12500.00"', "tax_paid": '"830.00"'}
    assert await seen(desk, READER, name, "audit") == {}
    assert await seen(desk, acting(HEAD), name) == {}


async def test_an_approval_of_a_lower_level_or_for_other_fields_opens_nothing(bureaus: Exchange) -> None:
    (name,) = await bureaus.residents()
    await bureaus.granted(TAX_OFFICIAL, 2, fields=TAX_FIELDS)
    await bureaus.granted(OFFICIAL, 3, fields=TAX_FIELDS)
    desk = bureaus.desk()
    assert (await seen(desk, READER, name), await seen(desk, TAX, name)) == ({}, {})


async def test_a_revocation_counts_at_the_next_look_in_every_process(bureaus: Exchange) -> None:
    (name,) = await bureaus.residents()
    async with Database(bureaus.platform.dsn, name="another process", connections=2) as other:
        desk = bureaus.desk(other)
        request = await bureaus.granted()
        assert await seen(desk, READER, name)
        await bureaus.act(request, HEAD, "revoke")
        assert await seen(desk, READER, name) == {}


async def test_who_is_dismissed_or_demoted_sees_nothing_more_with_the_same_credential(bureaus: Exchange) -> None:
    (name,) = await bureaus.residents()
    await bureaus.granted()
    desk = bureaus.desk()
    await bureaus.register(replace(OFFICIAL, department="tax"))
    assert await seen(desk, READER, name) == {}
    registrar = await bureaus.register(OFFICIAL)
    assert await seen(desk, READER, name)
    await registrar.dismiss("official")
    with pytest.raises(NotAuthenticated):
        await desk.show(READER, "casework", name)


async def leaves(bureaus: Exchange, tenant: str) -> list[dict[str, object]]:
    kinds = ("read", "search", "deny", "export")
    return [leaf for leaf in await bureaus.platform.leaves(tenant) if leaf["kind"] in kinds]


async def test_a_look_says_by_which_policies_and_request_and_commits_to_the_rest(bureaus: Exchange) -> None:
    (name,) = await bureaus.residents()
    request = await bureaus.granted()
    await seen(bureaus.desk(), READER, name)
    (leaf,) = await leaves(bureaus, "registry")
    version, _, digest = str(leaf["policy"]).partition("@")
    assert (version, len(digest), leaf["grant"]) == ("1", 64, request.request.digest())
    assert (leaf["kind"], leaf["basis"], leaf["count"]) == ("read", "policy", 1)
    assert {len(str(leaf[member])) for member in ("purpose", "decision")} == {44}
    assert "casework" not in str(leaf)
    await bureaus.platform.sequence()
    assert (await bureaus.platform.audit()).findings == []


async def test_what_is_denied_looks_like_what_is_not_there(bureaus: Exchange) -> None:
    (name,) = await bureaus.residents()
    desk = bureaus.desk()
    assert await desk.show(READER, "casework", name) == await desk.show(READER, "casework", uuid4()) == []
    assert await leaves(bureaus, "registry") == []
    denied, absent = await leaves(bureaus, "platform")
    assert denied.keys() == absent.keys()
    varying = {"commit", "time", "decision", "purpose"}
    assert {key: value for key, value in denied.items() if key not in varying} == {
        key: value for key, value in absent.items() if key not in varying
    }
    assert (denied["kind"], denied["count"], denied.get("grant")) == ("deny", 0, None)
    assert [len(str(denied[key])) - len(str(absent[key])) for key in varying - {"commit"}] == [0, 0, 0]
    assert await desk.search(READER, "casework", "insurance_status", "insured") == []
    assert await desk.search(READER, "casework", "income", "1") == []
    assert await desk.search(READER, "casework", "no_such_field", "1") == []
    found = (await leaves(bureaus, "platform"))[2:]
    assert [(leaf["kind"], leaf["count"]) for leaf in found] == [("search", 0)] * 3
    await bureaus.platform.sequence()
    assert (await bureaus.platform.audit()).findings == []


async def test_a_search_finds_what_one_may_search_by(bureaus: Exchange) -> None:
    (name,) = await bureaus.residents()
    await bureaus.granted()
    await bureaus.granted(TAX_OFFICIAL, 3, fields=(*TAX_FIELDS, "insurance_status"))
    desk = bureaus.desk()
    (found,) = await desk.search(READER, "casework", "insurance_status", "insured")
    assert (found.record, found.fields["insurance_status"].value) == (name, '"insured"')
    assert await desk.search(TAX, "casework", "insurance_status", "insured") == []
    limited = replace(READER, actions=frozenset({Action.READ}), method=Method.API_KEY)
    assert await desk.search(limited, "casework", "insurance_status", "insured") == []


async def test_a_search_looks_past_those_that_one_may_not_see(bureaus: Exchange) -> None:
    *_, oldest = await bureaus.residents(40)
    await bureaus.granted(records=(str(oldest),))
    (found,) = await bureaus.desk().search(READER, "casework", "insurance_status", "insured", limit=1)
    assert found.record == oldest


async def test_masked_fields_show_their_kind_of_mask(bureaus: Exchange) -> None:
    (name,) = await bureaus.residents()
    masked = await seen(bureaus.desk(), acting(AUTHORITY), name, "audit")
    assert masked == {
        "id_number": "…",
        "insurance_status": "…(short)",
        "income": "…(5)",
        "tax_paid": "…(3)",
        "district": "…(short)",
    }


async def test_a_list_has_pages_that_neither_repeat_nor_leave_out(bureaus: Exchange) -> None:
    names = await bureaus.residents(7)
    await bureaus.granted(quota=100)
    desk, found, after = bureaus.desk(), [], None
    while True:
        page = await desk.list(READER, "casework", after=after, limit=3)
        found += [record.record for record in page.records]
        after = page.next
        if after is None:
            break
        assert len(page.records) == 3
    assert found == names
    assert (await desk.list(READER, "casework", tenant="gov")).records == []


async def test_a_page_ends_though_nothing_on_it_may_be_seen(bureaus: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    await bureaus.residents(40)
    monkeypatch.setattr("agents.reading.desk.SCANNED_AT_MOST", 10)
    desk, after, pages = bureaus.desk(), None, 0
    while True:
        page = await desk.list(READER, "casework", after=after, limit=2)
        assert page.records == []
        after, pages = page.next, pages + 1
        if after is None:
            break
        assert pages < 10
    assert pages == 3


async def test_pages_go_on_among_more_records_of_one_moment_than_a_page_looks_through(
    bureaus: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bureaus.residents(40)
    await bureaus.platform.execute("UPDATE results SET created_at = '2026-03-01T08:00:00Z'")
    monkeypatch.setattr("agents.reading.desk.SCANNED_AT_MOST", 1)
    desk, after, pages = bureaus.desk(), None, 0
    while pages < 10:
        after, pages = (await desk.list(READER, "casework", after=after, limit=2)).next, pages + 1
        if after is None:
            break
    assert after is None


async def used(bureaus: Exchange) -> int:
    return int(await bureaus.platform.one("SELECT used FROM access_requests"))


async def test_a_quota_is_used_by_records_and_ends(bureaus: Exchange) -> None:
    names = await bureaus.residents(4)
    await bureaus.granted(quota=3)
    desk = bureaus.desk()
    page = await desk.list(READER, "casework")
    assert [record.record for record in page.records] == names[:3]
    assert await used(bureaus) == 3
    assert await seen(desk, READER, names[0]) == {}
    assert await used(bureaus) == 3


async def test_many_at_once_do_not_read_more_than_the_quota(bureaus: Exchange) -> None:
    (name,) = await bureaus.residents()
    await bureaus.granted(quota=5)
    async with Database(bureaus.platform.dsn, name="another process", connections=4) as other:
        desks = [bureaus.desk(), bureaus.desk(other)]
        looks = await asyncio.gather(*(seen(desks[n % 2], READER, name) for n in range(24)))
    assert sum(bool(look) for look in looks) == 5
    assert await used(bureaus) == 5
    read = [leaf for leaf in await leaves(bureaus, "registry") if leaf["kind"] == "read"]
    denied = [leaf for leaf in await leaves(bureaus, "platform") if leaf["kind"] == "deny"]
    assert (len(read), len(denied)) == (5, 19)
    await bureaus.platform.sequence()
    assert (await bureaus.platform.audit()).findings == []


async def test_an_approval_is_not_used_where_the_standing_tier_is_enough(bureaus: Exchange) -> None:
    (name,) = await bureaus.residents()
    await bureaus.granted()
    desk = bureaus.desk()
    assert await seen(desk, replace(acting(COLLEAGUE), tier=1), name) == {"district": '"east"'}
    assert await used(bureaus) == 0


async def test_nothing_is_permitted_by_default_and_a_purpose_is_stated(bureaus: Exchange) -> None:
    (name,) = await bureaus.residents()
    desk = bureaus.desk()
    assert (await desk.list(READER, "casework")).records == []
    with pytest.raises(ConfigurationError, match="purpose"):
        await desk.show(READER, "", name)
    with pytest.raises(NotAuthenticated):
        await desk.show(replace(READER, person="mallory"), "casework", name)
    project = replace(READER, projects=frozenset({"prj-1"}))
    await bureaus.granted()
    assert await seen(desk, project, name) == {}


async def test_without_policies_or_without_the_log_nobody_sees_anything(bureaus: Exchange) -> None:
    (name,) = await bureaus.residents()
    await bureaus.granted()
    desk, platform = bureaus.desk(), bureaus.platform
    await platform.execute("ALTER TABLE bundles ADD CONSTRAINT no_more CHECK (commit_id < 0) NOT VALID")
    with pytest.raises(asyncpg.CheckViolationError):
        await desk.show(READER, "casework", name)
    await platform.execute("ALTER TABLE bundles DROP CONSTRAINT no_more")
    assert await used(bureaus) == 0
    await platform.execute("ALTER TABLE access_changes RENAME TO gone")
    try:
        with pytest.raises(AccessUnavailable):
            await desk.show(READER, "casework", name)
    finally:
        await platform.execute("ALTER TABLE gone RENAME TO access_changes")


@pytest.mark.parametrize(
    ("statement", "broken"),
    [
        pytest.param("UPDATE results SET domain = 'tax'", False, id="another-domain"),
        pytest.param("UPDATE results SET tenant = 'gov'", False, id="another-tenant"),
        pytest.param(
            f"UPDATE bundles SET body = replace(convert_from(body, 'UTF8'), '{RESIDENT}', 'urn:schema:another')::bytea",
            False,
            id="another-kind",
        ),
        pytest.param(
            "UPDATE results SET leaf = 1 - leaf WHERE record_id = (SELECT min(record_id::text)::uuid FROM results)",
            False,
            id="another-record-s-leaf",
        ),
        pytest.param("UPDATE commits SET signature = signature || 'x'", False, id="a-commit-that-nobody-signed"),
        pytest.param(
            "UPDATE results SET sealed = decode(replace(encode(sealed, 'hex'), encode('id_number', 'hex') || '04', "
            "encode('id_number', 'hex') || '01'), 'hex')",
            True,
            id="another-tier",
        ),
    ],
)
async def test_rows_that_sql_changed_open_nothing(bureaus: Exchange, statement: str, broken: bool) -> None:
    names = await bureaus.residents(2)
    await bureaus.granted(quota=100)
    await bureaus.platform.execute(statement)
    desk, shown = bureaus.desk(), []
    for name in names:
        try:
            shown.append(await seen(desk, READER, name))
        except SealBroken:
            assert broken
    assert not all(shown) if "min(record_id" in statement else not any(shown)


async def test_an_erased_record_says_so_to_who_could_see_it(bureaus: Exchange) -> None:
    (name,) = await bureaus.residents()
    await bureaus.granted()
    await bureaus.platform.execute("UPDATE results SET sealed = NULL")
    (record,) = await bureaus.desk().show(READER, "casework", name)
    assert {each.state for each in record.fields.values()} == {FieldState.ERASED}
    assert await bureaus.desk().show(TAX, "casework", name) == []


async def test_a_list_asks_cedar_once_for_records_of_one_shape(
    bureaus: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bureaus.residents(60)
    await bureaus.granted(quota=1000)
    asked: list[int] = []
    batch = cedarpy.is_authorized_batch

    def counted(*given: Any) -> Any:
        asked.append(1)
        return batch(*given)

    monkeypatch.setattr(cedarpy, "is_authorized_batch", counted)
    page = await bureaus.desk().list(READER, "casework", limit=50)
    assert len(page.records) == 50
    assert len(asked) <= 4
    assert await bureaus.platform.one("SELECT max(length(sealed)) FROM disclosures") < 16_000
