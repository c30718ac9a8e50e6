"""Records over HTTP: lists and their cursors, single ones, search, receipts, projects; and whose they are."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from schemas.receipt import decode_receipt
from security.access.principal import Action
from security.receipt import TrustedLog, verify_receipt
from streams.storage.projects import ProjectRow, delete_project, insert_project, list_projects
from tests.support.api import AUDITOR, LOW, OPERATOR, READER, STRANGER, Site, problem, served
from tests.support.grown_log import grow
from tests.support.installation import BANK_B, Installation, Worker
from tests.support.messages import Inbox, transaction

LIST = "/v1/records?purpose=casework"


@pytest.fixture
async def site(platform: Installation, worker: Worker) -> AsyncIterator[Site]:
    inbox = Inbox()
    await grow(platform, worker, inbox, 12)
    BANK_B.put(inbox, transaction("b1"))
    await worker.commit(inbox.take())
    await platform.sequence()
    async with served(platform) as found:
        yield found


async def looks(site: Site, kind: str = "read") -> int:
    return sum(leaf["count"] for leaf in await site.platform.leaves() if leaf["kind"] == kind)


async def test_pages_follow_each_other_without_gap_or_repeat(site: Site) -> None:
    seen: list[str] = []
    cursor = ""
    while True:
        page = (await site.get(READER, f"{LIST}&limit=5{cursor}")).json()
        seen += [each["record"] for each in page["data"]]
        assert {each["tenant"] for each in page["data"]} <= {"bank-a"}
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    stored = await site.platform.rows(
        "SELECT record_id FROM results WHERE tenant = 'bank-a' ORDER BY created_at DESC, record_id"
    )
    assert seen == [str(row["record_id"]) for row in stored]
    assert len(seen) == 12
    assert await looks(site) == 12


async def test_fields_above_the_tier_are_sealed_and_have_no_value(site: Site) -> None:
    low = (await site.get(LOW, f"{LIST}&limit=1")).json()["data"][0]["fields"]
    reader = (await site.get(READER, f"{LIST}&limit=1")).json()["data"][0]["fields"]
    assert low.keys() == reader.keys()
    assert {each["state"] for each in low.values() if each["tier"] > 2} == {"sealed"}
    assert all(each["value"] is None for each in low.values() if each["state"] == "sealed")
    assert reader["amount"]["state"] == "open"


async def test_cursors_are_good_for_their_list_and_person_alone(site: Site) -> None:
    cursor = (await site.get(READER, f"{LIST}&limit=2")).json()["next"]
    assert (await site.get(READER, f"{LIST}&cursor={cursor}")).status_code == 200
    flipped = [cursor[:n] + ("A" if cursor[n] != "A" else "B") + cursor[n + 1 :] for n in range(0, len(cursor), 5)]
    wrong = [
        *((READER, f"{LIST}&cursor={each}") for each in [*flipped, cursor[:-4], cursor + "AAAA", "%00", "a" * 128]),
        (LOW, f"{LIST}&cursor={cursor}"),
        (AUDITOR, f"{LIST}&cursor={cursor}"),
        (READER, f"/v1/records?purpose=audit&cursor={cursor}"),
        (READER, f"{LIST}&tenant=bank-a&cursor={cursor}"),
    ]
    for who, path in wrong:
        assert problem(await site.get(who, path)) == (400, "invalid_cursor")


async def test_nobody_reads_another_tenants_records(site: Site) -> None:
    record = await site.platform.one("SELECT record_id FROM results WHERE tenant = 'bank-a' LIMIT 1")
    absent = uuid4()
    before = await looks(site)
    for path in ("/v1/records/{}?purpose=casework", "/v1/records/{}/receipt?purpose=casework", "/v1/tasks/{}"):
        denied, missing = [await site.get(STRANGER, path.format(name)) for name in (record, absent)]
        assert problem(denied)[0] == 404
        # Denied and absent look alike.
        assert denied.json() == missing.json()
    assert (await site.get(STRANGER, f"{LIST}&tenant=bank-a")).json()["data"] == []
    mine = (await site.get(STRANGER, f"{LIST}&limit=100")).json()["data"]
    assert {each["tenant"] for each in mine} == {"bank-b"}
    found = await site.post(STRANGER, "/v1/records/search", await first_account(site))
    # Theirs has the same name: that is all they find, and all that was looked at besides one of bank A's own looks.
    assert {each["tenant"] for each in found.json()["data"]} == {"bank-b"}
    assert await looks(site) == before + 2


async def first_account(site: Site) -> dict[str, object]:
    fields = (await site.get(READER, f"{LIST}&limit=1")).json()["data"][0]["fields"]
    return {"field": "counterparty_name", "value": fields["counterparty_name"]["value"], "purpose": "casework"}


async def test_auditors_see_no_record_that_no_policy_opens_and_others_roles_none(site: Site) -> None:
    assert (await site.get(AUDITOR, f"{LIST}&limit=100")).json()["data"] == []
    assert (await site.get(AUDITOR, f"{LIST}&tenant=bank-b")).json()["data"] == []
    assert problem(await site.get(OPERATOR, LIST)) == (403, "forbidden")


async def test_a_record_is_shown_by_its_id_or_its_messages(site: Site) -> None:
    first = (await site.get(READER, f"{LIST}&limit=1")).json()["data"][0]
    by_record = (await site.get(READER, f"/v1/records/{first['record']}?purpose=casework")).json()
    by_message = (await site.get(READER, f"/v1/records/{first['message']}?purpose=casework")).json()
    assert by_record == by_message == {"data": [first], "next": None}
    assert problem(await site.get(READER, f"/v1/records/{first['record']}"))[0] == 422  # no purpose, no look


async def test_search_finds_by_value_and_keeps_it_out_of_addresses(site: Site) -> None:
    wanted = await first_account(site)
    found = (await site.post(READER, "/v1/records/search", wanted)).json()["data"]
    assert found
    assert {each["fields"]["counterparty_name"]["value"] for each in found} == {wanted["value"]}
    assert await looks(site, "search") == len(found)
    # A field that nobody can search by finds nothing, like one that they may not search by.
    assert (await site.post(READER, "/v1/records/search", wanted | {"field": "nobody_has_it"})).json()["data"] == []


async def test_a_receipt_verifies_and_opens_what_its_reader_may(site: Site) -> None:
    first = (await site.get(READER, f"{LIST}&limit=1")).json()["data"][0]
    answer = await site.get(READER, f"/v1/records/{first['record']}/receipt?purpose=casework&field=currency")
    receipt = decode_receipt(answer.content)
    signer = site.platform.identity.log_signer("bank-a").verifier
    verify_receipt(receipt, TrustedLog(keys=[signer], origin=receipt.origin))
    assert set(receipt.fields) == {"currency"}
    assert problem(await site.get(LOW, f"/v1/records/{first['record']}/receipt?purpose=casework&field=amount")) == (
        404,
        "not_found",
    )
    assert problem(await site.get(READER, f"/v1/records/{uuid4()}/receipt?purpose=casework")) == (404, "not_found")


async def test_a_project_is_read_by_a_key_that_is_bound_to_it(site: Site) -> None:
    async with site.platform.database.session() as connection:
        for name, tenant in (("prj-1", "bank-a"), ("prj-2", "bank-b")):
            await insert_project(connection, ProjectRow(name, tenant, "casework"))
    key = await site.key(READER, Action.READ, projects=["prj-1"])
    page = (await site.get(key, "/v1/projects/prj-1/data?limit=10")).json()
    assert len(page["data"]) == 10
    rest = (await site.get(key, f"/v1/projects/prj-1/data?limit=10&cursor={page['next']}")).json()
    assert len({each["record"] for each in page["data"] + rest["data"]}) == 12
    assert problem(await site.get(key, LIST)) == (403, "forbidden")
    assert problem(await site.get(key, "/v1/projects/prj-2/data")) == (403, "forbidden")
    assert problem(await site.get(READER, "/v1/projects/prj-2/data")) == (404, "not_found")
    assert problem(await site.get(READER, "/v1/projects/prj-3/data")) == (404, "not_found")
    assert problem(await site.get(OPERATOR, "/v1/projects/prj-1/data")) == (403, "forbidden")
    async with site.platform.database.session() as connection:
        assert [each.project for each in await list_projects(connection)] == ["prj-1", "prj-2"]
        assert await delete_project(connection, "prj-1")
        assert not await delete_project(connection, "prj-1")


async def test_what_is_read_over_http_stands_in_the_log_under_the_readers_name(site: Site) -> None:
    await site.get(READER, f"{LIST}&limit=3")
    await site.platform.sequence()
    assert (await site.platform.audit()).findings == []
    answer = await site.get(AUDITOR, "/v1/logs/bank-a/entries?actor=reader-a&kind=read")
    entries = answer.json()["data"]
    assert [each["leaf"]["count"] for each in entries] == [3]
    nobody = await site.get(AUDITOR, "/v1/logs/bank-a/entries?actor=reader-b&kind=read")
    assert nobody.json()["data"] == []
