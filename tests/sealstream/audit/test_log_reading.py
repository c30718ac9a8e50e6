"""Finding entries and looks: all that a question is about and nothing else, each proved; asking is a look too."""

import csv
import json
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pyarrow.parquet as pq
import pytest

from agents.log.entries import Entry, Question
from agents.log.tree import DamagedLog
from schemas.errors import ConfigurationError
from sealstream.audit.entry_table import COLUMNS
from sealstream.audit.log_reading import Asked, FoundLook, read_entries, read_looks
from security.merkle import leaf_hash
from security.proof import parse_tlog_proof, verify_tlog_proof
from tests.support.installation import BANK_A, BANK_B, Installation, Worker
from tests.support.messages import Inbox, entry, statement, transaction
from tests.support.processes import sealstream


@pytest.fixture
async def filled(platform: Installation, worker: Worker) -> Installation:
    inbox = Inbox()
    BANK_A.put(inbox, transaction("a"), transaction("b", amount="no number"), statement("s", [entry("1"), entry("2")]))
    BANK_B.put(inbox, transaction("c"))
    BANK_A.put(inbox, transaction("a"))
    await worker.commit(inbox.take(3))
    await worker.commit(inbox.take())
    await platform.sequence()
    return platform


async def found(platform: Installation, tenant: str | None = None, **asked: Any) -> list[tuple[str, Entry]]:
    seen: list[tuple[str, Entry]] = []
    actor = asked.pop("actor", None)
    count = await read_entries(
        platform.settings,
        Asked(tenant, actor, Question(**asked)),
        None,
        None,
        lambda log, entry: seen.append((log, entry)),
    )
    assert count == len(seen)
    return seen


def kinds(entries: list[tuple[str, Entry]]) -> list[str]:
    return [each.leaf.kind for _, each in entries]


async def test_without_conditions_every_leaf_is_given_in_order_as_the_log_has_it(filled: Installation) -> None:
    entries = [each for _, each in await found(filled, BANK_A.tenant)]
    assert [each.index for each in entries] == list(range(len(entries)))
    leaves = await filled.leaves(BANK_A.tenant, of_keys=True) + await filled.leaves(BANK_A.tenant)
    assert [json.loads(each.body) for each in entries] == leaves


async def test_each_condition_gives_what_it_says(filled: Installation) -> None:
    letter = await filled.one("SELECT dead_letter_id FROM dead_letters")
    first = (await found(filled, BANK_A.tenant, kinds=["result"]))[0][1].leaf
    assert kinds(await found(filled, name=str(letter))) == ["rejected"]
    assert kinds(await found(filled, name=first.record)) == ["result", "duplicate"]
    assert kinds(await found(filled, source=BANK_B.source)) == ["result"]
    assert kinds(await found(filled, signer=BANK_B.key_id)) == ["result"]
    assert kinds(await found(filled, BANK_A.tenant, kinds=["duplicate", "rejected"])) == ["rejected", "duplicate"]
    assert kinds(await found(filled, type="io.sealstream.statement.v1")) == ["accepted", "result", "result"]
    assert first.model is not None
    name, _, digest = first.model.partition(" sha256:")
    for model in (name, name.partition("@")[0], digest):
        assert len(await found(filled, model=model)) == 4
    assert await found(filled, model=name[:-1]) == []
    assert len(await found(filled, since=first.time, kinds=["result"])) == 4
    assert await found(filled, until="2026-01-01T00:00:00.000Z") == []


async def test_a_person_is_asked_for_by_name(filled: Installation) -> None:
    reader = await filled.reader(1, actor="anna")
    await reader.list()
    await (await filled.reader(1, actor="berta")).list()
    await filled.sequence()
    assert kinds(await found(filled, actor="anna")) == ["read", "read"]
    assert await found(filled, actor="nobody") == []


async def test_a_leaf_that_was_changed_is_not_given(filled: Installation) -> None:
    await filled.execute(
        'UPDATE bundles SET body = overlay(body placing \'"kind":"resalt"\'::bytea '
        'from position(\'"kind":"result"\'::bytea in body)) WHERE position(\'"kind":"result"\'::bytea in body) > 0'
    )
    with pytest.raises(DamagedLog, match="index"):
        await found(filled)


@pytest.mark.parametrize("name", ["log.csv", "log.parquet"])
async def test_each_row_of_a_table_is_proved_by_itself(filled: Installation, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    asked = Asked(BANK_A.tenant, None, Question(kinds=["result", "rejected"]))
    count = await read_entries(filled.settings, asked, path, None, lambda *_: None)
    rows = list(csv.DictReader(path.open(newline=""))) if path.suffix == ".csv" else pq.read_table(path).to_pylist()
    assert len(rows) == count == 4
    assert tuple(rows[0]) == COLUMNS
    verifier = filled.identity.log_signer(BANK_A.tenant).verifier
    for row in rows:
        proof = parse_tlog_proof(row["proof"].encode())
        verify_tlog_proof(proof, leaf_hash(row["leaf"].encode()), row["log"], [verifier])
        assert proof.index == int(row["index"])
        leaf = msgspec.json.decode(row["leaf"])
        assert (row["kind"], row["record"]) == (leaf["kind"], leaf.get("record"))
    assert not path.with_name(f"{name}.part").exists()


async def test_a_table_of_an_unknown_kind_is_refused(filled: Installation, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"\.csv"):
        await read_entries(filled.settings, Asked(None, None, Question()), tmp_path / "x.xlsx", None, lambda *_: None)


async def looks(platform: Installation, name: UUID | None = None, **asked: Any) -> list[FoundLook]:
    seen: list[FoundLook] = []
    known = ["anna", "berta"]
    await read_looks(platform.settings, Asked(None, asked.pop("actor", None), Question()), name, known, seen.append)
    return seen


async def test_who_saw_a_record_and_what_somebody_saw(filled: Installation) -> None:
    one, other = [row["record_id"] for row in await filled.rows("SELECT record_id FROM results WHERE n IS NOT NULL")]
    (message,) = {row["message_id"] for row in await filled.rows("SELECT message_id FROM results WHERE n IS NOT NULL")}
    anna, berta = await filled.reader(3, actor="anna"), await filled.reader(2, actor="berta")
    await anna.show(one)
    await berta.show(other)
    await berta.disclose(message, evidence=True)
    await filled.sequence()
    # Who saw the message saw its record too.
    assert [(each.who, each.look.entry.leaf.basis) for each in await looks(filled, one)] == [
        ("anna", "tier:3"),
        ("berta", "tier:2"),
    ]
    assert [each.look.ids for each in await looks(filled, actor="berta")] == [(other,), (message,)]
    assert await looks(filled, actor="nobody") == []


async def test_asking_who_looked_is_a_look(filled: Installation) -> None:
    record = await filled.one("SELECT record_id FROM results LIMIT 1")
    assert await looks(filled, record) == []
    await filled.sequence()
    (mine,) = await looks(filled, record)
    assert (mine.look.entry.leaf.kind, mine.look.ids) == ("search", (record,))


async def test_ids_that_were_exchanged_are_not_given(filled: Installation) -> None:
    for actor in ("anna", "berta"):
        await (await filled.reader(1, actor=actor)).list(tenant=BANK_A.tenant)
    await filled.sequence()
    await filled.execute("DELETE FROM disclosures WHERE commit_id = (SELECT max(commit_id) FROM disclosures)")
    with pytest.raises(DamagedLog, match="not there"):
        await looks(filled)


async def test_the_commands_print_what_was_found(filled: Installation, tmp_path: Path) -> None:
    settings = {"SEALSTREAM_DATABASE_URL": filled.dsn, "SEALSTREAM_KEYRING_DIR": str(filled.keyring_dir)}
    done = sealstream("audit", "entries", "--kind", "rejected", "--json", settings=settings, directory=tmp_path)
    assert done.returncode == 0, done.stderr
    (shown,) = map(json.loads, done.stdout.splitlines())
    assert shown["leaf"]["reason"] == "schema_violation"
    assert parse_tlog_proof(shown["proof"].encode()).index == shown["index"]
    done = sealstream("audit", "looks", "--actor", "nobody", settings=settings, directory=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "nobody looked" in done.stderr
