"""The console over a test's platform: asked within the process, or opened in a real browser."""

import os
import re
import shutil
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from sealstream.address import Address
from sealstream.api.parts import opened_parts
from sealstream.api_server import serving
from security.access.person import Person
from security.access.policy_set import default_policies
from security.access.principal import Role
from tests.support.api import READER, Site, served
from tests.support.approving import AUTHORITY, HEAD, OFFICIAL, PROVIDER
from tests.support.exchange import POLICIES, Exchange
from tests.support.installation import Installation

CHROMIUM = ("chromium-headless-shell", "chromium")
"""Programs of one engine, the cheaper first: without a desktop's parts, a page costs half the CPU time."""
CONSOLE = "/console"
# Residents are there for social security at all; what an approval opens is the exchange's policies' to say.
DISTRICT = """
@id("social-security-district") @reach("registry") permit (
  principal in Department::"gov/social-security", action == Action::"read",
  resource in RecordKind::"urn:schema:resident"
) when { context.purpose == "casework" && resource.name == "district" };
"""


def known(who: Person) -> Person:
    """Somebody whom the embedded issuer knows."""
    return replace(who, issuer=READER.issuer, subject=who.person)


def keyless(who: Person) -> Person:
    """The same, before they have a key."""
    return replace(known(who), jwk=None, duties=frozenset())


@dataclass
class Caller:
    """Somebody's browser without scripts: cookies and forms alone."""

    site: Site
    client: httpx.AsyncClient
    token: str = ""

    async def get(self, path: str, **more: Any) -> httpx.Response:
        """Open a page."""
        answer = await self.client.get(f"{CONSOLE}{path}", **more)
        found = re.search(r'name="csrf" value="([0-9a-f]{64})"', answer.text)
        self.token = found[1] if found else self.token
        return answer

    async def post(self, path: str, **fields: Any) -> httpx.Response:
        """Send a form as the last page had it."""
        return await self.client.post(f"{CONSOLE}{path}", data={"csrf": self.token} | fields)

    async def log_in(self, credential: Person | str) -> httpx.Response:
        """Log in."""
        await self.get("/login")
        text = self.site.token(credential) if isinstance(credential, Person) else credential
        answer = await self.post("/login", credential=text)
        if answer.status_code == 303:
            await self.get("/")
        return answer


@asynccontextmanager
async def caller(site: Site) -> AsyncIterator[Caller]:
    """A browser that nobody used yet."""
    transport = site.client._transport
    async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as client:
        yield Caller(site, client)


@dataclass
class Opened:
    """The console in a real browser."""

    site: Site
    url: str
    browser: Browser
    exchange: Exchange

    async def person(self, who: Person, **more: Any) -> Page:
        """Somebody at their browser, logged in, with an authenticator that signs whenever it is asked."""
        context = await self.browser.new_context(locale="en-GB", **more)
        page = await context.new_page()
        await with_authenticator(context, page)
        await page.goto(f"{self.url}{CONSOLE}/login")
        await page.fill("#credential", self.site.token(known(who)))
        await page.press("#credential", "Enter")
        await page.wait_for_url(f"{self.url}{CONSOLE}/")
        return page

    async def enrol(self, page: Page) -> None:
        """Register the authenticator, as its person does."""
        await page.goto(f"{self.url}{CONSOLE}/authenticator")
        await page.click("#start")
        await page.wait_for_selector("#sign")
        await page.click("#start:enabled")
        await page.wait_for_url(f"{self.url}{CONSOLE}/authenticator")

    async def with_duty(self, page: Page, who: Person) -> None:
        """Their authenticator registered by themself, their duty by the registrar, who keeps that key."""
        await self.enrol(page)
        registered = (await self.site.registrar.list())[who.person]
        assert registered.jwk is not None
        await self.site.registrar.grant(replace(known(who), jwk=registered.jwk))

    async def sign(self, page: Page, then: str = ".steps") -> None:
        """Sign what the page shows, and see what comes after it."""
        await page.wait_for_selector("#sign")
        await page.click("#start:enabled")
        await page.wait_for_selector(then)


async def with_authenticator(context: BrowserContext, page: Page) -> None:
    """Give a page a virtual authenticator."""
    session = await context.new_cdp_session(page)
    await session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    await session.send("WebAuthn.addVirtualAuthenticator", {"options": options})


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """The system's Chromium."""
    program = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if program is None:
        missing = f"no Chromium is there; install the package {CHROMIUM[0]}"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def browsed(browser: Browser, exchange: Exchange, **changes: Any) -> AsyncIterator[Opened]:
    """The console over an exchange whose people have no keys yet; `changes` are of the settings."""
    await exchange.adopt(default_policies() + POLICIES + DISTRICT)
    people = [keyless(each) for each in (OFFICIAL, HEAD, PROVIDER, AUTHORITY)]
    auditor = replace(READER, person="auditor", subject="auditor", roles=frozenset({Role.AUDITOR}))
    async with shown(browser, exchange.platform, [*people, auditor], **changes) as opened:
        yield opened


@asynccontextmanager
async def shown(
    browser: Browser, platform: Installation, people: Sequence[Person], **changes: Any
) -> AsyncIterator[Opened]:
    """The console over any platform, with these people registered."""
    address = Address("127.0.0.1", _free_port())
    url = f"http://localhost:{address.port}"
    async with (
        served(platform, people=people, console_url=url) as site,
        opened_parts(
            site.platform.settings.model_copy(update={"console_url": url, "api_rate": 10_000.0} | changes)
        ) as parts,
        serving(parts, address),
    ):
        try:
            yield Opened(replace(site, parts=parts), url, browser, Exchange(platform))
        finally:
            for context in browser.contexts:
                await context.close()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
