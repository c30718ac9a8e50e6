"""The form of log lines, and that neither exceptions nor libraries put a record's values into them."""

import asyncio
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from schemas.errors import StorageError
from sealstream.logs import Level, configure_logs
from tests.support.processes import ROOT, environment

SECRET = "DE89370400440532013000"


@pytest.fixture
def restored() -> Iterator[None]:
    """Whatever a test configures, the next one finds as it was."""
    root, hook = logging.getLogger(), sys.excepthook
    handlers, level = root.handlers[:], root.level
    configured = structlog.get_config()
    yield
    structlog.configure(**configured)
    root.handlers[:], sys.excepthook = handlers, hook
    root.setLevel(level)


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def configured(level: Level = "info") -> Any:
    configure_logs(level, json=True, role="intake", group="g")
    return structlog.get_logger("test")


@pytest.mark.usefixtures("restored")
def test_an_event_says_what_happened_and_whose_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    configured().info("frame.lost", topic="transactions", partition=3)
    (event,) = lines(capsys)
    assert event.pop("timestamp").endswith("Z")
    assert event == {
        "event": "frame.lost", "level": "info", "topic": "transactions", "partition": 3, "process": os.getpid(),
        "role": "intake", "group": "g",
    }  # fmt: skip


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize(("level", "shown"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_the_level_is_that_of_our_own_events(level: Level, shown: int, capsys: pytest.CaptureFixture[str]) -> None:
    log = configured(level)
    for name in ("debug", "info", "warning", "error"):
        getattr(log, name)("something.happened")
        logging.getLogger("aiokafka").debug("Response: %s", SECRET)
        logging.getLogger("aiokafka").info("Response: %s", SECRET)
    assert len(lines(capsys)) == shown


@pytest.mark.usefixtures("restored")
def test_of_a_library_s_message_the_values_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    configured()
    logger = logging.getLogger("some.library")
    logger.warning("Can't read %r of node %s in %d ms: %s", SECRET, "n", 7, ValueError(SECRET))
    logger.error("Named %(value)s and %(count)d", {"value": SECRET, "count": 3})
    logger.error("Two lines\n%s", SECRET)
    first, second, third = lines(capsys)
    assert (first["event"], first["logger"], first["level"]) == ("library.message", "some.library", "warning")
    assert first["text"] == "Can't read %r of node %s in %d ms: %s"
    assert (first["numbers"], first["errors"]) == ([7], ["ValueError"])
    assert second["numbers"] == [3]
    assert third["text"] == "Two lines"
    assert SECRET not in str([first, second, third])


def fail() -> None:
    try:
        int(SECRET)
    except ValueError as exc:
        raise KeyError(SECRET) from exc


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize("ours", [True, False])
def test_an_exception_is_its_type_and_its_places(ours: bool, capsys: pytest.CaptureFixture[str]) -> None:
    log = configured()
    try:
        fail()
    except KeyError:
        if ours:
            log.exception("something.failed")
        else:
            logging.getLogger("library").exception("Failed: %s", SECRET)
    (event,) = lines(capsys)
    assert (event["exception"], event["cause"]) == ("KeyError", "ValueError")
    assert [place.split(" ")[1] for place in event["raised_at"]][-1] == "fail"
    assert SECRET not in str(event)


@pytest.mark.usefixtures("restored")
def test_the_text_of_our_own_errors_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    configured().error("it.failed", exc_info=StorageError("the database is away; start it"))
    (event,) = lines(capsys)
    assert event["what"] == "the database is away; start it"


@pytest.mark.usefixtures("restored")
def test_a_task_that_nobody_waits_for_shows_no_value(capsys: pytest.CaptureFixture[str]) -> None:
    configured()

    async def leave_it() -> None:
        async def broken() -> None:
            raise ValueError(SECRET)

        task = asyncio.get_running_loop().create_task(broken())
        await asyncio.sleep(0)
        del task

    asyncio.run(leave_it())
    (event,) = lines(capsys)
    assert (event["logger"], event["exception"]) == ("asyncio", "ValueError")
    assert SECRET not in str(event)


@pytest.mark.parametrize("json_form", [True, False])
def test_an_exception_that_ends_the_process_shows_no_value(json_form: bool, tmp_path: Path) -> None:
    program = (
        "from sealstream.logs import configure_logs\n"
        f"configure_logs(json={json_form}, role='r')\n"
        f"raise ValueError({SECRET!r})\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment({"PYTHONPATH": str(ROOT)}),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "process.failed" in done.stderr
    assert "ValueError" in done.stderr
    assert SECRET not in done.stderr
