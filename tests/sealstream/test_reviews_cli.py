"""The commands over reviews, as a person uses them one after the other."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agents.access.registrar import AccessRegistrar
from tests.support.api import READER
from tests.support.installation import Installation, Worker
from tests.support.processes import sealstream
from tests.support.reviews import left_open, name_of

Run = Callable[..., list[dict[str, Any]]]
BY_RIGHT = ("--as", READER.person, "--purpose", "operations")


@pytest.fixture
def run(platform: Installation, tmp_path: Path) -> Run:
    def run(*words: str, code: int = 0) -> list[dict[str, Any]]:
        done = sealstream(
            *words,
            settings={
                "SEALSTREAM_DATABASE_URL": platform.dsn,
                "SEALSTREAM_KEYRING_DIR": str(platform.keyring_dir),
                "SEALSTREAM_DATA_DIR": str(tmp_path),
            },
            directory=tmp_path,
        )
        assert done.returncode == code, done.stderr
        assert "payroll" not in done.stderr
        return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]

    return run


async def test_a_person_lists_decides_and_shows(platform: Installation, worker: Worker, run: Run) -> None:
    await left_open(worker, "a")
    record = str(name_of("a"))
    (waiting,) = run("reviews", "list", "--json")
    assert waiting["record"] == record
    assert "label" in str(waiting["fields"])
    run("reviews", "show", record, code=1)
    run("reviews", "decide", record, "lottery", "--reason", "payroll run", code=1)
    run("reviews", "decide", record, "salary", code=2)
    run("reviews", "decide", record, "salary", "--reason", "payroll run", "--tier", "2", code=1)
    (first,) = run("reviews", "decide", record, "salary", "--reason", "payroll run", "--json")
    (second,) = run("reviews", "decide", record, "fee", "--reason", "a charge", "--json")
    assert (first["number"], first["supersedes"]) == (1, None)
    assert (second["number"], second["supersedes"]) == (2, first["review"])
    assert run("reviews", "list", "--json") == []
    shown = run("reviews", "show", record, "--json")
    assert [(each["number"], each["label"], each["reason"]) for each in shown] == [
        (1, "salary", "payroll run"),
        (2, "fee", "a charge"),
    ]
    (view,) = run("records", "show", record, "--tier", "2", "--json")
    assert [(each["label"], each["reason"]) for each in view["reviews"]] == [
        ("salary", "<sealed>"),
        ("fee", "<sealed>"),
    ]
    await platform.sequence()
    report = await platform.audit()
    assert report.ok, [str(finding) for finding in report.findings]
    assert report.reviews == 2


async def test_a_registered_person_decides_by_their_right(platform: Installation, worker: Worker, run: Run) -> None:
    await left_open(worker, "a")
    await AccessRegistrar(platform.database, platform.identity, actor="admin@example.org").grant(READER)
    record = str(name_of("a"))
    (waiting,) = run("reviews", "list", *BY_RIGHT, "--json")
    assert waiting["fields"]["label"]["state"] == "open"
    decide = ("reviews", "decide", record, "salary", "--reason", "payroll run")
    run(*decide, "--as", READER.person, "--purpose", "marketing", code=1)
    run(*decide, *BY_RIGHT)
    (shown,) = run("reviews", "show", record, *BY_RIGHT, "--json")
    assert (shown["number"], shown["fields"]["label"]["value"]) == (1, "salary")
    assert run("reviews", "list", *BY_RIGHT, "--json") == []
    await platform.sequence()
    assert (await platform.audit()).findings == []
