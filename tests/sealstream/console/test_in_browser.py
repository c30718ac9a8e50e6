"""The console in a real browser: signing with an authenticator, both languages, narrow and wide, axe, hostile texts."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Page, expect

from tests.support.approving import HEAD, OFFICIAL, PROVIDER
from tests.support.console import CONSOLE, Opened, browsed, keyless
from tests.support.exchange import Exchange
from tests.support.release import releasing
from tests.support.seeing import choose, see

HOSTILE = "<img src=x onerror='document.title=1+1'><script>document.title='owned'</script>"


async def states(page: Page) -> dict[str, str]:
    """State of each field of the record on the page."""
    found: dict[str, str] = await page.evaluate(
        "Object.fromEntries([...document.querySelectorAll('tr[data-field]')].map("
        "(row) => [row.dataset.field, row.querySelector('.state').innerText.trim()]))"
    )
    return found


@pytest.fixture
async def released(browser: Browser, bureaus: Exchange) -> AsyncIterator[Opened]:
    """The console of an API whose keys are in another process, as in production."""
    async with releasing(bureaus.platform) as release, browsed(browser, bureaus, release=(release.route(),)) as found:
        yield found


async def test_a_request_is_approved_in_order_seen_and_revoked_with_the_keys_elsewhere(released: Opened) -> None:
    opened = released
    assert (await opened.site.parts.known.up_to(5)).tier_keys.held() == []
    (record,) = await opened.exchange.residents()
    watched: list[str] = []
    official = await opened.person(OFFICIAL)
    official.on("console", lambda message: watched.append(message.text))
    await see(official, "overview")
    await see_authenticator(opened, official)
    await official.goto(f"{opened.url}{CONSOLE}/records/{record}?purpose=casework")
    before = await states(official)
    assert (before["district"], before["id_number"]) == ("Open", "Sealed")
    await see(official, "record-sealed")
    name = await ask(opened, official)

    head, provider = await opened.person(keyless(HEAD)), await opened.person(keyless(PROVIDER))
    await opened.with_duty(head, HEAD)
    await opened.with_duty(provider, PROVIDER)
    # Not yet: the second step's turn has not come.
    await provider.goto(f"{opened.url}{CONSOLE}/requests/{name}")
    assert await provider.locator("button[value=approve]").count() == 0
    for page in (head, provider):
        await page.goto(f"{opened.url}{CONSOLE}/requests")
        await see(page, "inbox")
        await page.click("section[aria-labelledby=waiting] a")
        await see(page, "request")
        await page.click("button[value=approve]")
        await see(page, "sign")
        await opened.sign(page)

    await official.goto(f"{opened.url}{CONSOLE}/records/{record}?purpose=casework")
    after = await states(official)
    assert (after["id_number"], after["insurance_status"], after["income"]) == ("Open", "Open", "Sealed")
    assert await official.locator("tr[data-field=id_number] .value").inner_text() == '"110101199001011237"'
    await see(official, "record-open")
    await choose(official, "zh-Hans")
    await see(official, "record-open", "zh")
    await choose(official, "en")

    await head.goto(f"{opened.url}{CONSOLE}/requests/{name}")
    await head.click("button[value=revoke]")
    await opened.sign(head)
    await official.reload()
    assert await states(official) == before
    assert [text for text in watched if "Content Security Policy" in text] == []
    assert (await opened.exchange.platform.audit()).findings == []


async def see_authenticator(opened: Opened, page: Page) -> None:
    """Register an authenticator, looking at each page."""
    await page.goto(f"{opened.url}{CONSOLE}/authenticator")
    await see(page, "authenticator")
    await opened.enrol(page)
    await see(page, "authenticator-registered")


async def ask(opened: Opened, page: Page) -> str:
    """Ask for what is sealed, from the record's page; gives the request's id."""
    for field in ("id_number", "insurance_status"):
        await page.check(f"input[name=field][value={field}]")
    await page.click(".ask button")
    await page.fill("#basis", "Social Insurance Law, art. 81")
    await page.fill("#reason", f"case 17 {HOSTILE}")
    await page.select_option("#level", "2")
    await see(page, "request-new")
    await page.click("main button")
    await opened.sign(page)
    assert "Pending" in await page.locator("main").inner_text()
    return page.url.rsplit("/", 1)[1]


async def test_pages_are_clean_in_both_languages_and_hostile_texts_are_texts(opened: Opened) -> None:
    await opened.exchange.residents(2, {"district": HOSTILE})
    page = await opened.person(OFFICIAL)
    for language in ("en", "zh-Hans"):
        await page.goto(f"{opened.url}{CONSOLE}/")
        await choose(page, language)
        short = language.partition("-")[0]
        for name, path in (("records", "/records?purpose=casework&limit=20"), ("requests", "/requests")):
            await page.goto(f"{opened.url}{CONSOLE}{path}")
            await see(page, name, short)
        await page.goto(f"{opened.url}{CONSOLE}/records?purpose=casework")
        assert HOSTILE in await page.locator("main").inner_text()
        await page.click("#records a >> nth=0")
        await see(page, "record", short)
        await page.goto(f"{opened.url}{CONSOLE}/nothing")
        await see(page, "not-found", short)
    await page.click(".who button")
    await page.wait_for_url("**/login")
    await see(page, "login", "zh", contrast=True)
    assert await page.evaluate("document.cookie") == ""


async def test_older_records_come_without_leaving_the_page_and_by_keyboard(opened: Opened) -> None:
    await opened.exchange.residents(25)
    page = await opened.person(OFFICIAL)
    await page.goto(f"{opened.url}{CONSOLE}/records?purpose=casework")
    assert await page.locator(".record").count() == 20
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.className") == "skip"
    await page.focus(".more a")
    await page.keyboard.press("Enter")
    await expect(page.locator(".record")).to_have_count(25)
    assert await page.locator(".more").count() == 0


async def test_what_was_changed_or_signed_elsewhere_does_not_count(opened: Opened) -> None:
    """A page that shows something else than is signed, and a browser that opened another address."""
    await opened.exchange.residents()
    page = await opened.person(OFFICIAL)
    await opened.enrol(page)
    for script, expected in (
        ("document.getElementById('subject-text').textContent += ' '", "not what is shown"),
        ("document.getElementById('sign').dataset.rp = 'example.org'", "Open the console at"),
    ):
        await page.goto(f"{opened.url}{CONSOLE}/records?purpose=casework")
        await page.click("#records a >> nth=0")
        await page.check("input[name=field][value=income]")
        await page.click(".ask button")
        for name, text in (("#basis", "law"), ("#reason", "case")):
            await page.fill(name, text)
        await page.click("main button")
        await page.wait_for_selector("#sign")
        await page.evaluate(script)
        await page.click("#start:enabled")
        await page.wait_for_selector("#failed:not([hidden])")
        assert expected in await page.inner_text("#failed")
        assert await opened.exchange.platform.one("SELECT count(*) FROM access_requests") == 0
