"""Looking at a page of the console in a browser: axe, both widths, no script of a record's, and pictures."""

import os
from pathlib import Path

from axe_playwright_python.async_playwright import Axe
from axe_playwright_python.base import AxeResults
from playwright.async_api import Page

WIDTHS = {"wide": 1280, "narrow": 400}
RULES = {
    "resultTypes": ["violations"],
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]},
}
# Half of axe's time is measuring contrast. Styles look at no language (test_console), so it is the same in each.
WITHOUT_CONTRAST = RULES | {"rules": {"color-contrast": {"enabled": False}}}
AXE = Axe()
# What passed is most of an answer, and nobody reads it.
RUN = "(options) => axe.run(options).then(({violations, url, timestamp}) => ({violations, url, timestamp}))"
KEPT = (
    *("login", "records", "record-sealed", "record-open", "request-new", "inbox", "request", "sign"),
    *("reviews", "review", "dead-letters", "dead-letter", "policies", "policy-changes", "policy-explain"),
    *("catalogue", "catalogue-version", "model", "proof", "timeline", "throughput", "task"),
)
"""Pages that docs have a picture of."""
SCREENSHOTS = os.environ.get("CONSOLE_SCREENSHOTS")
"""A folder where pictures of the pages go; `make screenshots` names the one in docs."""


async def see(page: Page, name: str, language: str = "en", *, contrast: bool | None = None) -> None:
    """See that axe finds nothing at either width, that nothing is cut off, and that no script of a record's ran.

    Args:
        contrast: Whether it is measured; by default in English, where a page is seen in both languages.
    """
    rules = RULES if (language == "en" if contrast is None else contrast) else WITHOUT_CONTRAST
    await page.evaluate(AXE.axe_script)
    for width_name, width in WIDTHS.items():
        await page.set_viewport_size({"width": width, "height": 800})
        results = AxeResults(await page.evaluate(RUN, rules))
        assert results.violations_count == 0, f"{name}, {width}: {results.generate_report()}"
        overflow = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert overflow <= 0, f"{name} is {overflow} px too wide at {width}"
        assert "Sealstream" in await page.title()
        if SCREENSHOTS and name in KEPT and (language, width_name) in (("en", "wide"), ("zh", "narrow")):
            await page.screenshot(path=Path(SCREENSHOTS) / f"{name}-{language}.png")


async def choose(page: Page, language: str) -> None:
    """Another language."""
    await page.click(f".languages button[value={language}]")
    await page.wait_for_selector(f"html[lang={language}]")
