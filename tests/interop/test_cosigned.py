"""The public Go libraries open what our witness cosigned."""

import os
import subprocess
from pathlib import Path

import pytest

from sealstream.witness import Witness, WitnessDirectory
from tests.interop.programs import tool
from tests.support.witness_log import WitnessLog

BUILD_SECONDS = 600
SEEN = 1_700_000_000
LOG = WitnessLog()


@pytest.fixture(scope="module")
def opener(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program, built on the published modules."""
    go, bin_dir = tool("go"), tmp_path_factory.mktemp("note")
    home = {} if "HOME" in os.environ or "GOPATH" in os.environ else {"GOPATH": str(bin_dir / "go")}
    built = subprocess.run(
        [go, "build", "-o", str(bin_dir / "note"), "."],
        cwd=Path(__file__).parent / "note",
        env=os.environ | home | {"GOFLAGS": "-modcacherw"},
        capture_output=True,
        text=True,
        timeout=BUILD_SECONDS,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    return bin_dir / "note"


def test_a_cosigned_checkpoint_is_opened_and_a_changed_one_is_not(opener: Path, tmp_path: Path) -> None:
    with WitnessDirectory.locked(tmp_path) as held:
        cosigner = held.key("witness.example/w")
        witness = Witness(held, cosigner, [LOG.signer.verifier], clock=lambda: SEEN)
        note = LOG.note(8) + witness.add_checkpoint(LOG.body(0, 8)).encode()

    def opened(given: bytes) -> tuple[int, str]:
        done = subprocess.run(
            [str(opener), LOG.signer.verifier.vkey, cosigner.verifier.vkey],
            input=given,
            capture_output=True,
            timeout=60,
            check=False,
        )
        return done.returncode, done.stdout.decode()

    assert opened(note) == (0, f"8 {SEEN}\n")
    assert opened(note.replace(b"\n8\n", b"\n9\n"))[0] == 1
    assert opened(LOG.note(8))[0] == 1
    earlier = cosigner.cosign(LOG.checkpoint(7).text, SEEN).line.encode()
    assert opened(LOG.note(8) + earlier)[0] == 1
