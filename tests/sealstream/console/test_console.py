"""The console without a browser: logins, forms, languages, records, requests, headers, errors."""

import datetime as dt
import re
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest
from jinja2.ext import extract_from_ast
from structlog.testing import capture_logs

from sealstream.console.application import PAGES
from sealstream.console.assets import load_assets
from sealstream.console.chinese import common
from sealstream.console.language import CHINESE, ENGLISH, chosen_language
from sealstream.console.rendering import make_rendering
from sealstream.console.words import WORDS
from security.access.presented import Means, Presented
from security.access.principal import Action
from security.access.session import session_digest
from tests.support.api import AUDITOR, OPERATOR, READER, STRANGER, Site, served
from tests.support.console import Caller, caller
from tests.support.installation import BANK_A, Installation, Worker
from tests.support.messages import Inbox, transaction

XSS = ['<script>document.title="owned"</script>', '"><img src=x onerror=alert(1)>', "{{ 7*7 }}", "javascript:alert(1)"]


@pytest.fixture
async def site(platform: Installation, worker: Worker) -> AsyncIterator[Site]:
    inbox = Inbox()
    items = [transaction(f"t{n}", counterparty_name=text, remittance_information=text) for n, text in enumerate(XSS)]
    BANK_A.put(inbox, *items)
    await worker.commit(inbox.take())
    await platform.sequence()
    async with served(platform) as found:
        yield found


@pytest.fixture
async def visit(site: Site) -> AsyncIterator[Caller]:
    async with caller(site) as found:
        yield found


async def test_without_a_login_every_page_leads_to_it(visit: Caller) -> None:
    for path in ("/", "/records", "/requests", "/authenticator", f"/records/{'0' * 8}-0000-4000-8000-{'0' * 12}"):
        answer = await visit.get(path)
        assert (answer.status_code, answer.headers["location"]) == (303, "/console/login"), path
    assert (await visit.client.get("/console")).headers["location"] == "/console/"


async def test_a_token_and_a_key_log_in_and_out_again(visit: Caller) -> None:
    for credential in (READER, await visit.site.key(READER, Action.READ)):
        answer = await visit.log_in(credential)
        assert answer.status_code == 303
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        text = visit.site.token(READER) if credential is READER else str(credential)
        assert text not in str(visit.client.cookies)
        assert "reader-a" in (await visit.get("/")).text
        assert (await visit.post("/logout")).status_code == 303
        assert (await visit.get("/")).status_code == 303


async def test_what_proves_nothing_logs_nobody_in_and_is_in_no_log(visit: Caller) -> None:
    secret = "sk_0123456789abcdef_" + "s" * 43
    await visit.get("/login")
    with capture_logs() as logs:
        answer = await visit.post("/login", credential=secret)
    assert answer.status_code == 401
    assert secret not in answer.text
    assert secret not in str(logs)
    assert not [name for name in visit.client.cookies if "session" in name]


async def test_a_login_counts_as_long_as_its_key_and_its_person(visit: Caller) -> None:
    key = await visit.site.key(READER, Action.READ)
    await visit.log_in(key)
    await visit.site.registrar.revoke_key(key.split("_")[1])
    assert (await visit.get("/records")).status_code == 303
    await visit.log_in(READER)
    await visit.site.registrar.dismiss(READER.person)
    assert (await visit.get("/records")).status_code == 303


async def test_cookies_are_the_hosts_alone_over_https(platform: Installation) -> None:
    async with served(platform, console_url="https://console.example.org") as site, caller(site) as visit:
        cookie = (await visit.get("/login")).headers["set-cookie"]
        assert cookie.startswith("__Host-sealstream-visit=")
        assert "Secure" in cookie
        assert "Path=/" in cookie
        assert "Domain" not in cookie


async def test_a_login_by_a_bound_token_is_bound_to_its_certificate(visit: Caller) -> None:
    site, bound = visit.site, "x" * 43
    token = site.issuer.token(READER.subject or "", dt.datetime.now(dt.UTC), bound)
    assert (await visit.log_in(token)).status_code == 401
    opened = await site.parts.logins.open_session(Presented(Means.TOKEN, token, bound), dt.datetime.now(dt.UTC))
    # Whoever copies the cookie shows another certificate, or none.
    visit.client.cookies = httpx.Cookies({site.parts.cookies.session: opened.text})
    assert (await visit.get("/records")).status_code == 303


async def test_a_login_ends_everywhere_when_its_person_logs_out(visit: Caller) -> None:
    await visit.log_in(READER)
    copied = httpx.Cookies(visit.client.cookies)
    async with caller(visit.site) as thief:
        thief.client.cookies = copied
        assert (await thief.get("/")).status_code == 200
        assert (await visit.post("/logout")).status_code == 303
        assert (await thief.get("/")).status_code == 303


async def test_a_login_that_sql_made_or_moved_on_is_none(visit: Caller) -> None:
    await visit.log_in(READER)
    platform = visit.site.platform
    for changed in ("subject = 'auditor'", "ends = ends + interval '1 day'", "certificate = 'x'", "mac = '\\x00'"):
        async with platform.database.session() as connection, connection.transaction():
            rows = await connection.fetch("SELECT * FROM console_sessions")
            await connection.execute(f"UPDATE console_sessions SET {changed}")
        assert (await visit.get("/records")).status_code == 303, changed
        await platform.execute("DELETE FROM console_sessions")
        async with platform.database.session() as connection:
            for row in rows:
                places = ", ".join(f"${n}" for n in range(1, len(row) + 1))
                await connection.execute(f"INSERT INTO console_sessions VALUES ({places})", *row.values())
        assert (await visit.get("/records")).status_code in (200, 303)
    await visit.log_in(READER)
    await platform.execute("UPDATE console_sessions SET ends = created")
    assert (await visit.get("/records")).status_code == 303


async def test_what_a_browser_keeps_is_stored_nowhere(visit: Caller) -> None:
    await visit.log_in(READER)
    secret = visit.client.cookies[visit.site.parts.cookies.session]
    for row in await visit.site.platform.rows("SELECT * FROM console_sessions"):
        assert secret not in str(dict(row))
        assert row["digest"] == session_digest(secret)
    shown = Presented(Means.SESSION, secret)
    assert secret not in repr(shown)
    who = await visit.site.parts.authenticator.principal(shown, dt.datetime.now(dt.UTC))
    assert who.proof == shown
    assert secret not in repr(who)
    answer = await visit.site.get(secret, "/v1/catalogue")
    assert answer.status_code == 401  # good for the console alone


@pytest.mark.parametrize(
    "path", ["/login", "/logout", "/language", "/records/search", "/records/open", "/requests/new"]
)
async def test_a_form_that_is_not_ours_is_refused(visit: Caller, path: str) -> None:
    await visit.log_in(READER)
    theirs = visit.token
    async with caller(visit.site) as attacker:
        await attacker.log_in(STRANGER)
        tokens = ["", "0" * 64, attacker.token]
    for token in tokens:
        assert (await visit.post(path, csrf=token)).status_code == 403
    answer = await visit.client.post(f"/console{path}", data={"csrf": theirs}, headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403
    assert (await visit.get("/")).status_code == 200


async def test_json_is_no_form_and_a_form_is_no_request_of_the_api(visit: Caller) -> None:
    await visit.log_in(READER)
    assert (await visit.client.post("/console/records/search", json={})).status_code == 415
    assert (await visit.client.post("/v1/records/search", data={"a": "b"})).status_code == 415
    # A cookie is no credential of the API's.
    assert (await visit.client.get("/v1/records?purpose=casework")).status_code == 401


async def test_every_page_forbids_what_is_not_ours(visit: Caller) -> None:
    await visit.log_in(READER)
    for path in ("/login", "/", "/records", "/nothing", "/records/x?purpose=casework"):
        answer = await visit.get(path)
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
        assert "unsafe" not in policy
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-frame-options"] == "DENY"
        assert not re.search(r"<script(?![^>]*src=)|\son\w+=|style=", answer.text)


def test_styles_are_the_same_in_every_language() -> None:
    styles = [asset.body.decode() for name, asset in load_assets().files.items() if name.endswith(".css")]
    assert styles
    assert not [text for text in styles if re.search(r":lang\(|\[lang", text)]


async def test_files_are_kept_for_ever_under_their_digest(visit: Caller) -> None:
    page = (await visit.get("/login")).text
    (address,) = re.findall(r'src="(/console/static/[0-9a-f]{16}/htmx\.js)"', page)
    answer = await visit.client.get(address)
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["content-type"].startswith("text/javascript")
    assert (await visit.client.get(address.replace("htmx.js", "nothing.js"))).status_code == 404
    assert (await visit.client.get("/console/static/0000000000000000/htmx.js")).status_code == 404


async def test_records_are_listed_page_by_page_and_shown_field_by_field(visit: Caller) -> None:
    await visit.log_in(READER)
    assert "Found" not in (await visit.get("/records")).text
    first = (await visit.get("/records?purpose=casework&tenant=&limit=3")).text
    assert first.count('class="card record"') == 3
    (onward,) = re.findall(r'href="/console/records\?([^"]+)" hx-get', first)
    fragment = await visit.get(f"/records?{onward.replace('&amp;', '&')}", headers={"HX-Request": "true"})
    assert fragment.text.count('class="card record"') == 1
    assert "<html" not in fragment.text
    (record, *_) = re.findall(r"/console/records/([0-9a-f-]{36})\?", first)
    looks = await visit.site.platform.one("SELECT count(*) FROM commits")
    shown = (await visit.get(f"/records/{record}?purpose=casework")).text
    assert re.search(r'data-field="amount".*?Open.*?</tr>', shown, re.DOTALL)
    assert await visit.site.platform.one("SELECT count(*) FROM commits") == looks + 1


async def test_what_is_stored_is_shown_as_text(visit: Caller) -> None:
    await visit.log_in(READER)
    for path in ("/records?purpose=casework", ""):
        if not path:
            answer = await visit.post("/records/search", field="counterparty_name", value=XSS[0], purpose="casework")
        else:
            answer = await visit.get(path)
        assert "<script>document" not in answer.text
        assert "<img src=x" not in answer.text
        assert "&lt;script&gt;document.title" in answer.text
        assert answer.status_code == 200
    assert "49" not in re.findall(r"<dd>(.*?)</dd>", answer.text)


async def test_a_search_stands_in_no_address_and_no_log(visit: Caller) -> None:
    await visit.log_in(READER)
    with capture_logs() as logs:
        answer = await visit.post("/records/search", field="counterparty_name", value=XSS[1], purpose="casework")
    assert answer.text.count('class="card record"') == 1
    assert "onerror" not in str(logs)
    for field, value, purpose in (("", "x", "casework"), ("account", "", "casework"), ("account", "x", "No Purpose")):
        assert (await visit.post("/records/search", field=field, value=value, purpose=purpose)).status_code == 422


async def test_what_is_denied_looks_absent(visit: Caller) -> None:
    await visit.log_in(READER)
    page = (await visit.get("/records?purpose=casework")).text
    record = re.findall(r"/console/records/([0-9a-f-]{36})\?", page)[0]
    await visit.log_in(STRANGER)
    denied = await visit.get(f"/records/{record}?purpose=casework")
    absent = await visit.get(f"/records/{'0' * 8}{record[8:]}?purpose=casework")
    assert (denied.status_code, absent.status_code) == (404, 404)

    def plain(text: str) -> str:
        return re.sub(r"[0-9a-f-]{32,64}", "", text)

    assert plain(denied.text) == plain(absent.text)


async def test_roles_and_keys_open_no_more_pages_than_the_api(visit: Caller) -> None:
    await visit.log_in(OPERATOR)
    page = await visit.get("/")
    assert "/console/records" not in page.text
    assert (await visit.get("/records?purpose=casework")).status_code == 403
    await visit.log_in(await visit.site.key(READER, Action.READ))
    assert (await visit.get("/records?purpose=casework")).status_code == 200
    assert (await visit.post("/records/search", field="account", value="x", purpose="casework")).status_code == 403
    assert (await visit.get("/requests/new")).status_code == 403
    await visit.log_in(AUDITOR)
    assert (await visit.get("/records?purpose=audit")).status_code == 200


async def test_a_cursor_is_good_for_its_list_alone(visit: Caller) -> None:
    await visit.log_in(READER)
    page = (await visit.get("/records?purpose=casework&limit=1")).text
    cursor = re.findall(r"cursor=([A-Za-z0-9_-]+)", page)[0]
    assert (await visit.get(f"/records?purpose=casework&limit=1&cursor={cursor}")).status_code == 200
    assert (await visit.get(f"/records?purpose=audit&limit=1&cursor={cursor}")).status_code == 400


async def test_the_language_is_the_browsers_until_one_is_chosen(visit: Caller) -> None:
    chinese = {"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.1"}
    page = (await visit.get("/login", headers=chinese)).text
    assert 'lang="zh-Hans"' in page
    assert "登录" in page
    await visit.get("/login")
    answer = await visit.post("/language", language=CHINESE, back="/console/login")
    assert answer.headers["location"] == "/console/login"
    assert 'lang="zh-Hans"' in (await visit.get("/login")).text
    for back in ("https://evil.example", "//evil.example", "/console/../v1", "/console/\r\nX: y"):
        assert (await visit.post("/language", language="xx", back=back)).headers["location"] == "/console/"


@pytest.mark.parametrize(
    ("cookie", "accepted", "expected"),
    [
        (None, "", ENGLISH),
        (None, "de, zh;q=0.5, en;q=0.4", CHINESE),
        (None, "en;q=0.2, zh-TW;q=0.1", ENGLISH),
        (None, "zh;q=x, en", ENGLISH),
        (CHINESE, "en", CHINESE),
        ("fr", "zh", CHINESE),
    ],
)
def test_languages_are_chosen_by_cookie_then_by_weight(cookie: str | None, accepted: str, expected: str) -> None:
    assert chosen_language(cookie, accepted) == expected


def test_every_text_has_its_chinese() -> None:
    rendering = make_rendering(PAGES, load_assets(), "/console")
    texts, environment = set(WORDS.values()), rendering.environment
    for name in environment.list_templates():
        assert environment.loader is not None
        source, _, _ = environment.loader.get_source(environment, name)
        for _, _, message in extract_from_ast(environment.parse(source), ("_",)):
            texts |= {message} if isinstance(message, str) else {message[0]} if isinstance(message, tuple) else set()
        assert "|safe" not in source.replace(" ", "")
    known = set(common.TEXTS).union(*(page.chinese for page in PAGES))
    texts |= {entry.label for page in PAGES for entry in page.entries}
    assert sorted(str(each) for each in texts - known - {None}) == []
    for page in PAGES:
        for english, translated in page.chinese.items():
            assert set(re.findall(r"\{\w+\}", english)) == set(re.findall(r"\{\w+\}", translated)), english


async def test_a_person_without_a_key_is_told_so_and_a_keys_person_keeps_it(visit: Caller) -> None:
    await visit.site.registrar.grant(replace(READER, jwk=None))
    await visit.log_in(READER)
    given = {
        "provider": "bank-a/payments", "kind": "k", "fields": "amount", "records": "", "purpose": "casework",
        "basis": "law", "reason": XSS[0], "level": "1", "quota": "1", "ends": "2099-01-01",
    }  # fmt: skip
    answer = await visit.post("/requests/new", **given)
    assert answer.status_code == 422
    assert "register an authenticator first" in answer.text
    assert "&lt;script&gt;" in answer.text
    assert (await visit.post("/authenticator/key", public_key="no key")).status_code == 422
    await visit.log_in(STRANGER)
    assert (await visit.post("/authenticator/key", public_key="")).status_code == 409
    assert (await visit.post("/authenticator/signed", jwk="{}", at="", assertion="{}")).status_code == 409
