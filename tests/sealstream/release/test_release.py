"""The API with its keys in another process: a real one, over a real socket and a real database."""

import asyncio
import datetime as dt
import os
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from agents.access.policy_keeper import policy_act
from agents.access.registrar import AccessRegistrar
from agents.log.entries import Question
from agents.platform.vouching import Voucher
from agents.release import ReleaseRefused
from schemas.errors import ConfigurationError
from schemas.receipt import decode_receipt
from sealstream.api.parts import opened_parts
from sealstream.audit.log_reading import Asked
from sealstream.console.auditing import looks_by
from sealstream.release import messages
from sealstream.release.client import ReleaseAway, ReleaseClient, ask_once
from sealstream.release.identity import GivenIdentity
from sealstream.release.remote import RoutePlan
from sealstream.release.server import SocketServer
from sealstream.running.checkup import check_up
from security.access.approval import SignedAct
from security.access.policy_set import default_policies
from security.access.presented import Means, Presented
from security.access.principal import Action
from security.key_provider import KeyUnavailable
from streams.storage.people import PersonRow
from tests.support.api import AUDITOR, LOW, OPERATOR, READER, Site, problem, served
from tests.support.approving import key_of, members, rfc3339
from tests.support.grown_log import grow
from tests.support.installation import BANK_A, LOG_ORIGIN, Installation, Worker
from tests.support.messages import Inbox, transaction
from tests.support.release import OurProcess, ReleaseProcess, releasing, settings_of
from tests.support.reviews import left_open, name_of

LIST = "/v1/records?purpose=casework"
SECRETIVE = "Erika Geheimnisvoll"


@pytest.fixture
async def filled(platform: Installation, worker: Worker) -> Installation:
    inbox = Inbox(partition=1)
    await grow(platform, worker, inbox, 2)
    BANK_A.put(inbox, transaction("named", counterparty_name=SECRETIVE), transaction("bad", amount="twelve"))
    await worker.commit(inbox.take())
    await left_open(worker, "open-1")
    await platform.sequence()
    return platform


@pytest.fixture
async def release(filled: Installation) -> AsyncIterator[ReleaseProcess]:
    async with releasing(filled) as found:
        yield found


@pytest.fixture
async def site(filled: Installation, release: ReleaseProcess) -> AsyncIterator[Site]:
    async with served(filled, release=(release.route(),)) as found:
        yield found


async def answers(site: Site) -> list[Any]:
    """What several people get of records, a search and a dead letter."""
    letter = await site.platform.one("SELECT dead_letter_id FROM dead_letters")
    asked = [
        (READER, LIST),
        (LOW, LIST),
        (OPERATOR, f"/v1/dead-letters/{letter}?purpose=operations"),
        (READER, f"/v1/dead-letters/{letter}?purpose=operations"),
    ]
    found = [await site.get(who, path) for who, path in asked]
    search = {"field": "end_to_end_id", "value": "E2E-named", "purpose": "casework"}
    found.append(await site.post(READER, "/v1/records/search", search))
    assert found[-1].json()["data"], found[-1].text
    return [(each.status_code, each.json()) for each in found]


async def test_everybody_sees_the_same_as_where_the_api_has_the_keys(filled: Installation, site: Site) -> None:
    here = await answers(site)
    async with served(filled) as own:
        there = await answers(own)
    for one, other in zip(here, there, strict=True):
        assert one == other
    records = [record for _, body in here for record in body.get("data", ())]
    assert {"open", "sealed"} <= {field["state"] for record in records for field in record["fields"].values()}
    assert site.parts.release is not None
    assert (await site.parts.known.up_to(5)).tier_keys.held() == []
    with pytest.raises(KeyUnavailable):
        site.parts.identity.keyring.index_key("bank-a", "account")


async def test_receipts_reviews_replays_and_looks_go_through_the_release(filled: Installation, site: Site) -> None:
    record = (await site.get(READER, f"{LIST}&limit=1")).json()["data"][0]["record"]
    answer = await site.get(READER, f"/v1/records/{record}/receipt?purpose=casework&field=currency")
    assert set(decode_receipt(answer.content).fields) == {"currency"}
    reviewed = name_of("open-1")
    label = filled.engine.model.labels[0]
    body = {"label": label, "reason": "seen before", "purpose": "operations"}
    decided = await site.post(READER, f"/v1/reviews/{reviewed}/decisions", body)
    assert decided.status_code == 200, decided.text
    (shown,) = (await site.get(READER, f"/v1/records/{reviewed}?purpose=casework")).json()["data"]
    assert shown["reviews"][0]["fields"]["label"]["value"] == label
    letter = await filled.one("SELECT dead_letter_id FROM dead_letters")
    replayed = await site.post(OPERATOR, "/v1/dead-letters/replay", {"dead_letters": [str(letter)]})
    (outcome,) = replayed.json()["data"]
    assert (outcome["taken_in"], outcome["reason"], outcome["problem"]) == (False, "schema_violation", False)
    await filled.sequence()
    proof = Presented(Means.TOKEN, site.token(AUDITOR))
    auditor = await site.parts.authenticator.principal(proof, dt.datetime.now(dt.UTC))
    lines = await looks_by(site.parts, auditor, "audit", Asked("bank-a", None, Question()), (0, 0))
    assert lines is not None
    assert str(record) in {str(each) for line in lines.lines for each in line.ids or ()}
    report = await filled.audit()
    assert report.ok, report


async def test_while_the_release_is_away_nothing_is_opened_and_then_it_is_again(
    site: Site, release: ReleaseProcess
) -> None:
    assert (await site.client.get("/readyz")).status_code == 200
    await release.stop()
    away = await site.get(READER, LIST)
    assert problem(away) == (503, "release_away")
    assert away.headers["Retry-After"] == "1"
    assert SECRETIVE not in away.text
    assert (await site.client.get("/readyz")).status_code == 503
    assert (await site.get(READER, "/v1/catalogue")).status_code == 200
    await release.start()
    async with asyncio.timeout(60):
        while (again := await site.get(READER, LIST)).status_code != 200:
            assert problem(again) == (503, "release_away")
            await asyncio.sleep(0.1)
    assert again.json()["data"]


async def test_scopes_are_served_by_processes_of_their_own(filled: Installation) -> None:
    async with releasing(filled, "*/*/1-2") as low, releasing(filled, "*/*/3-5") as high:
        routes = (low.route("*/*/1-2"), high.route("*/*/3-5"))
        async with served(filled, release=routes) as split, served(filled) as own:
            assert await answers(split) == await answers(own)
            await high.stop()
            assert problem(await split.get(READER, LIST)) == (503, "release_away")


async def test_only_processes_of_its_users_get_in_and_only_named_secrets_get_out(
    filled: Installation, release: ReleaseProcess, tmp_path: Path
) -> None:
    identity = await asyncio.to_thread(GivenIdentity.introduced, release.socket, LOG_ORIGIN)
    assert identity.authority() == filled.identity.authority()
    assert release.socket.stat().st_mode & 0o777 == 0o600
    assert release.socket.parent.stat().st_mode & 0o777 == 0o700
    for tenant, name in (("bank-a", "account"), ("platform", "position"), ("platform", "access")):
        asked = messages.AskSecret(tenant, name)
        with pytest.raises(ReleaseRefused, match="not_served"):
            await asyncio.to_thread(ask_once, release.socket, identity.worker, asked, messages.Secret)

    async def never(*_: Any) -> Any:
        raise AssertionError("somebody else got in")

    place = tmp_path / "at"
    async with SocketServer({os.getuid() + 1}, never, never).serving(place / "socket"):
        client = ReleaseClient(place / "socket", identity.worker)
        with pytest.raises(ReleaseAway):
            await client.answers()
        with pytest.raises(ConfigurationError, match="another process serves"):
            async with SocketServer({os.getuid()}, never, never).serving(place / "socket"):
                pass
    place.chmod(0o755)
    with pytest.raises(ConfigurationError, match="0700"):
        async with SocketServer({os.getuid()}, never, never).serving(place / "socket"):
            pass


async def test_the_release_vouches_for_nothing_that_nobody_signed(
    filled: Installation, release: ReleaseProcess
) -> None:
    identity = await asyncio.to_thread(GivenIdentity.introduced, release.socket, LOG_ORIGIN)
    registrar = AccessRegistrar(filled.database, filled.identity, actor="admin@example.org")
    mallory = replace(READER, person="mallory", subject="mallory", tier=5)
    with_key = replace(READER, person="keyed", subject="keyed", jwk=members(key_of("keyed").jwk))
    await registrar.grant(with_key)
    of_keyed, _ = await registrar.add_key(
        "keyed", tier=2, actions=[Action.REQUEST], projects=None, lifetime=dt.timedelta(days=1)
    )
    forged = PersonRow(mallory, bytes(32))
    await asyncio.to_thread(identity.voucher().learn, [forged, Voucher(filled.identity.keyring).person(READER)])
    assert not identity.voucher().is_ours(forged)
    assert identity.voucher().is_ours(Voucher(filled.identity.keyring).person(READER))
    change = policy_act("adopt", 1, default_policies(), rfc3339(dt.datetime.now(dt.UTC)))
    adoption = messages.AskAdopted(None, SignedAct("administrator", change), None)
    for asked in (
        messages.AskFirstKey(Presented(Means.API_KEY, of_keyed), members(key_of("mallory").jwk)),
        adoption,
        messages.AskAdopted(("bank-a", "urn:schema:none"), SignedAct("administrator", change), None),
    ):
        with pytest.raises(ReleaseRefused, match="decided_otherwise"):
            await asyncio.to_thread(ask_once, release.socket, identity.worker, asked, messages.Mac)


@pytest.mark.parametrize("text", ["", "*/*/1-5", "*/*/1-5 socket", "*/*/0 /s", "a/b/3-2 /s", "a/b /s"])
def test_a_route_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError):
        RoutePlan.parse(text)


async def test_what_is_denied_and_what_opens_it_are_never_in_the_api_s_memory(
    filled: Installation, release: ReleaseProcess, tmp_path: Path
) -> None:
    settings = settings_of(filled, SEALSTREAM_RELEASE=f'["{release.route()}"]')
    api = OurProcess(["api", "--listen", "127.0.0.1:0"], tmp_path, settings)
    async with served(filled, release=(release.route(),)) as site:
        url = await api.start()
        try:
            token = site.token(LOW)
            async with (
                aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as session,
                session.get(f"{url}{LIST}") as found,
            ):
                body = await found.json()
            fields = [each["fields"] for each in body["data"]]
            assert {each["counterparty_name"]["state"] for each in fields} <= {"sealed", "masked"}
            memory = await asyncio.to_thread(memory_of, api.pid)
        finally:
            await api.stop()
    # What is there is found: a secret that the process has.
    assert filled.identity.keyring.index_key("platform", "api-cursors") in memory
    assert b"bank-a" in memory
    held = filled.knowledge.tier_keys
    keys = [held.get(*place).key for place in held.held()]
    keys += [filled.knowledge.access_keys.get(*place).key for place in filled.knowledge.access_keys.held()]
    assert keys
    for key in keys:
        assert key not in memory
    for secret in ("authority", "log-bank-a"):
        assert filled.identity.keyring.signing_seed(secret) not in memory
    for tenant, secret in (("bank-a", "account"), ("bank-a", "end_to_end_id"), ("platform", "access")):
        assert filled.identity.keyring.index_key(tenant, secret) not in memory
    assert SECRETIVE.encode() not in memory
    assert SECRETIVE.encode("utf-16-le") not in memory


def memory_of(pid: int) -> bytes:
    """All that a process can write to, as it is now."""
    found = []
    with Path(f"/proc/{pid}/maps").open() as maps, Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in maps:
            match = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line)
            if match is None:
                continue
            start, end = (int(each, 16) for each in match.groups())
            try:
                memory.seek(start)
                found.append(memory.read(end - start))
            except (OSError, ValueError):
                continue
    return b"".join(found)


async def test_production_has_no_api_that_holds_keys_unless_it_says_so(platform: Installation) -> None:
    production = platform.settings.model_copy(update={"env": "production"})
    with pytest.raises(ConfigurationError, match="sealstream release"):
        async with opened_parts(production):
            pass
    lines = {each.name: each for each in await check_up(production)}
    assert not lines["key release"].ok
    allowed = await check_up(production.model_copy(update={"release_in_process": True}))
    assert {each.name: each for each in allowed}["key release"].ok
