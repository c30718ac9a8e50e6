"""A Go program on the public libraries of transparency logs judges receipts as we do, as far as it looks at them."""

import subprocess
from pathlib import Path

import pytest

from tests.interop.programs import build_go
from tests.support.receipts import LOG, good_receipts
from tests.support.tampered_receipts import TAMPERED, oversized

SOURCE = Path(__file__).parent / "go-receipts"
LIMIT_SECONDS = 300  # only ever used up by a failing test


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program, compiled outside of the repository; versions and digests of its modules are pinned."""
    directory = tmp_path_factory.mktemp("go-receipts")
    target = str(directory / "receipts")
    build_go("build", "-mod=readonly", "-o", target, ".", scratch=directory, source=SOURCE, GOTOOLCHAIN="local")
    return directory / "receipts"


@pytest.fixture(scope="module")
def answers(program: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What it says of each receipt: good ones under their names, tampered ones under theirs."""
    directory = tmp_path_factory.mktemp("receipts")
    receipts = good_receipts() | {name: case.make() for name, case in TAMPERED.items()} | {"oversized": oversized()}
    for name, data in receipts.items():
        (directory / name).write_bytes(data)
    done = subprocess.run(
        [str(program), LOG.verifier.vkey, *receipts],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, "")
    return dict(zip(receipts, done.stdout.splitlines(), strict=True))


@pytest.mark.parametrize("name", good_receipts())
def test_a_good_receipt_is_accepted(answers: dict[str, str], name: str) -> None:
    assert answers[name] == "ok"


@pytest.mark.parametrize("name", [*(name for name, case in TAMPERED.items() if case.part != "message"), "oversized"])
def test_a_tampered_receipt_is_refused(answers: dict[str, str], name: str) -> None:
    assert answers[name].startswith("refused: ")
    assert "125.4" not in answers[name]


def test_what_is_wrong_with_the_message_alone_it_does_not_see(answers: dict[str, str]) -> None:
    """Nothing else is wrong with those: what the other verifiers refuse there is the message."""
    refused = {name for name, case in TAMPERED.items() if case.part == "message" and answers[name] != "ok"}
    assert refused == set()
