"""The commands over tier keys and erasures, as an operator uses them one after the other."""

import json
from pathlib import Path

import pytest

from tests.support.installation import BANK_A, Installation, Worker
from tests.support.messages import Inbox, transaction
from tests.support.processes import sealstream
from tests.support.terminal import Terminal


@pytest.fixture
def keyring_dir(tmp_path: Path) -> Path:
    """Of this test's own: what is destroyed here is destroyed for all."""
    return tmp_path / "keys"


async def test_an_operator_rotates_rewraps_reseals_shreds_and_erases(
    platform: Installation, worker: Worker, tmp_path: Path
) -> None:
    def run(*words: str, code: int = 0) -> list[dict[str, object]]:
        done = sealstream(
            *words,
            settings={
                "SEALSTREAM_DATABASE_URL": platform.dsn,
                "SEALSTREAM_KEYRING_DIR": str(platform.keyring_dir),
                "SEALSTREAM_DATA_DIR": str(tmp_path),
            },
            directory=tmp_path,
        )
        assert done.returncode == code, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]

    def amounts() -> set[str]:
        return {str(each["fields"]["amount"]) for each in run("records", "list", "--tier", "5", "--json")}  # type: ignore[index]

    inbox = Inbox()
    BANK_A.put(inbox, transaction("a", amount="1.00"), transaction("b", amount="2.00"))
    await worker.commit(inbox.take())
    run("keys", "rotate-tier", "bank-a", "--domain", BANK_A.domain, "--actor", "custodian@example.org")
    run("keys", "rewrap", "bank-a", "--retire")
    tiers = run("keys", "tiers", "--json")
    epochs = {each["epoch"] for each in tiers if (each["domain"], each["tenant"]) == (BANK_A.domain, "bank-a")}
    assert epochs == {1, 2}
    assert amounts() == {"1.00", "2.00"}
    assert {"tenant": "bank-a", "domain": BANK_A.domain, "sealed_rows": 4} in run("keys", "reseal", "bank-a", "--json")
    run("keys", "rotate-tier", "bank-a", "--suite", "sm4-gcm")
    tiers = run("keys", "tiers", "--json")
    assert {each["suite"] for each in tiers if each["tenant"] == "bank-a"} == {"aes-256-gcm", "sm4-gcm"}
    run("keys", "rotate-tier", "bank-a", "--domain", BANK_A.domain, "--suite", "aes-256-gcm", code=1)
    (rotated,) = run("keys", "rotate-index", "bank-a", "account", "--json")
    assert rotated == {"tenant": "bank-a", "field": "account", "version": 1, "terms": 2}
    run("keys", "rotate-index", "bank-a", "amount", code=1)
    run("keys", "shred", "bank-a", "--domain", BANK_A.domain, "--epoch", "1", "--yes")
    assert amounts() == {"1.00", "2.00"}
    run("keys", "shred", "bank-a", code=2)
    run("keys", "shred", "nobody", "--all", "--yes", code=1)
    record = await platform.one("SELECT message_id FROM messages ORDER BY kafka_offset LIMIT 1")
    (erased,) = run("records", "erase", str(record), "--reason", "on request", "--json")
    assert (erased["messages_erased"], erased["records_erased"]) == (1, 1)
    run("records", "erase", "00000000-0000-0000-0000-000000000001", "--reason", "on request", code=1)
    assert amounts() == {"<erased>", "2.00"}
    run("keys", "shred", "bank-a", "--tier", "3", "--epoch", "2", "--yes")
    assert amounts() == {"<erased>", "<shredded>"}
    await platform.sequence()
    report = await platform.audit()
    assert report.ok, [str(finding) for finding in report.findings]


async def test_sealed_data_is_changed_by_whoever_signs_and_in_production_by_nobody_else(
    platform: Installation, worker: Worker, terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox = Inbox()
    BANK_A.put(inbox, transaction("a"))
    await worker.commit(inbox.take())
    record = str(await platform.one("SELECT message_id FROM messages"))
    await terminal.grant("olga", "bank-a/it", "operator")
    await terminal.grant("rudi", "bank-a/it", "reader")
    monkeypatch.setattr("sealstream.people.signed_changes.must_be_signed", lambda settings: True)
    keys, records = Terminal(tmp_path, "keys"), Terminal(tmp_path, "records")
    scope = ["bank-a", "--domain", BANK_A.domain]
    acts: list[tuple[Terminal, list[str]]] = [
        (keys, ["rotate-tier", *scope]),
        (keys, ["reseal", "bank-a"]),
        (keys, ["rewrap", *scope, "--retire"]),
        (keys, ["rotate-index", "bank-a", "account"]),
        (keys, ["shred", *scope, "--epoch", "1", "--yes"]),
        (records, ["erase", record, "--reason", "on request"]),
    ]
    for group, words in acts:
        await group.run(*words, code=1)
        await group.run(*words, *terminal.signs("rudi"), code=1)
        await group.run(*words, *terminal.signs("olga"))
    # What is left of a shredding that the log has is finished by anybody.
    await keys.run("shred", *scope, "--epoch", "1", "--yes")
    said = [leaf for leaf in await platform.leaves("bank-a", of_keys=True) if {"tier_key", "index_key"} & leaf.keys()]
    changes = {(leaf.get("tier_key") or leaf["index_key"])["change"]: leaf["basis"] for leaf in said}
    ends = {"reseal": "alone", "retire": "alone"}
    assert changes == dict.fromkeys(("rotate", "begin_reseal", "rewrap", "shred"), "signed") | ends
    (erased,) = [leaf for leaf in await platform.leaves("bank-a") if leaf["kind"] == "erase"]
    assert (erased["basis"], erased["access"]["change"]) == ("signed", "erase_records")
    await platform.sequence()
    assert (await platform.audit()).findings == []
