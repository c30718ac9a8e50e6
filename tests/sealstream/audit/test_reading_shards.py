"""Who reads a log of several shards reads all of them: packs, the API, stages, receipts, replayed looks."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest

from agents.inference.engine import Engine
from agents.log.entries import Question
from agents.opening.reading import Reader
from agents.platform.knowledge import load_knowledge
from agents.reading.receipt import NotDisclosed, ReceiptMaker
from schemas.errors import VerificationFailed
from schemas.receipt import decode_receipt, encode_receipt
from sealstream.audit.evidence import check_pack, make_pack
from sealstream.audit.log_reading import Asked
from sealstream.people.principals import Said
from security.checkpoint import verify_checkpoint
from security.evidence_pack import PackTrust
from security.merkle import leaf_hash
from security.note import Verifier
from security.proof import parse_tlog_proof, verify_tlog_proof
from security.receipt import TrustedLog, verify_receipt
from streams.storage.tasks import stages_of
from tests.sealstream.audit.test_evidence import rewritten
from tests.sealstream.audit.test_log_cli import settings_of
from tests.support.api import AUDITOR, problem, served
from tests.support.databases import Databases
from tests.support.installation import Installation, installed
from tests.support.lanes import Scripted, filled_lanes
from tests.support.notice_sink import MemoryBroker, relay_all
from tests.support.processes import ROOT, sealstream
from tests.support.shards import LOG, close, fill_shards, shards_of


@pytest.fixture
async def sharded(databases: Databases, engine: Engine, tmp_path: Path) -> AsyncIterator[Installation]:
    async with databases.clean() as dsn, installed(dsn, tmp_path / "keys", engine=engine) as platform:
        await fill_shards(platform)
        yield platform


async def keys_of(platform: Installation) -> list[Verifier]:
    return [platform.identity.signer_of(row).verifier for row in await shards_of(platform)]


async def test_a_pack_has_the_entries_of_all_shards_and_the_keys_that_the_first_one_registers(
    sharded: Installation, tmp_path: Path
) -> None:
    asked = Asked("bank-a", None, Question(kinds=("result",)))
    pack, keys = tmp_path / "p.zip", await keys_of(sharded)
    assert await make_pack(sharded.settings, asked, pack, said=Said(tier=5), fields=True, evidence=True) == 9
    found = check_pack(pack, PackTrust(keys))
    assert [each.detail.partition(":")[0] for each in found if each.item == "log"] == [LOG, f"{LOG}/1", f"{LOG}/2"]
    (signer,) = [each.detail for each in found if each.item == "producer key"]
    assert "signed 9 entries" in signer

    def without_registration(files: dict[str, bytes]) -> None:
        for name in [name for name in files if name.startswith("context/bank-a/")]:
            del files[name]

    with pytest.raises(VerificationFailed, match="registers its signer"):
        check_pack(rewritten(pack, without_registration, manifest=True), PackTrust(keys))


async def test_the_api_has_every_shard(sharded: Installation) -> None:
    async with served(sharded) as site:
        listed = [each for each in (await site.get(AUDITOR, "/v1/logs")).json()["data"] if each["tenant"] == "bank-a"]
        assert [(each["shard"], each["origin"]) for each in listed] == [(0, LOG), (1, f"{LOG}/1"), (2, f"{LOG}/2")]
        for row, verifier in zip(await shards_of(sharded), await keys_of(sharded), strict=True):
            note = (await site.get(AUDITOR, f"/v1/logs/bank-a/checkpoint?shard={row.shard}")).content
            assert verify_checkpoint(note, row.origin, [verifier]).size > 0
            entries = (await site.get(AUDITOR, f"/v1/logs/bank-a/entries?kind=result&shard={row.shard}")).json()
            assert (entries["origin"], len(entries["data"])) == (row.origin, (2, 3, 4)[row.shard])
            for each in entries["data"]:
                name = each["leaf"]["record"]
                proved = (await site.get(AUDITOR, f"/v1/logs/bank-a/proof?name={name}")).json()
                assert (proved["origin"], proved["index"]) == (row.origin, each["index"])
                proof = parse_tlog_proof(proved["proof"].encode())
                verify_tlog_proof(proof, leaf_hash(proved["body"].encode()), row.origin, [verifier])
        assert problem(await site.get(AUDITOR, "/v1/logs/bank-a/checkpoint?shard=3"))[0] == 404


async def test_stages_name_the_shard_and_the_index_in_it(sharded: Installation) -> None:
    found = set()
    async with sharded.database.session() as connection:
        for row in await sharded.rows("SELECT record_id FROM results"):
            for stage in await stages_of(connection, row["record_id"], None):
                assert stage.index is not None
                found.add((stage.origin, stage.index))
    assert {origin for origin, _ in found} == {LOG, f"{LOG}/1", f"{LOG}/2"}
    sizes = {row.origin: (row.end or 1 << 60) - row.start for row in await shards_of(sharded)}
    assert all(index < sizes[origin] for origin, index in found)


async def receipt_maker(platform: Installation) -> tuple[ReceiptMaker, UUID]:
    await platform.sequence()
    knowledge = await load_knowledge(platform.database, platform.identity, max_tier=5)
    reader = Reader(platform.database, platform.identity, knowledge, platform.identity.new_worker(), tier=5)
    maker = ReceiptMaker(platform.database, platform.identity, knowledge, reader)
    return maker, await platform.one("SELECT record_id FROM results LIMIT 1")


async def test_a_record_deferred_in_a_later_shard_has_a_receipt_with_its_message(sharded: Installation) -> None:
    lanes = await filled_lanes(sharded, 1)
    async with lanes.running(Scripted("d0")):
        await lanes.until_ended()
    await sharded.execute("DELETE FROM results WHERE type LIKE '%transaction%'")
    maker, _ = await receipt_maker(sharded)
    name = await sharded.one("SELECT record_id FROM deferred")
    receipt = await maker.make(name, evidence=True)  # verified before it is handed out
    assert receipt.origin == f"{LOG}/2"
    assert receipt.accepted is not None
    assert receipt.accepted.index < receipt.index


async def deferred_across(sharded: Installation, closings: int) -> tuple[ReceiptMaker, UUID]:
    """A record that was accepted that many shards before its end."""
    lanes = await filled_lanes(sharded, 1)
    await sharded.sequence()
    for _ in range(closings):
        await close(sharded)
        await sharded.sequence()
    async with lanes.running(Scripted("d0")):
        await lanes.until_ended()
    maker, _ = await receipt_maker(sharded)
    return maker, await sharded.one("SELECT record_id FROM deferred")


@pytest.mark.parametrize("closings", [1, 2])
async def test_a_record_deferred_across_a_closing_has_a_receipt_with_its_message(
    sharded: Installation, tmp_path: Path, closings: int
) -> None:
    maker, name = await deferred_across(sharded, closings)
    receipt = await maker.make(name, evidence=True)
    assert receipt.origin == f"{LOG}/{2 + closings}"
    assert receipt.accepted is not None
    assert len(receipt.accepted.shards) == closings
    key = sharded.identity.log_signer("bank-a", 2 + closings).verifier
    found = verify_receipt(decode_receipt(encode_receipt(receipt)), TrustedLog(keys=[key], origin=key.name))
    said = {each.item: each.detail for each in found}
    assert f"of {LOG}/2: kind accepted" in said["accepted leaf"]
    (tmp_path / "receipt.json").write_bytes(encode_receipt(receipt))
    program = [sys.executable, "-I", str(ROOT / "docs/verify/sealstream_verify.py"), "receipt.json", key.vkey]
    done = await asyncio.to_thread(subprocess.run, program, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "accepted leaf: index" in done.stdout
    asked = Asked("bank-a", None, Question(kinds=("result",)))
    pack = tmp_path / "p.zip"
    await make_pack(sharded.settings, asked, pack, said=Said(tier=5), fields=True, evidence=True)
    shown = check_pack(pack, PackTrust(await keys_of(sharded)))
    assert not [each for each in shown if each.item == "left out"]
    assert (await asyncio.wait_for(sharded.audit(), 60)).ok


async def test_a_message_of_a_shard_that_is_held_outside_is_refused_with_its_place(sharded: Installation) -> None:
    maker, name = await deferred_across(sharded, 1)
    await sharded.execute(
        "INSERT INTO dropped_shards (log_id, n, commit_id) SELECT log_id, 2, 1 FROM shards WHERE n = 2"
    )
    with pytest.raises(NotDisclosed, match=f"{LOG}/2 at index"):
        await maker.make(name, evidence=True)


async def test_a_shard_is_dropped_and_restored_by_command_and_told_of_meanwhile(
    sharded: Installation, tmp_path: Path
) -> None:
    await relay_all(sharded, MemoryBroker())

    async def says(*words: str, code: int = 0) -> str:
        done = await asyncio.to_thread(
            sealstream, "audit", *words, "--json", settings=settings_of(sharded), directory=tmp_path
        )
        assert done.returncode == code, done.stderr
        return str(done.stdout if code == 0 else done.stderr)

    await says("export", "logs", "--tenant", "bank-a")
    assert "is open" in await says("drop-shard", "bank-a/2", "--export", "logs", code=1)
    assert "no shard bank-a/7" in await says("drop-shard", "bank-a/7", "--export", "logs", code=1)
    assert f'"dropped":"{LOG}/1"' in await says("drop-shard", "bank-a/1", "--export", "logs", "--actor", "anna")
    await sharded.sequence()
    told = await says("verify")
    assert '"depth":"tree"' in told
    assert "held_outside" in told
    assert "not_compared" in told
    assert '"log":"sealstream.local/logs/platform","depth":"rows"' in told
    assert '"depth":"rows"' in await says("verify", "--held", "logs")
    assert "held outside" in await says("prove", "0", "--tenant", "bank-a/1", code=1)
    entries = await says("entries", "--tenant", "bank-a", "--kind", "result")
    assert (LOG + '"' in entries, f"{LOG}/1" in entries, f"{LOG}/2" in entries) == (True, False, True)
    async with served(sharded) as site:
        assert (await site.get(AUDITOR, "/v1/logs/bank-a/checkpoint?shard=1")).status_code == 200
        for path in ("entries?shard=1", "tile/0/000?shard=1", "proof?index=0&shard=1"):
            assert problem(await site.get(AUDITOR, f"/v1/logs/bank-a/{path}")) == (404, "held_outside")
    await says("restore-shard", "bank-a/1", "--export", "logs")
    await sharded.sequence()
    assert '"depth":"rows"' in await says("verify")
    assert f"{LOG}/1" in await says("prove", "0", "--tenant", "bank-a/1")
