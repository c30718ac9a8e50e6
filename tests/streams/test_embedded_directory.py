from pathlib import Path

import pytest

from schemas.errors import ConfigurationError
from streams.embedded import DataDirectory, DirectoryInUse
from streams.embedded.directory import TEMPORARY_PREFIX, remove_abandoned
from streams.embedded.lock import LOCK_FILE


def test_a_temporary_directory_goes_with_its_context() -> None:
    with DataDirectory() as directory:
        (directory / "below").mkdir()
        (directory / "below" / "file").write_text("x")
    assert not directory.exists()


def test_a_named_directory_is_created_and_kept(tmp_path: Path) -> None:
    with DataDirectory(tmp_path / "a" / "b") as directory:
        (directory / "file").write_text("x")
    with DataDirectory(tmp_path / "a" / "b") as again:
        assert (again / "file").read_text() == "x"


def test_a_directory_has_one_owner(tmp_path: Path) -> None:
    with (
        DataDirectory(tmp_path / "data"),
        pytest.raises(DirectoryInUse, match="in use by process"),
        DataDirectory(tmp_path / "data"),
    ):
        pass
    with DataDirectory(tmp_path / "data"):
        pass


def test_a_full_file_system_is_refused_and_leaves_nothing() -> None:
    data = DataDirectory(minimum_free_bytes=1 << 60)
    with pytest.raises(ConfigurationError, match="MiB free and at least 1099511627776 MiB are needed"), data:
        pass
    assert not data._path.exists()


def test_a_refused_named_directory_can_be_opened_later(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="MiB free"), DataDirectory(tmp_path, minimum_free_bytes=1 << 60):
        pass
    with DataDirectory(tmp_path):
        pass


@pytest.mark.parametrize("below", [pytest.param("", id="is-a-file"), pytest.param("x", id="is-below-a-file")])
def test_a_path_that_cannot_be_a_directory_is_a_clear_error(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_text("x")
    with (
        pytest.raises(ConfigurationError, match="cannot create the data directory"),
        DataDirectory(tmp_path / "file" / below),
    ):
        pass


def test_only_abandoned_temporary_directories_are_removed(tmp_path: Path) -> None:
    abandoned, foreign = tmp_path / f"{TEMPORARY_PREFIX}1", tmp_path / "something-else"
    for path in (abandoned / "postgres", foreign):
        path.mkdir(parents=True)
        (path / LOCK_FILE).touch()
    with DataDirectory(tmp_path / f"{TEMPORARY_PREFIX}2") as owned:
        remove_abandoned(tmp_path)
        assert owned.exists()
    assert not abandoned.exists()
    assert foreign.exists()


def test_a_directory_whose_server_still_runs_is_not_removed(tmp_path: Path) -> None:
    abandoned = tmp_path / f"{TEMPORARY_PREFIX}1"
    with DataDirectory(abandoned / "postgres"):  # the same lock as a server's
        remove_abandoned(tmp_path)
        assert abandoned.exists()
    remove_abandoned(tmp_path)
    assert not abandoned.exists()
