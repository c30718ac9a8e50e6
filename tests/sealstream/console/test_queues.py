"""The console's pages of work, without a browser: the review queue and dead letters."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from security.access.principal import Action
from tests.support.api import (
    AUDITOR,
    BLIND,
    OPERATOR,
    OTHER_OPERATOR,
    READER,
    READING_OPERATOR,
    STRANGER,
    Site,
    served,
)
from tests.support.console import Caller, caller
from tests.support.installation import BANK_A, Installation, Worker
from tests.support.messages import Inbox, transaction
from tests.support.reviews import left_open, name_of

XSS = '<script>document.title="owned"</script>'


@pytest.fixture
async def site(platform: Installation, worker: Worker) -> AsyncIterator[Site]:
    await left_open(worker, "open-1", "open-2")
    inbox = Inbox(partition=1)
    BANK_A.put(inbox, transaction("bad", amount="twelve", counterparty_name=XSS))
    await worker.commit(inbox.take())
    await platform.sequence()
    async with served(platform) as found:
        yield found


@pytest.fixture
async def visit(site: Site) -> AsyncIterator[Caller]:
    async with caller(site) as found:
        yield found


async def letter(site: Site) -> UUID:
    found: UUID = await site.platform.one("SELECT dead_letter_id FROM dead_letters")
    return found


async def test_the_queue_is_what_its_reader_may_see_page_by_page(visit: Caller) -> None:
    await visit.log_in(READER)
    assert str(name_of("open-1")) not in (await visit.get("/reviews")).text
    page = (await visit.get("/reviews?purpose=operations&limit=1")).text
    assert str(name_of("open-1")) in page
    assert str(name_of("open-2")) not in page
    cursor = re.findall(r"cursor=([A-Za-z0-9_-]+)", page)[0]
    later = (await visit.get(f"/reviews?purpose=operations&limit=1&cursor={cursor}")).text
    assert str(name_of("open-2")) in later
    assert (await visit.get(f"/reviews?purpose=audit&limit=1&cursor={cursor}")).status_code == 400
    await visit.log_in(STRANGER)
    assert "Nothing waits that you may see." in (await visit.get("/reviews?purpose=operations")).text
    assert (await visit.get(f"/reviews/{name_of('open-1')}?purpose=operations")).status_code == 404


async def test_a_record_is_decided_with_the_models_labels_and_a_reason(visit: Caller) -> None:
    label, name = visit.site.platform.engine.model.labels[0], name_of("open-1")
    await visit.log_in(READER)
    page = (await visit.get(f"/reviews/{name}?purpose=operations")).text
    for each in visit.site.platform.engine.model.labels:
        assert f"<option>{each}</option>" in page
    act, given = f"/reviews/{name}/decisions", {"purpose": "operations", "label": label, "reason": XSS}
    assert (await visit.post(act, **given | {"reason": " "})).status_code == 422
    assert (await visit.post(act, **given | {"label": "no label"})).status_code == 422
    assert (await visit.post(act, **given | {"purpose": "No"})).status_code == 422
    assert (await visit.post(act, **given | {"purpose": "marketing"})).status_code == 409
    assert (await visit.post(act, **given)).headers["location"] == f"/console/reviews/{name}?purpose=operations"
    page = (await visit.get(f"/reviews/{name}?purpose=operations")).text
    assert "Decision 1 by a person" in page
    assert "&lt;script&gt;" in page
    assert XSS not in page
    assert str(name) not in (await visit.get("/reviews?purpose=operations")).text
    assert (await visit.post(act, **given)).status_code == 303
    assert "Decision 2 by a person" in (await visit.get(f"/reviews/{name}?purpose=operations")).text
    assert (await visit.site.platform.audit()).findings == []


async def test_who_may_not_decide_is_given_no_form(visit: Caller) -> None:
    name = name_of("open-1")
    await visit.log_in(await visit.site.key(READER, Action.READ))
    assert "Readers decide; you look." in (await visit.get(f"/reviews/{name}?purpose=operations")).text
    given = {"purpose": "operations", "label": "x", "reason": "y"}
    assert (await visit.post(f"/reviews/{name}/decisions", **given)).status_code == 403
    await visit.log_in(BLIND)
    assert (await visit.get(f"/reviews/{name}?purpose=operations")).status_code == 404
    await visit.log_in(AUDITOR)
    assert (await visit.post(f"/reviews/{name}/decisions", **given)).status_code == 403
    await visit.log_in(OPERATOR)
    assert (await visit.get("/reviews")).status_code == 403


async def test_dead_letters_are_filtered_by_reason_and_of_ones_tenant(visit: Caller) -> None:
    name = await letter(visit.site)
    await visit.log_in(OPERATOR)
    assert str(name) in (await visit.get("/dead-letters?reason=")).text
    assert str(name) in (await visit.get("/dead-letters?reason=schema_violation&limit=20")).text
    assert str(name) not in (await visit.get("/dead-letters?reason=stale")).text
    assert (await visit.get("/dead-letters?reason=no")).status_code == 422
    assert (await visit.get(f"/dead-letters/{uuid4()}")).status_code == 404
    await visit.log_in(OTHER_OPERATOR)
    assert str(name) not in (await visit.get("/dead-letters")).text
    assert (await visit.get(f"/dead-letters/{name}?purpose=operations")).status_code == 404
    assert (await visit.post("/dead-letters/replay", letter=str(name))).status_code == 404
    await visit.log_in(READER)
    assert (await visit.get("/dead-letters")).status_code == 403


async def test_a_dead_letters_content_is_opened_by_policies_alone_and_is_text(visit: Caller) -> None:
    path = f"/dead-letters/{await letter(visit.site)}"
    await visit.log_in(READING_OPERATOR)
    assert "twelve" not in (await visit.get(path)).text
    page = (await visit.get(f"{path}?purpose=operations")).text
    assert "twelve" in page
    assert XSS not in page
    await visit.log_in(OPERATOR)
    assert "twelve" not in (await visit.get(f"{path}?purpose=operations")).text


async def test_chosen_letters_are_replayed_and_what_became_of_them_is_shown(visit: Caller) -> None:
    name = await letter(visit.site)
    await visit.log_in(OPERATOR)
    await visit.get("/dead-letters")
    for nothing in ({}, {"letter": "no id"}):
        assert (await visit.post("/dead-letters/replay", **nothing)).status_code == 422
    page = (await visit.post("/dead-letters/replay", letter=[str(name), str(name)])).text
    assert "Refused again: Does not fit its schema" in page
    assert await visit.site.platform.one("SELECT count(*) FROM replays") == 1
    assert "last replay: Does not fit its schema" in (await visit.get("/dead-letters")).text
    await visit.log_in(await visit.site.key(replace(OPERATOR), Action.READ))
    assert "Replay those chosen" not in (await visit.get("/dead-letters")).text
    assert (await visit.post("/dead-letters/replay", letter=str(name))).status_code == 403
