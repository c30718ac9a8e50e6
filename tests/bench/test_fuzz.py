"""The decoders under fuzzing: their seeds are sound, changed seeds break none of them, and atheris runs over them."""

import importlib.util
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.fuzz.target import Decoder
from bench.fuzz.targets import TARGETS
from schemas.errors import VerificationFailed
from streams.frames.decompression import MAX_BATCH_BYTES, bound_decompression

SHORT_RUN_INPUTS = 500  # for each decoder: less than its second
PATIENCE = 300  # only ever used up by a failing test

needs_atheris = pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None, reason="atheris has no wheel for this platform"
)


@lru_cache
def loaded(name: str) -> tuple[Decoder, tuple[bytes, ...]]:
    target = TARGETS[name]
    return target.load(), tuple(target.seeds())


@pytest.fixture(autouse=True)
def _unbounded_again() -> object:
    yield
    bound_decompression(MAX_BATCH_BYTES)


@pytest.mark.parametrize("name", TARGETS)
def test_every_seed_is_taken(name: str) -> None:
    decoder, seeds = loaded(name)
    assert seeds
    assert all(decoder.accepts(seed) for seed in seeds)


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_change_of_a_seed_brings_out_another_error(name: str, data: st.DataObject) -> None:
    decoder, seeds = loaded(name)
    changed = bytearray(data.draw(st.sampled_from(seeds)))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(changed)))
        length = data.draw(st.integers(0, 8))
        changed[at : at + length] = data.draw(st.binary(max_size=8))
    decoder.accepts(bytes(changed))


def test_an_undocumented_error_comes_through() -> None:
    def run(data: bytes) -> None:
        raise VerificationFailed("documented") if data else KeyError("not")

    decoder = Decoder(run, (VerificationFailed,))
    assert not decoder.accepts(b"x")
    with pytest.raises(KeyError):
        decoder.accepts(b"")


@needs_atheris
def test_a_decoder_that_is_not_there_is_a_misuse() -> None:
    done = subprocess.run([sys.executable, "-m", "bench.fuzz", "nothing"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "nothing" in done.stderr


@needs_atheris
def test_a_short_run_of_the_fuzzer_breaks_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench.fuzz", "--inputs", str(SHORT_RUN_INPUTS), "--directory", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-20_000:]
    assert done.stdout.count(": ok") == len(TARGETS)
    assert "(no inputs)" not in done.stdout
