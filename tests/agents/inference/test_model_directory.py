"""A model on disk is what its manifest says, or it is not loaded."""

from pathlib import Path

import pytest

from agents.inference.families import open_text_model
from agents.inference.model_directory import ModelManifest, open_directory, read_manifest, write_directory
from schemas.errors import ConfigurationError

MANIFEST = ModelManifest(
    name="kinds",
    version="1.0.0",
    family="nobody_knows_it",
    task="classify",
    modality="text",
    labels=("a", "b"),
    files={},
)


@pytest.fixture
def written(tmp_path: Path) -> Path:
    write_directory(tmp_path / "kinds", MANIFEST, {"weights.bin": b"\0" * 64})
    return tmp_path / "kinds"


def test_what_was_written_is_read_back_with_its_files(written: Path) -> None:
    directory = open_directory(written)
    assert directory.files == {"weights.bin": b"\0" * 64}
    assert directory.manifest == read_manifest(written)
    assert directory.manifest.labels == ("a", "b")


def test_the_digest_changes_with_any_file_and_any_member(written: Path) -> None:
    digests = {read_manifest(written).digest, MANIFEST.digest}
    digests.add(write_directory(written, MANIFEST, {"weights.bin": b"\1" * 64}).digest)
    assert len(digests) == 3


@pytest.mark.parametrize("content", [b"", b"\0" * 63, b"\0" * 63 + b"\1"])
def test_a_changed_file_is_refused_by_its_name(written: Path, content: bytes) -> None:
    (written / "weights.bin").write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"weights\.bin"):
        open_directory(written)


def test_a_missing_file_is_refused_by_its_name(written: Path) -> None:
    (written / "weights.bin").unlink()
    with pytest.raises(ConfigurationError, match=r"weights\.bin"):
        open_directory(written)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b'{"name":"kinds"}',
        b"[" * 100_000,
        b'{"name":"../x","version":"1","family":"f","task":"classify","modality":"text","labels":["a"],"files":{}}',
        b'{"name":"x","version":"1","family":"f","task":"classify","modality":"text","labels":["a","a"],"files":{}}',
        b'{"name":"x","version":"1","family":"f","task":"classify","modality":"text","labels":["a"],'
        b'"files":{"../../etc/passwd":"' + b"0" * 64 + b'"}}',
    ],
)
def test_what_is_no_manifest_is_refused(written: Path, content: bytes) -> None:
    (written / "model.json").write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"model\.json"):
        open_directory(written)


def test_an_unknown_family_is_refused(written: Path) -> None:
    with pytest.raises(ConfigurationError, match="family"):
        open_text_model(written)
