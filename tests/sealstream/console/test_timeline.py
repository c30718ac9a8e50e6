"""The audit timeline without a browser: who saw what, what a log says, that asking is a look, and who may not ask."""

import html
import re
from collections.abc import AsyncIterator

import pytest

from sealstream.console.auditing import AT_ONCE
from tests.support.api import ADMINISTRATOR, AUDITOR, OPERATOR, READER, Site, served
from tests.support.console import Caller, caller
from tests.support.installation import BANK_A, Installation, Worker
from tests.support.messages import Inbox, transaction


@pytest.fixture
async def visit(platform: Installation, worker: Worker) -> AsyncIterator[Caller]:
    inbox = Inbox()
    BANK_A.put(inbox, *(transaction(f"t{n}") for n in range(3)))
    await worker.commit(inbox.take())
    await platform.sequence()
    async with served(platform) as site, caller(site) as found:
        yield found


async def records(site: Site) -> list[str]:
    return [str(row["record_id"]) for row in await site.platform.rows("SELECT record_id FROM results ORDER BY n")]


def lines(text: str) -> list[str]:
    """What each line of the timeline is headed with, without its time."""
    found = re.findall(r"<h3>[^·]*· <code>(\w+)</code>(?: · ([^<]*))?</h3>", text)
    return [f"{kind} {who}".strip() for kind, who in found]


async def test_who_saw_a_record_is_told_and_the_question_is_a_look(visit: Caller) -> None:
    site = visit.site
    seen, other, _ = await records(site)
    await site.get(READER, f"/v1/records/{seen}?purpose=casework")
    await site.platform.sequence()
    await visit.log_in(AUDITOR)
    before = await site.platform.one("SELECT count(*) FROM commits")
    page = (await visit.get(f"/timeline/record?record={seen}&purpose=audit")).text
    assert lines(page) == ["read reader-a"]
    assert f"/console/records/{seen}?purpose=audit" in page
    assert await site.platform.one("SELECT count(*) FROM commits") == before + 1
    assert lines((await visit.get(f"/timeline/record?record={other}&purpose=audit")).text) == []
    assert (
        await visit.get(f"/timeline/record?record={'0' * 8}-0000-4000-8000-{'0' * 12}&purpose=audit")
    ).status_code == 404
    await site.platform.sequence()
    assert (await site.platform.audit()).findings == []


async def test_what_a_person_saw_is_told_by_their_name(visit: Caller) -> None:
    site = visit.site
    seen, *_ = await records(site)
    await site.get(READER, f"/v1/records/{seen}?purpose=casework")
    await site.platform.sequence()
    await visit.log_in(AUDITOR)
    of_reader = "/timeline/person?person={}&tenant=bank-a&purpose=audit"
    assert lines((await visit.get(of_reader.format("reader-a"))).text) == ["read reader-a"]
    assert lines((await visit.get(of_reader.format("reader-b"))).text) == []
    for since, count in (("2020-01-01T00:00", 1), ("2999-01-01T00:00", 0)):
        assert len(lines((await visit.get(f"{of_reader.format('reader-a')}&since={since}&until=")).text)) == count
    assert (await visit.get(f"{of_reader.format('reader-a')}&since=yesterday")).status_code == 422
    # The auditor's own questions are among what they saw.
    await site.platform.sequence()
    assert "search auditor" in lines((await visit.get(of_reader.format("auditor"))).text)


async def test_entries_are_found_by_what_they_say_and_lead_to_their_proof(visit: Caller) -> None:
    site = visit.site
    first, *_ = await records(site)
    await visit.log_in(AUDITOR)
    asked = "/timeline/entries?tenant=bank-a&purpose=audit"
    assert lines((await visit.get(f"{asked}&kind=result&record=&person=&model=&since=&until=")).text) == ["result"] * 3
    page = (await visit.get(f"{asked}&kind=result&record={first}")).text
    assert lines(page) == ["result"]
    (proof,) = re.findall(r'href="(/console/proofs\?[^"]+)"', page)
    query = html.unescape(proof).partition("?")[2]
    receipt = (await visit.client.get(f"/console/proofs/entry?{query}")).json()
    assert first in receipt["leaf"]
    assert receipt["fields"] == {}
    assert len(lines((await visit.get(f"{asked}&model={site.platform.engine.model.name}")).text)) == 3
    assert lines((await visit.get(f"{asked}&model=nothing")).text) == []
    for wrong in ("record=x", "kind=A", "start=-1", "shard=x"):
        assert (await visit.get(f"{asked}&{wrong}")).status_code == 422
    assert (await visit.get("/timeline/entries?tenant=nobody&purpose=audit")).status_code == 404
    assert (await visit.get(f"/proofs/entry?{query.replace('index=', 'index=9999')}")).status_code == 404


async def test_a_long_timeline_goes_on_where_it_ended(visit: Caller) -> None:
    inbox = Inbox(partition=1)
    BANK_A.put(inbox, *(transaction(f"u{n}") for n in range(AT_ONCE)))
    intake = await visit.site.platform.worker()
    await intake.commit(inbox.take())
    await visit.site.platform.sequence()
    await visit.log_in(AUDITOR)
    page = (await visit.get("/timeline/entries?tenant=bank-a&purpose=audit&kind=result")).text
    assert len(lines(page)) == AT_ONCE
    (onward,) = re.findall(r'hx-get="/console([^"]+)"', page)
    rest = (await visit.get(html.unescape(onward), headers={"HX-Request": "true"})).text
    assert len(lines(rest)) == 3
    assert "<html" not in rest
    assert "Later entries" not in rest


@pytest.mark.parametrize("who", [READER, OPERATOR, ADMINISTRATOR], ids=lambda each: each.person)
async def test_the_timeline_is_for_auditors(visit: Caller, who: object) -> None:
    await visit.log_in(who)  # type: ignore[arg-type]
    assert "/console/timeline" not in (await visit.get("/")).text
    for path in (
        "/timeline",
        f"/timeline/record?record={(await records(visit.site))[0]}&purpose=audit",
        "/timeline/person?person=reader-a&tenant=bank-a&purpose=audit",
        "/timeline/entries?tenant=bank-a&purpose=audit",
        "/proofs/entry?tenant=bank-a&index=0&purpose=audit",
    ):
        assert (await visit.get(path)).status_code == 403, path
