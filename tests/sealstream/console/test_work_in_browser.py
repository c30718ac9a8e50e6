"""The audit timeline, task tracking and throughput in a real browser: axe, widths, both languages, refreshing."""

from dataclasses import replace

from playwright.async_api import Page

from security.access.principal import Role
from tests.support.api import READER
from tests.support.approving import OFFICIAL
from tests.support.console import CONSOLE, Opened
from tests.support.seeing import choose, see

AUDITOR = replace(READER, person="auditor", subject="auditor", roles=frozenset({Role.AUDITOR}))


async def in_both_languages(page: Page, name: str) -> None:
    """See a page in English and in Chinese."""
    await see(page, name)
    await choose(page, "zh-Hans")
    await see(page, name, "zh")
    await choose(page, "en")


async def test_an_auditor_goes_from_a_record_to_who_saw_it_and_its_proof(opened: Opened) -> None:
    (record,) = await opened.exchange.residents()
    official = await opened.person(OFFICIAL)
    await official.goto(f"{opened.url}{CONSOLE}/records/{record}?purpose=casework")
    await opened.exchange.platform.sequence()
    page = await opened.person(AUDITOR)
    watched: list[str] = []
    page.on("console", lambda message: watched.append(message.text))
    await page.goto(f"{opened.url}{CONSOLE}/timeline")
    await in_both_languages(page, "timeline-empty")
    await page.fill("#record-record", str(record))
    await page.fill("#record-purpose", "audit")
    await page.press("#record-purpose", "Enter")
    await page.wait_for_selector(".line")
    assert OFFICIAL.person in await page.inner_text(".line h3")
    await page.click(".line summary >> nth=0")
    assert str(record) in await page.inner_text(".line")
    await in_both_languages(page, "timeline")
    row = next(iter(await opened.exchange.platform.rows("SELECT vkey FROM logs WHERE tenant = 'registry'")))
    await page.click(".line a[href*='/proofs']")
    await page.fill("#keys", row["vkey"])
    await page.click("#by-index button")
    await page.wait_for_selector("#verdict[data-state=good]")
    assert "kind read" in await page.inner_text("#steps")
    assert [text for text in watched if "Content Security Policy" in text] == []


async def test_throughput_refreshes_itself_and_tasks_are_tracked(opened: Opened) -> None:
    page = await opened.person(AUDITOR)
    watched: list[str] = []
    page.on("console", lambda message: watched.append(message.text))
    await page.goto(f"{opened.url}{CONSOLE}/throughput?minutes=15")
    assert await page.locator(".minutes tbody th").count() == 0
    first, _ = await opened.exchange.residents(2)
    await page.wait_for_selector(".minutes td:text-is('2')")
    await in_both_languages(page, "throughput")
    await page.click(".live")
    assert await page.locator("[hx-trigger]").count() == 0
    await see(page, "throughput-stopped")

    await page.goto(f"{opened.url}{CONSOLE}/tasks")
    await in_both_languages(page, "tasks")
    await page.fill("#task", str(first))
    await page.press("#task", "Enter")
    await page.wait_for_selector(".stage")
    await in_both_languages(page, "task")
    assert await page.locator(".stage").count() == 2
    assert [text for text in watched if "Content Security Policy" in text] == []
