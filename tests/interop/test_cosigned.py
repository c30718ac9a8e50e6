"""The public Go libraries open what our witness cosigned."""

import subprocess
from pathlib import Path

import pytest

from sealstream.witness import Witness, WitnessDirectory
from tests.interop.programs import build_go
from tests.support.witness_log import WitnessLog

LIMIT_SECONDS = 300  # only ever used up by a failing test
SEEN = 1_700_000_000
LOG = WitnessLog()


@pytest.fixture(scope="module")
def opener(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program, built on the published modules."""
    bin_dir = tmp_path_factory.mktemp("note")
    build_go("build", "-o", str(bin_dir / "note"), ".", scratch=bin_dir, source=Path(__file__).parent / "note")
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
            timeout=LIMIT_SECONDS,
            check=False,
        )
        return done.returncode, done.stdout.decode()

    assert opened(note) == (0, f"8 {SEEN}\n")
    assert opened(note.replace(b"\n8\n", b"\n9\n"))[0] == 1
    assert opened(LOG.note(8))[0] == 1
    earlier = cosigner.cosign(LOG.checkpoint(7).text, SEEN).line.encode()
    assert opened(LOG.note(8) + earlier)[0] == 1
