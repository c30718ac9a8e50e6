"""The main job as a user starts it: `sealstream run`. With models for letters it is `test_mixed_run`.

What a run costs is to start its programs, each with libraries of its own: the runs that are ended have one worker less.
"""

import json
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from schemas.leaf import LEAF_VERSION, Leaf
from schemas.reasons import Reason
from sealstream.oneshot.outcome import Outcome
from sealstream.samples.feed import open_sample
from security.opening import OpenedField
from streams.embedded import DataDirectory
from tests.support.processes import WatchedCommand, until

NOTHING: dict[str, str] = {}


def test_a_run_ends_well_with_the_known_counts_and_leaves_no_process(tmp_path: Path) -> None:
    with WatchedCommand(["run", "--feed", "sample:mixed", "--json"], NOTHING, tmp_path) as command:
        code = command.wait()
        assert code == 0, command.talk
        report = json.loads(command.output)
        assert len(command.family) >= 5, "a broker, a database, three workers"
        until(lambda: not command.left())
    expected = open_sample("mixed").expectation
    assert report["ok"] is True
    assert report["differences"] == report["findings"] == []
    assert report["messages"] == expected.messages
    assert report["results"] == expected.results
    assert report["rejected"] == {reason.value: count for reason, count in sorted(expected.rejections.items())}
    # Without models, letters wait for nobody.
    assert report["deferred"] == {"done": 0, "failed": 0, "waiting": 0}
    assert report["outcomes"]["stored"] == expected.documents > 0
    assert report["outcomes"].keys().isdisjoint({"classified", "review"})
    assert report["statements"]["unbalanced"] == expected.unbalanced_statements
    assert {log["origin"].rsplit("/", 1)[1] for log in report["logs"]} == {"bank-a", "platform"}
    # A message of the platform's own: nothing is written where it was started.
    assert list(tmp_path.iterdir()) == []


@dataclass(frozen=True, slots=True)
class Ended:
    """What a run left that was ended in the middle."""

    code: int
    processes: int
    left: list[str]


@pytest.fixture(scope="module", params=[signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def ended(request: pytest.FixtureRequest) -> Iterator[Ended]:
    with DataDirectory() as directory:  # the servers' users can enter it
        # At that pace it is at work for ten seconds, however fast the machine is.
        words = ["run", "--feed", "sample:clean-2000", "--workers", "1", "--rate", "20"]
        with WatchedCommand(words, {"TMPDIR": str(directory)}, directory) as command:
            command.until_it_says("processing")
            processes = len(command.family)
            command.send(request.param)
            code = command.wait()
            until(lambda: not command.left())
        yield Ended(code, processes, [path.name for path in directory.glob("*embedded*")])


def test_a_run_that_is_ended_in_the_middle_leaves_no_process(ended: Ended) -> None:
    assert ended.processes >= 5
    assert ended.code != 0


def test_a_run_that_is_asked_to_end_leaves_no_keys_behind(ended: Ended) -> None:
    if ended.code == -signal.SIGKILL:
        pytest.skip("a killed run can't tidy up; the next one does")
    assert ended.left == []


def leaf(kind: str, **members: object) -> Leaf:
    return Leaf(v=LEAF_VERSION, commit=1, kind=kind, time="t", **members)  # type: ignore[arg-type]


def opened(**fields: bytes) -> dict[str, OpenedField]:
    return {name: OpenedField(2, "open", value, b"") for name, value in fields.items()}


def test_messages_are_counted_once_and_a_second_result_of_a_record_is_seen() -> None:
    outcome = Outcome()
    outcome.observe(leaf("accepted", message="m", record="m", outcome="balanced", count=1), {})
    outcome.observe(
        leaf("result", message="m", record="m/0", outcome="booked"), opened(amount=b"1.50", currency=b"EUR")
    )
    outcome.observe(leaf("rejected", message="m", record="m/1", reason="incomplete"), {})
    outcome.observe(leaf("duplicate", message="m", record="m"), {})
    outcome.observe(leaf("rejected", message="n", reason="malformed"), {})
    outcome.observe(leaf("read", count=3), {})
    assert (outcome.messages, outcome.results.total(), outcome.duplicates, outcome.reads) == (3, 1, 1, 1)
    assert outcome.rejected == {Reason.INCOMPLETE: 1, Reason.MALFORMED: 1}
    assert outcome.doubled == 0
    outcome.observe(leaf("result", message="m", record="m/0", outcome="booked"), {})
    assert outcome.doubled == 1


def test_every_count_that_is_off_is_told() -> None:
    outcome = Outcome()
    told = outcome.differences(open_sample("small").expectation)
    assert {text.split(":")[0] for text in told} == {
        "results",
        "statements",
        "unbalanced statements",
        "duplicates",
        "duplicate entries",
        "rejections by reason",
        "control totals",
        "booked control totals",
    }
