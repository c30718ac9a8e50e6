"""`sealstream models` as an operator uses it: add, measure, activate, go back."""

import json
from pathlib import Path

import pytest

from agents.inference.model_directory import read_manifest
from agents.inference.transaction_kind import MODEL_DIRECTORY
from sealstream.running.own_models import place_of
from tests.shared_data import shared
from tests.support.installation import Installation
from tests.support.messages import entry, statement
from tests.support.models import other_version
from tests.support.processes import sealstream
from tests.support.text_models import LABELS, write_tiny

NAME = "transaction_kind"
EXAMPLES = [(f"the {word} of may", word) for word in LABELS for _ in range(4)]


@pytest.fixture
def entries(tmp_path: Path) -> Path:
    """A folder with a statement whose entries bear a code."""
    folder = tmp_path / "entries"
    folder.mkdir()
    (folder / "one.xml").write_bytes(statement("s", [entry(f"R{n}", f"{n}.50") for n in range(1, 9)]).data)
    return folder


class Shell:
    """Runs commands against one platform."""

    def __init__(self, platform: Installation, directory: Path) -> None:
        self._directory = directory
        self._settings = {
            "SEALSTREAM_DATABASE_URL": platform.dsn,
            "SEALSTREAM_KEYRING_DIR": str(platform.keyring_dir),
            "SEALSTREAM_MODEL_STORE": str(directory / "store"),
        }

    def run(self, *words: str) -> tuple[int, str, str]:
        done = sealstream("models", *words, settings=self._settings, directory=self._directory)
        return done.returncode, done.stdout, done.stderr

    def rows(self) -> list[dict[str, object]]:
        code, out, err = self.run("list", "--json")
        assert code == 0, err
        return [json.loads(line) for line in out.splitlines()]

    def fails(self, *words: str) -> str:
        code, out, err = self.run(*words)
        assert (code, out) == (1, ""), err
        assert err.count("\n") == 1
        return err

    def does(self, *words: str) -> str:
        code, out, err = self.run(*words)
        assert code == 0, err
        return out


@pytest.fixture
def shell(platform: Installation, tmp_path: Path) -> Shell:
    return Shell(platform, tmp_path)


async def test_a_version_is_added_measured_activated_and_rolled_back(
    platform: Installation, shell: Shell, entries: Path, tmp_path: Path
) -> None:
    assert shell.rows() == []
    second = other_version(tmp_path / "second", shift=0)
    assert f"{NAME}@2.0.0" in shell.does("add", str(second))
    assert "not evaluated" in shell.fails("activate", f"{NAME}@2.0.0")
    for version in ("1.0.0", "2.0.0"):
        table = shell.does("evaluate", f"{NAME}@{version}", "--data", str(entries), "--labels")
        assert "macro-F1" in table
        assert "credit_transfer_in" in table
    shell.does("activate", f"{NAME}@2.0.0", "--actor", "operator@example.org")
    rows = shell.rows()
    assert [(row["model"], row["stage"]) for row in rows] == [
        (f"{NAME}@1.0.0", "retired"),
        (f"{NAME}@2.0.0", "active"),
    ]
    assert {tuple(row["scores"]) for row in rows} == {("entries",)}  # type: ignore[arg-type]
    shell.does("rollback", NAME)
    assert [row["stage"] for row in shell.rows()] == ["active", "retired"]
    shown = shell.does("show", f"{NAME}@2.0.0")
    assert "hashed_bag" in shown
    assert "# 2.0.0" in shown
    await platform.sequence()
    assert (await platform.audit()).ok


def test_a_version_that_is_worse_is_refused_and_can_be_tried_as_a_shadow(
    shell: Shell, entries: Path, tmp_path: Path
) -> None:
    shell.does("add", str(other_version(tmp_path / "second")))
    for version in ("1.0.0", "2.0.0"):
        shell.does("evaluate", f"{NAME}@{version}", "--data", str(entries))
    assert "worse" in shell.fails("activate", f"{NAME}@2.0.0", "--share", "10")
    shell.does("activate", f"{NAME}@2.0.0", "--shadow")
    assert [row["shadow"] for row in shell.rows()] == [None, True]
    assert shell.does("report", NAME) == ""
    shell.does("retire", f"{NAME}@2.0.0")


def test_a_directory_is_measured_without_a_database(entries: Path, tmp_path: Path) -> None:
    done = sealstream(
        "models", "evaluate", str(MODEL_DIRECTORY), "--data", str(entries), "--json", settings={}, directory=tmp_path
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["items"], found["dataset"], found["score"]) == (8, "entries", 1.0)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        pytest.param(["activate", NAME], 2, id="no-version"),
        pytest.param(["activate", f"{NAME}@2", "--shadow", "--share", "5"], 2, id="a-shadow-with-a-share"),
        pytest.param(["activate", f"{NAME}@2", "--share", "0"], 2, id="no-share"),
        pytest.param(["activate", f"{NAME}@2", "--unevaluated", " "], 1, id="no-reason"),
        pytest.param(["activate", "nothing@2"], 1, id="not-registered"),
        pytest.param(["rollback", "nothing"], 1, id="nothing-to-go-back-to"),
        pytest.param(["add", "no-such-directory"], 1, id="no-directory"),
    ],
)
def test_misuse_and_refusals_have_their_exit_codes(shell: Shell, words: list[str], code: int) -> None:
    found, out, err = shell.run(*words)
    assert (found, out) == (code, ""), err


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    """Texts with labels of the tiny model."""
    path = tmp_path / "labelled.csv"
    path.write_text("text,category\n" + "".join(f"{text},{label}\n" for text, label in EXAMPLES))
    return path


def test_a_text_classifier_is_measured_and_made_smaller(labelled: Path, tmp_path: Path) -> None:
    tiny = write_tiny(tmp_path / "tiny")
    done = sealstream("models", "bench", str(tiny), "--data", "labelled.csv", "--json", settings={}, directory=tmp_path)
    assert done.returncode == 0, done.stderr
    measured = json.loads(done.stdout)
    assert measured["examples"] == len(EXAMPLES)
    words = ("quantize", str(tiny), "small", "--version", "2.0.0-int8", "--data", "labelled.csv", "--json")
    done = sealstream("models", *words, settings={}, directory=tmp_path)
    assert done.returncode == 0, done.stderr
    before, after = map(json.loads, done.stdout.splitlines())
    assert (before["version"], after["version"]) == ("before", "after")
    assert read_manifest(tmp_path / "small").version == "2.0.0-int8"
    done = sealstream(
        "models", "evaluate", "small", "--data", "labelled.csv", "--json", settings={}, directory=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["score"] == pytest.approx(after["accuracy"])


def test_an_extractor_is_measured_by_the_values_it_finds(tmp_path: Path) -> None:
    data = shared("data/text_labels/pii_presidio_en")
    words = ("evaluate", str(place_of("shipped:patterns")), "--data", str(data), "--labels", "--json")
    done = sealstream("models", *words, settings={}, directory=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["labels"]["IBAN_CODE"]["f1"] > 0.95
    assert 0 < found["score"] < 1
