"""`sealstream audit export|prove|serve` as an auditor's scripts use them."""

import json
import signal
import urllib.request
from pathlib import Path

import pytest

from security.merkle import leaf_hash
from security.note import Verifier
from security.proof import parse_tlog_proof, verify_tlog_proof
from tests.support.installation import BANK_A, Installation, Worker
from tests.support.messages import Inbox, transaction
from tests.support.processes import WatchedCommand, sealstream


def settings_of(platform: Installation) -> dict[str, str]:
    return {
        "SEALSTREAM_DATABASE_URL": platform.dsn,
        "SEALSTREAM_KEYRING_DIR": str(platform.keyring_dir),
        "SEALSTREAM_DATA_DIR": str(platform.keyring_dir.parent),
    }


@pytest.fixture
async def filled(platform: Installation, worker: Worker) -> Installation:
    inbox = Inbox()
    BANK_A.put(inbox, transaction("a"), transaction("b"))
    await worker.commit(inbox.take())
    await platform.sequence()
    return platform


async def test_a_record_is_proved_with_what_the_commands_print(filled: Installation, tmp_path: Path) -> None:
    def run(*words: str) -> tuple[int, str, str]:
        done = sealstream("audit", *words, settings=settings_of(filled), directory=tmp_path)
        return done.returncode, done.stdout, done.stderr

    record = str(await filled.one("SELECT record_id FROM results ORDER BY commit_id, leaf DESC LIMIT 1"))
    _, listed, _ = run("checkpoint", "--json")
    logs = {each["origin"].rsplit("/", 1)[1]: each for each in map(json.loads, listed.splitlines())}
    code, proof, talk = run("prove", record, "--entry", "entry.json")
    assert (code, talk) == (0, "")
    entry = (tmp_path / "entry.json").read_bytes()
    assert json.loads(entry)["record"] == record
    log = logs[BANK_A.tenant]
    key = Verifier.from_vkey(log["vkey"])
    signed = verify_tlog_proof(parse_tlog_proof(proof.encode()), leaf_hash(entry), log["origin"], [key])
    assert signed.size == log["size"] == 3
    code, answer, _ = run("prove", "2", "--tenant", BANK_A.tenant, "--json")
    assert code == 0
    assert json.loads(answer) == {"log": log["origin"], "index": 2, "leaf": entry.decode(), "proof": proof}
    for words, what in (
        (["prove", "3", "--tenant", BANK_A.tenant], "none with index 3"),
        (["prove", "0"], "name its tenant"),
        (["prove", "0", "--tenant", "nobody"], "no log of a tenant"),
        (["prove", "00000000-0000-0000-0000-000000000001"], "no record, message or dead letter"),
    ):
        code, output, talk = run(*words)
        assert (code, output) == (1, "")
        assert what in talk
        assert talk.count("\n") == 1


def test_logs_are_exported_and_served(filled: Installation, tmp_path: Path) -> None:
    done = sealstream("audit", "export", "logs", "--json", settings=settings_of(filled), directory=tmp_path)
    assert done.returncode == 0, done.stderr
    exported = {each["log"].rsplit("/", 1)[1]: each["size"] for each in map(json.loads, done.stdout.splitlines())}
    assert exported == {"bank-a": 3, "bank-b": 1}
    note = (tmp_path / "logs/bank-a/checkpoint").read_bytes()
    with WatchedCommand(["audit", "serve", "--listen", "127.0.0.1:0"], settings_of(filled), tmp_path) as command:
        command.until_it_says("serving logs at ")
        url = command.talk[-1].split()[-1]
        with urllib.request.urlopen(f"{url}/bank-a/checkpoint") as answer:
            assert answer.read() == note
        command.send(signal.SIGTERM)
        assert command.wait() == 128 + signal.SIGTERM
