"""What the tests of the console in a real browser share."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser

from tests.support.console import Opened, browsed, chromium
from tests.support.exchange import Exchange


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """The session's browser; each test opens windows of its own in it."""
    async with chromium() as found:
        yield found


@pytest.fixture
async def opened(browser: Browser, bureaus: Exchange) -> AsyncIterator[Opened]:
    """The console over an exchange whose people have no keys yet."""
    async with browsed(browser, bureaus) as console:
        yield console
