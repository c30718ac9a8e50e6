"""The verifier of docs/verify, run as its reader runs it: without any package of ours."""

import importlib.util
import json
import subprocess
import sys
from base64 import b64encode
from pathlib import Path

import pytest

from security.hmac_sha256 import hmac_sha256
from security.hmac_sm3 import hmac_sm3
from tests.support.processes import ROOT
from tests.support.receipts import ALONE, LOG, ORIGIN, SIZE, good_receipts
from tests.support.tampered_receipts import TAMPERED, oversized

PROGRAM = ROOT / "docs" / "verify" / "sealstream_verify.py"
OURS = ("schemas", "security", "streams", "agents", "sealstream")
LIMIT_SECONDS = 300  # only ever used up by a failing test
ONE_AFTER_THE_OTHER = """
import contextlib, io, json, runpy, sys
program, key, *names = sys.argv[1:]
answers = {}
for name in names:
    sys.argv = [program, f"{name}.json", key]
    output, talk, code = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(output):
        try:
            runpy.run_path(program, run_name="__main__")
        except SystemExit as end:
            code, said = (1, end.code) if isinstance(end.code, str) else (end.code or 0, None)
            talk.write(f"{said}\\n" if said else "")
    answers[name] = code, output.getvalue(), talk.getvalue()
json.dump(answers, sys.stdout)
"""


def verify(directory: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """Run it on its own: isolated, in a directory that holds nothing of ours."""
    return subprocess.run(
        [sys.executable, "-I", str(PROGRAM), *words],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str, str]]:
    """Exit code, output and talk for each receipt: good ones under their names, tampered ones under theirs.

    A process for each would do nothing but load libraries: the program is run from its file again and again in one,
    as isolated as a reader's.
    """
    directory = tmp_path_factory.mktemp("receipts")
    (directory / "log.key").write_text(LOG.verifier.vkey)
    receipts = good_receipts() | {name: case.make() for name, case in TAMPERED.items()}
    for name, data in receipts.items():
        (directory / f"{name}.json").write_bytes(data)
    done = subprocess.run(
        [sys.executable, "-I", "-c", ONE_AFTER_THE_OTHER, str(PROGRAM), "log.key", *receipts],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=True,
    )
    return {name: tuple(answer) for name, answer in json.loads(done.stdout).items()}


def test_the_exit_code_and_the_words_of_a_process_of_its_own_are_the_same(
    answers: dict[str, tuple[int, str, str]], tmp_path: Path
) -> None:
    (tmp_path / "good.json").write_bytes(good_receipts()["alone"])
    (tmp_path / "bad.json").write_bytes(TAMPERED["field-value"].make())
    for file, name in (("good.json", "alone"), ("bad.json", "field-value")):
        done = verify(tmp_path, file, LOG.verifier.vkey)
        assert (done.returncode, done.stdout, done.stderr) == answers[name]


@pytest.mark.parametrize("name", good_receipts())
def test_a_good_receipt_is_accepted(answers: dict[str, tuple[int, str, str]], name: str) -> None:
    code, output, talk = answers[name]
    assert (code, talk) == (0, "")
    assert output.startswith(f"log signature: by {ORIGIN}, size ")


@pytest.mark.parametrize("name", TAMPERED)
def test_a_tampered_receipt_is_refused_in_one_line(answers: dict[str, tuple[int, str, str]], name: str) -> None:
    code, output, talk = answers[name]
    assert (code, output) == (1, "")
    assert talk.startswith("refused: ")
    assert talk.count("\n") == 1
    assert "125.4" not in talk


def test_it_says_what_holds_as_the_package_does(answers: dict[str, tuple[int, str, str]]) -> None:
    _, output, _ = answers["alone"]
    found = dict(line.split(": ", 1) for line in output.splitlines())
    assert found["inclusion"] == f"index {ALONE} of {SIZE}"
    assert found["field amount"] == "125.40"
    assert found["producer signature"].startswith("bank-a-1 (")
    assert found["message"] == "all of it as received"


def test_an_oversized_file_and_another_origin_are_refused_and_a_leaf_is_checked_alone(tmp_path: Path) -> None:
    (tmp_path / "large.json").write_bytes(oversized())
    (tmp_path / "bad.json").write_bytes(TAMPERED["field-value"].make())
    (tmp_path / "good.json").write_bytes(good_receipts()["alone"])
    vkey = LOG.verifier.vkey
    assert verify(tmp_path, "large.json", vkey).returncode == 1
    assert verify(tmp_path, "good.json", vkey, "--origin", "logs.example.org/bank-b").returncode == 1
    assert verify(tmp_path, "good.json", vkey[:-4] + "AAA=").returncode == 1
    done = verify(tmp_path, "bad.json", vkey, "--leaf-only")
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 3)


def test_it_needs_none_of_our_packages_and_can_be_read_in_one_sitting(tmp_path: Path) -> None:
    program = (
        "import runpy, sys\n"
        "class Refuse:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        assert name.partition('.')[0] not in {OURS!r}, name\n"
        "sys.meta_path.insert(0, Refuse())\n"
        f"sys.argv = ['verify', 'alone.json', {LOG.verifier.vkey!r}]\n"
        f"runpy.run_path({str(PROGRAM)!r}, run_name='__main__')\n"
    )
    (tmp_path / "alone.json").write_bytes(good_receipts()["alone"])
    done = subprocess.run(
        [sys.executable, "-I", "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(PROGRAM.read_text().splitlines()) < 365


def test_commitments_are_checked_with_the_hash_that_the_leaf_names() -> None:
    spec = importlib.util.spec_from_file_location("sealstream_verify", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    salt, value = bytes(16), b"5.10"
    says = {kind: b64encode(mac(salt, value)).decode() for kind, mac in ((None, hmac_sha256), ("hmac-sm3", hmac_sm3))}
    for kind, commitment in says.items():
        program.check_commitment({"commitments": kind}, commitment, salt, value, "a field")
    for kind in ("hmac-sm3", None, "hmac-md5"):
        other = says[None if kind == "hmac-sm3" else "hmac-sm3"]
        with pytest.raises(ValueError, match=r"a field is not|can't check"):
            program.check_commitment({"commitments": kind}, other, salt, value, "a field")
