"""`sealstream receipt show|verify`: one as a clerk uses it, the other as whoever gets the file."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from security.note import Signer
from tests.support.installation import BANK_A, Installation, Worker
from tests.support.messages import Inbox, transaction
from tests.support.processes import environment, sealstream
from tests.support.receipts import LOG, ORIGIN, good_receipts
from tests.support.tampered_receipts import TAMPERED

WITNESS = Signer("witness.example.org", b"witness".ljust(32, b"."))
# What only a process with settings, a database, a broker or a model needs.
HEAVY = ("agents", "aiohttp", "aiokafka", "asyncpg", "faust", "lxml", "numpy", "onnxruntime", "pydantic_settings",
         "sqlalchemy", "streams", "structlog", "sealstream.settings")  # fmt: skip


def verify(directory: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    # Settings that lead nowhere, and one that no command would accept: they are not read.
    nowhere = {"SEALSTREAM_DATABASE_URL": "postgresql://127.0.0.1:1/x", "SEALSTREAM_PARTITIONS": "nonsense"}
    return sealstream("receipt", "verify", *words, settings=nowhere, directory=directory)


async def test_a_receipt_is_shown_at_a_tier_and_verified_by_somebody_else(
    platform: Installation, worker: Worker, tmp_path: Path
) -> None:
    inbox = Inbox()
    BANK_A.put(inbox, transaction("a"))
    await worker.commit(inbox.take())
    await platform.sequence()
    record = str(await platform.one("SELECT record_id FROM results"))
    settings = {"SEALSTREAM_DATABASE_URL": platform.dsn, "SEALSTREAM_KEYRING_DIR": str(platform.keyring_dir)}

    def show(*words: str) -> "subprocess.CompletedProcess[str]":
        return sealstream("receipt", "show", record, *words, settings=settings, directory=tmp_path)

    done = show("--tier", "3", "--field", "amount", "--field", "label", "--evidence", "--out", "receipt.json")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    vkey = platform.identity.log_signer(BANK_A.tenant).verifier.vkey
    done = verify(tmp_path, "receipt.json", "--vkey", vkey, "--json")
    assert done.returncode == 0, done.stderr
    found = {each["established"]: each["detail"] for each in map(json.loads, done.stdout.splitlines())}
    assert found["field amount"] == "125.40"
    assert list(found) == [
        "log signature", "inclusion", "leaf", "field amount", "field label", "producer signature", "message"
    ]  # fmt: skip
    plain = show("--tier", "1")
    assert json.loads(plain.stdout)["fields"] == {}
    for words, what in ((["--tier", "2", "--field", "amount"], "tier 3"), (["--tier", "2", "--evidence"], "tier 3")):
        refused = show(*words)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert what in refused.stderr
    looks = [leaf for leaf in await platform.leaves(BANK_A.tenant) if leaf["kind"] == "read"]
    assert [leaf["basis"] for leaf in looks] == ["tier:3", "tier:1", "tier:2", "tier:2"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("alone", "cosigned"):
        (tmp_path / f"{name}.json").write_bytes(good_receipts()[name])
    (tmp_path / "bad.json").write_bytes(TAMPERED["field-value"].make())
    (tmp_path / "log.key").write_text(LOG.verifier.vkey + "\n")
    return tmp_path


@pytest.mark.parametrize(
    ("words", "code", "what"),
    [
        pytest.param(["alone.json", "--vkey", "log.key"], 0, "established=inclusion", id="key-in-a-file"),
        pytest.param(["alone.json", "--vkey", LOG.verifier.vkey, "--origin", ORIGIN], 0, "125.40", id="key-as-text"),
        pytest.param(["alone.json", "--vkey", "log.key", "--origin", "o"], 1, "another log", id="another-origin"),
        pytest.param(["bad.json", "--vkey", "log.key"], 1, "treat it as altered", id="tampered"),
        pytest.param(["bad.json", "--vkey", "log.key", "--leaf-only"], 0, "established=leaf", id="leaf-only"),
        pytest.param(
            ["cosigned.json", "--vkey", "log.key", "--witness", WITNESS.verifier.vkey, "--min-witnesses", "1"],
            0, "cosigned by 1", id="witness",
        ),
        pytest.param(
            ["alone.json", "--vkey", "log.key", "--witness", WITNESS.verifier.vkey, "--min-witnesses", "1"],
            1, "1 are needed", id="too-few-witnesses",
        ),
        pytest.param(["alone.json", "--vkey", "nothing.key"], 2, "neither a vkey", id="no-such-key"),
        pytest.param(["alone.json", "--vkey", LOG.verifier.vkey[:-2]], 1, "verifier key", id="no-key"),
        pytest.param(["nothing.json", "--vkey", "log.key"], 2, "does not exist", id="no-such-file"),
        pytest.param(["alone.json"], 2, "--vkey", id="no-key-named"),
    ],
)  # fmt: skip
def test_the_answer_is_the_exit_code_and_the_reason_one_line(
    folder: Path, words: list[str], code: int, what: str
) -> None:
    done = verify(folder, *words)
    assert done.returncode == code, done.stderr
    assert what in (done.stdout if code == 0 else done.stderr)
    if code == 1:
        assert done.stdout == ""
        assert done.stderr.startswith("sealstream: ")
        assert done.stderr.count("\n") == 1


def test_a_value_can_not_look_like_a_line_of_ours(folder: Path) -> None:
    done = verify(folder, "alone.json", "--vkey", "log.key")
    assert "\u2028" not in done.stdout
    assert len(done.stdout.splitlines()) == 8


def test_verifying_loads_nothing_that_a_running_platform_needs_and_asks_nobody(folder: Path) -> None:
    program = (
        "import sys\n"
        "asked = []\n"
        "sys.addaudithook(lambda event, _: asked.append(event) if event.startswith('socket.') else None)\n"
        "from sealstream.cli import main\n"
        "sys.argv = ['sealstream', 'receipt', 'verify', 'alone.json', '--vkey', 'log.key']\n"
        "try:\n"
        "    main()\n"
        "except SystemExit as end:\n"
        f"    print([name for name in {HEAVY!r} if name in sys.modules], asked, end.code, file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment({}), cwd=folder, capture_output=True, text=True, check=True
    )
    assert done.stderr == "[] [] 0\n"
