"""The exported encoder computes what the original computes, or is not written."""

from pathlib import Path
from typing import Any

import pytest

from agents.inference.onnx_encoder import ENCODER_FILE
from schemas.errors import ConfigurationError
from sealstream.training import encoder_export
from sealstream.training.encoder_export import (
    MOST_DIFFERENCE,
    ExportedEncoder,
    export_encoder,
    parity,
    read_encoder,
    wheel_directory,
)

try:
    import torch
except ImportError:
    torch = None

needs_torch = pytest.mark.skipif(torch is None, reason="needs the extra `torch` (4.5 GB)")


@pytest.fixture(scope="module")
def exported() -> ExportedEncoder:
    return export_encoder()


@needs_torch
def test_the_exported_encoder_computes_what_the_original_does(exported: ExportedEncoder, tmp_path: Path):
    assert 0 < exported.difference <= MOST_DIFFERENCE
    exported.write(tmp_path)
    assert read_encoder(tmp_path) == exported


@needs_torch
def test_a_graph_that_differs_by_more_than_is_allowed_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(encoder_export, "MOST_DIFFERENCE", 1e-9)
    with pytest.raises(encoder_export.ParityBroken, match="nothing was written"):
        export_encoder()


@needs_torch
@pytest.mark.parametrize(("shift", "least"), [(0.001, 0.0009), (float("nan"), float("inf"))])
def test_any_number_that_is_off_shows_in_the_difference(exported: ExportedEncoder, shift: float, least: float):
    folder = wheel_directory()
    from agents.inference.torch_pooling import CONFIG_FILE, WEIGHTS_FILE, pooled_encoder

    original = pooled_encoder({name: (folder / name).read_bytes() for name in (CONFIG_FILE, WEIGHTS_FILE)})

    def off(ids: Any, mask: Any) -> Any:
        vectors = original(ids, mask)
        vectors[-1, -1] += shift
        return vectors

    assert parity(off, exported.files[ENCODER_FILE], original.vocabulary, ((2, 5),)) >= least


@pytest.mark.skipif(torch is not None, reason="torch is installed")
def test_without_torch_it_says_what_to_install():
    with pytest.raises(ConfigurationError, match="extra `torch`"):
        export_encoder()


@pytest.mark.parametrize("content", [None, b"{}", b"[]", b"{"])
def test_what_is_no_exported_encoder_is_refused_with_the_command_that_makes_one(tmp_path: Path, content: bytes | None):
    if content is not None:
        (tmp_path / "encoder.json").write_bytes(content)
        (tmp_path / ENCODER_FILE).write_bytes(b"")
    with pytest.raises(ConfigurationError, match="encoder_export"):
        read_encoder(tmp_path)
