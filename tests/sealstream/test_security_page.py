"""docs/security.md: what it names is there, and where secrets are compared it says so."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text()
NAMED = sorted(set(re.findall(r"`((?:agents|bench|docs|schemas|security|streams|tests)/[\w./-]+(?:::\w+)?)`", PAGE)))


@pytest.mark.parametrize("named", NAMED)
def test_what_the_page_names_is_there(named: str) -> None:
    path, _, test = named.partition("::")
    assert (ROOT / path).exists()
    if test:
        assert re.search(rf"^(?:async )?def {test}\b", (ROOT / path).read_text(), re.MULTILINE)


def test_the_page_names_code_and_tests() -> None:
    assert sum("::" in each for each in NAMED) > 25


def test_every_comparison_in_constant_time_is_listed() -> None:
    section = PAGE.split("## Compared in constant time")[1].split("\n## ")[0]
    found = {
        str(path.relative_to(ROOT))
        for package in ("agents", "schemas", "sealstream", "security", "streams")
        for path in (ROOT / package).rglob("*.py")
        if "compare_digest(" in path.read_text()
    }
    assert found == set(re.findall(r"`((?:agents|security|sealstream|streams)/[\w./]+)`", section))
