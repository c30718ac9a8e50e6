"""Dead letters, reviews, models, keys, policies, catalogue, requests, tasks and classification over HTTP."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from agents.inference.transaction_kind import TRANSACTION_KIND
from schemas.leaf import AccessChange
from security.access.access_request import AccessRequest
from security.access.principal import Action
from tests.support.api import (
    ADMINISTRATOR,
    AUDITOR,
    BLIND,
    LOW,
    OPERATOR,
    OTHER_OPERATOR,
    PLATFORM_OPERATOR,
    READER,
    READING_OPERATOR,
    STRANGER,
    Site,
    problem,
    served,
)
from tests.support.approving import EVERYBODY as EXCHANGE
from tests.support.approving import HEAD, OFFICIAL, TAX_OFFICIAL, Desk, asked
from tests.support.installation import BANK_A, LOG_ORIGIN, Installation, Worker
from tests.support.messages import Inbox, transaction
from tests.support.reviews import left_open, name_of

EXCHANGE_PEOPLE = tuple(replace(each, issuer=READER.issuer, subject=each.person) for each in EXCHANGE)


@pytest.fixture
async def site(platform: Installation, worker: Worker) -> AsyncIterator[Site]:
    await left_open(worker, "open-1", "open-2")
    inbox = Inbox(partition=1)
    BANK_A.put(inbox, transaction("bad", amount="twelve"))
    await worker.commit(inbox.take())
    await platform.sequence()
    async with served(platform) as found:
        yield found


async def letter(site: Site) -> UUID:
    found: UUID = await site.platform.one("SELECT dead_letter_id FROM dead_letters")
    return found


async def test_dead_letters_are_their_tenants_operators(site: Site) -> None:
    name = await letter(site)
    for who in (OPERATOR, PLATFORM_OPERATOR):
        assert [each["dead_letter"] for each in (await site.get(who, "/v1/dead-letters")).json()["data"]] == [str(name)]
    assert (await site.get(OTHER_OPERATOR, "/v1/dead-letters")).json()["data"] == []
    assert problem(await site.get(OTHER_OPERATOR, f"/v1/dead-letters/{name}?purpose=operations")) == (404, "not_found")
    refused = await site.post(OTHER_OPERATOR, "/v1/dead-letters/replay", {"dead_letters": [str(name)]})
    assert problem(refused) == (404, "not_found")
    assert problem(await site.get(READER, "/v1/dead-letters")) == (403, "forbidden")
    assert (await site.get(OPERATOR, "/v1/dead-letters?reason=stale")).json()["data"] == []


async def test_a_dead_letters_content_is_tier_four_and_opened_by_policies_alone(site: Site) -> None:
    path = f"/v1/dead-letters/{await letter(site)}?purpose=operations"
    shown = (await site.get(READING_OPERATOR, path)).json()
    assert shown["state"] == "open"
    assert "twelve" in shown["value"]
    # Their key is for less; and no policy opens anything to one who only operates, whatever their tier.
    for who in (await site.key(replace(READING_OPERATOR, tier=3), Action.READ), OPERATOR):
        hidden = (await site.get(who, path)).json()
        assert (hidden["state"], hidden["value"], hidden["headers"]) == ("sealed", None, None)


async def test_a_replay_that_is_sent_again_is_not_done_again(site: Site) -> None:
    name = await letter(site)
    body = {"dead_letters": [str(name)]}
    first = await site.post(OPERATOR, "/v1/dead-letters/replay", body, headers={"Idempotency-Key": "r-1"})
    assert first.json()["data"][0] | {"message": None} == {
        "dead_letter": str(name),
        "taken_in": False,
        "outcome": "rejected",
        "reason": "schema_violation",
        "record": first.json()["data"][0]["record"],
        "message": None,
        "problem": False,
    }
    again = await site.post(OPERATOR, "/v1/dead-letters/replay", body, headers={"Idempotency-Key": "r-1"})
    assert again.content == first.content
    assert again.headers["idempotency-replayed"] == "true"
    assert await site.platform.one("SELECT count(*) FROM replays") == 1
    other = {"dead_letters": [str(uuid4())]}
    reused = await site.post(OPERATOR, "/v1/dead-letters/replay", other, headers={"Idempotency-Key": "r-1"})
    assert problem(reused) == (422, "idempotency_key_reused")
    # Of somebody else it is another key, and one that was refused may be used again.
    for _ in range(2):
        theirs = await site.post(
            PLATFORM_OPERATOR, "/v1/dead-letters/replay", other, headers={"Idempotency-Key": "r-1"}
        )
        assert problem(theirs) == (404, "not_found")


async def test_a_write_that_was_never_answered_is_not_done_again(site: Site) -> None:
    body = {"dead_letters": [str(await letter(site))]}
    await site.post(OPERATOR, "/v1/dead-letters/replay", body, headers={"Idempotency-Key": "r-1"})
    await site.platform.execute("UPDATE api_writes SET status = NULL, body = NULL")
    again = await site.post(OPERATOR, "/v1/dead-letters/replay", body, headers={"Idempotency-Key": "r-1"})
    assert problem(again) == (409, "write_unanswered")
    await site.platform.execute("UPDATE api_writes SET created_at = created_at - interval '25 h'")
    assert (await site.post(OPERATOR, "/v1/dead-letters/replay", body, headers={"Idempotency-Key": "r-1"})).is_success


async def test_writes_at_once_under_one_key_are_one_write(site: Site) -> None:
    body = {"dead_letters": [str(await letter(site))]}
    answers = await asyncio.gather(
        *(site.post(OPERATOR, "/v1/dead-letters/replay", body, headers={"Idempotency-Key": "r-1"}) for _ in range(5))
    )
    assert {each.status_code for each in answers} <= {200, 409}
    assert await site.platform.one("SELECT count(*) FROM replays") == 1


async def test_a_person_decides_what_a_model_left_open(site: Site) -> None:
    open_ones = "/v1/reviews?purpose=operations"
    listed = (await site.get(READER, open_ones)).json()["data"]
    assert [each["record"] for each in listed] == [str(name_of("open-1")), str(name_of("open-2"))]
    assert listed[0]["fields"]["label"]["state"] == "open"
    assert (await site.get(STRANGER, open_ones)).json()["data"] == []
    first = (await site.get(READER, f"{open_ones}&limit=1")).json()
    second = (await site.get(READER, f"{open_ones}&limit=1&cursor={first['next']}")).json()
    assert [first["data"][0]["record"], second["data"][0]["record"]] == [each["record"] for each in listed]
    assert problem(await site.get(LOW, f"{open_ones}&cursor={first['next']}")) == (400, "invalid_cursor")
    label = site.platform.engine.model.labels[0]
    url = f"/v1/reviews/{name_of('open-1')}/decisions"
    body = {"label": label, "reason": "seen before", "purpose": "operations"}
    assert problem(await site.post(STRANGER, url, body)) == (409, "not_reviewable")
    assert problem(await site.post(BLIND, url, body)) == (409, "not_reviewable")
    assert problem(await site.post(READER, url, body | {"purpose": "marketing"})) == (409, "not_reviewable")
    assert problem(await site.post(READER, url, body | {"label": "no label"})) == (422, "unknown_label")
    assert problem(await site.post(READER, url, body | {"tier": 5})) == (422, "invalid_request")
    done = (await site.post(READER, url, body)).json()
    assert (done["record"], done["number"], done["supersedes"]) == (str(name_of("open-1")), 1, None)
    assert [each["record"] for each in (await site.get(READER, open_ones)).json()["data"]] == [listed[1]["record"]]
    await site.platform.sequence()
    assert (await site.platform.audit()).findings == []


async def test_keys_and_catalogue_are_those_of_ones_tenant(site: Site) -> None:
    assert {each["tenant"] for each in (await site.get(OPERATOR, "/v1/keys")).json()["data"]} == {"bank-a"}
    assert {each["tenant"] for each in (await site.get(AUDITOR, "/v1/keys")).json()["data"]} == {"bank-a", "bank-b"}
    assert problem(await site.get(READER, "/v1/keys")) == (403, "forbidden")
    assert "d" not in (await site.get(AUDITOR, "/v1/keys")).json()["data"][0]["jwk"]
    await site.platform.execute(
        "INSERT INTO catalogue_fields (tenant, record_type, field, tier) VALUES ('bank-b', 'urn:theirs', 'x', 2)"
    )
    own = {each["kind"] for each in (await site.get(READER, "/v1/catalogue")).json()["data"]}
    theirs = {each["kind"] for each in (await site.get(STRANGER, "/v1/catalogue")).json()["data"]}
    assert theirs - own == {"urn:theirs"}


async def test_policies_say_which_is_in_force(site: Site) -> None:
    found = (await site.get(ADMINISTRATOR, "/v1/policies")).json()["data"]
    assert [(each["version"], each["in_force"]) for each in found] == [(0, True)]
    assert problem(await site.get(OPERATOR, "/v1/policies")) == (403, "forbidden")


async def test_models_are_listed_and_shown(site: Site, tmp_path: Any) -> None:
    from tests.support.models import other_version

    assert (await site.get(OPERATOR, "/v1/models")).json() == {"data": []}
    await site.platform.curator().add(other_version(tmp_path / "model"))
    listed = (await site.get(OPERATOR, "/v1/models")).json()["data"]
    assert {(each["version"], each["stage"]) for each in listed} >= {("2.0.0", "candidate")}
    answer = await site.get(OPERATOR, f"/v1/models/{TRANSACTION_KIND}/2.0.0")
    assert answer.json()["card"] == "# 2.0.0\n"
    tag = {"If-None-Match": answer.headers["etag"]}
    assert (await site.get(OPERATOR, f"/v1/models/{TRANSACTION_KIND}/2.0.0", headers=tag)).status_code == 304
    assert problem(await site.get(OPERATOR, "/v1/models/nothing/1")) == (404, "not_found")


async def test_a_tasks_stages_are_told_without_a_field(site: Site) -> None:
    stages = (await site.get(OPERATOR, f"/v1/tasks/{name_of('open-1')}")).json()["stages"]
    assert [each["stage"] for each in stages] == ["received", "result"]
    assert stages[1]["model"] == site.platform.engine.model.reference
    assert stages[1]["index"] is not None
    refused = (await site.get(OPERATOR, f"/v1/tasks/{await letter(site)}")).json()["stages"]
    assert [(each["stage"], each["reason"]) for each in refused][-1] == ("rejected", "schema_violation")
    assert problem(await site.get(OTHER_OPERATOR, f"/v1/tasks/{name_of('open-1')}")) == (404, "not_found")


async def test_throughput_counts_outcomes_by_minute(site: Site) -> None:
    def total(answer: Any) -> dict[str, int]:
        counts: dict[str, int] = {}
        for each in answer.json()["data"]:
            counts[each["outcome"]] = counts.get(each["outcome"], 0) + each["records"]
        return counts

    counts = total(await site.get(OPERATOR, "/v1/throughput"))
    assert (counts["review"], counts["rejected"]) == (2, 1)
    assert total(await site.get(OTHER_OPERATOR, "/v1/throughput")) == {}


async def test_a_transaction_is_classified_and_leaves_nothing(site: Site) -> None:
    before = await site.platform.one("SELECT count(*) FROM commits")
    body = {"amount": "12.50", "credit_debit": "DBIT", "remittance_information": "Card payment SUPERMARKET"}
    answers = await asyncio.gather(*(site.post(READER, "/v1/classify", body) for _ in range(20)))
    first = answers[0].json()
    assert {each.content for each in answers} == {answers[0].content}
    assert first["label"] in site.platform.engine.model.labels
    assert first["model"] == site.platform.engine.model.reference
    assert await site.platform.one("SELECT count(*) FROM commits") == before
    assert problem(await site.post(READER, "/v1/classify", body | {"amount": "-1"})) == (422, "invalid_request")
    assert problem(await site.post(READER, "/v1/classify", body | {"purpose": "\x07"})) == (422, "schema_violation")
    assert problem(await site.post(AUDITOR, "/v1/classify", body)) == (403, "forbidden")


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def signed_body(change: AccessChange) -> dict[str, Any]:
    return {name: value for name, value in msgspec.to_builtins(change).items() if value is not None}


def ask_body(desk: Desk, request: AccessRequest | None = None) -> dict[str, Any]:
    members = msgspec.to_builtins(request or desk.request)
    members.pop("v")
    return {"request": members, "act": signed_body(desk.made().change)}


@pytest.fixture
async def exchange(platform: Installation) -> AsyncIterator[Site]:
    async with served(platform, people=(*EXCHANGE_PEOPLE, ADMINISTRATOR)) as found:
        yield found


def of(who: Any) -> Any:
    return replace(who, issuer=READER.issuer, subject=who.person)


def new_desk() -> Desk:
    return Desk(asked(made=now(), id=str(uuid4())), f"{LOG_ORIGIN}/registry")


async def test_a_request_is_asked_for_and_approved_by_signatures(exchange: Site) -> None:
    desk = new_desk()
    made = await exchange.post(of(OFFICIAL), "/v1/access-requests", ask_body(desk))
    assert (made.json()["state"], made.json()["next"]) == ("pending", "unit_head")
    acts = f"/v1/access-requests/{desk.request.id}/acts"
    approval = signed_body(
        desk.act(HEAD, "approve", 1, after=now() - dt.datetime.fromisoformat(desk.request.made)).change
    )
    # Whoever sends it acts: another's signature is not theirs.
    assert problem(await exchange.post(of(OFFICIAL), acts, approval)) == (422, "bad_assertion")
    assert problem(await exchange.post(of(HEAD), acts, approval | {"step": 2})) == (422, "bad_assertion")
    assert problem(await exchange.post(of(HEAD), acts, approval | {"person": "head"})) == (422, "invalid_request")
    taken = await exchange.post(of(HEAD), acts, approval)
    assert (taken.json()["steps"], taken.json()["next"]) == (["head"], "data_provider")
    assert problem(await exchange.post(of(HEAD), acts, approval))[0] == 409
    assert len((await exchange.get(of(OFFICIAL), "/v1/access-requests")).json()["data"]) == 1
    assert len((await exchange.get(ADMINISTRATOR, "/v1/access-requests")).json()["data"]) == 1


async def test_requests_are_shown_to_those_whom_they_concern(exchange: Site) -> None:
    desk = new_desk()
    await exchange.post(of(OFFICIAL), "/v1/access-requests", ask_body(desk))
    assert (await exchange.get(of(TAX_OFFICIAL), "/v1/access-requests")).json()["data"] == []
    body = signed_body(desk.act(TAX_OFFICIAL, "revoke").change)
    foreign = await exchange.post(of(TAX_OFFICIAL), f"/v1/access-requests/{desk.request.id}/acts", body)
    absent = await exchange.post(of(TAX_OFFICIAL), f"/v1/access-requests/{uuid4()}/acts", body)
    assert problem(foreign) == (404, "not_found")
    assert foreign.json() == absent.json()


async def test_a_request_is_for_oneself_and_for_records_of_somebody_known(exchange: Site) -> None:
    desk = new_desk()
    assert problem(await exchange.post(of(HEAD), "/v1/access-requests", ask_body(desk))) == (422, "bad_assertion")
    more = ask_body(desk)
    more["request"]["quota"] = 11
    assert problem(await exchange.post(of(OFFICIAL), "/v1/access-requests", more)) == (409, "another_request")
    elsewhere = ask_body(desk)
    elsewhere["request"]["provider"] = ["nobody", "nothing"]
    assert problem(await exchange.post(of(OFFICIAL), "/v1/access-requests", elsewhere)) == (422, "unknown_provider")
    undated = ask_body(desk)
    undated["request"]["ends"] = "2026-99-99T00:00:00Z"
    assert problem(await exchange.post(of(OFFICIAL), "/v1/access-requests", undated)) == (422, "invalid_access_request")
    assert await exchange.platform.one("SELECT count(*) FROM access_requests") == 0
    assert await exchange.platform.one("SELECT count(*) FROM logs WHERE tenant = 'nobody'") == 0
