"""A closed shard is held outside once its export is checked; whoever drops one otherwise is found."""

import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from uuid import UUID

import pytest

from agents.audit import Depth, VerifyReport
from agents.inference.engine import Engine
from agents.log.export import export_log
from agents.log.held_export import HeldExport, NotWhole
from agents.log.tree import HeldOutside, SignedTree
from agents.reading.receipt import ReceiptMaker
from agents.shards.retention import NotDroppable, ShardHolder
from schemas.errors import ConfigurationError, VerificationFailed
from schemas.receipt import Receipt
from security.receipt import TrustedLog, verify_receipt
from streams.storage.log_tree import index_of
from tests.support.databases import Databases
from tests.support.installation import BANK_B, Installation, installed
from tests.support.lanes import filled_lanes
from tests.support.messages import Inbox, transaction
from tests.support.notice_sink import MemoryBroker, relay_all
from tests.support.shards import LOG, close, exported, fill_shards, shards_of


@pytest.fixture(scope="module")
async def filled(databases: Databases, engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A database with shards, which each test finds as it was, and its keyring."""
    keys = tmp_path_factory.mktemp("shards") / "keys"
    dsn = databases.dsn(await databases.create())
    async with installed(dsn, keys, engine=engine) as platform:
        await fill_shards(platform)
    await databases.remember(dsn)
    return dsn, keys


@pytest.fixture
async def platform(
    databases: Databases, filled: tuple[str, Path], engine: Engine, tmp_path: Path
) -> AsyncIterator[Installation]:
    dsn, keys = filled
    async with (
        databases.remembered(dsn) as database,
        installed(dsn, shutil.copytree(keys, tmp_path / "keys"), engine=engine, database=database) as platform,
    ):
        yield platform


@pytest.fixture
async def held(platform: Installation, tmp_path: Path) -> Path:
    """The exports of a platform all of whose leaves are published."""
    await relay_all(platform, MemoryBroker())
    return await exported(platform, tmp_path / "held")


async def drop(platform: Installation, held: Path, n: int) -> int:
    row = (await shards_of(platform))[n]
    holder = ShardHolder(platform.database, platform.identity, actor="operator@example.org")
    return (await holder.drop(row, HeldExport.open(held / row.folder, row.origin))).freed


async def restore(platform: Installation, held: Path, n: int) -> None:
    row = (await shards_of(platform))[n]
    holder = ShardHolder(platform.database, platform.identity, actor="operator@example.org")
    await holder.restore(row, HeldExport.open(held / row.folder, row.origin))


async def receipt_of(platform: Installation, name: UUID) -> Receipt:
    reader = await platform.reader(3)
    return await ReceiptMaker(platform.database, platform.identity, platform.knowledge, reader).make(name)


async def names_in(platform: Installation, n: int) -> list[UUID]:
    row = (await shards_of(platform))[n]
    found = []
    async with platform.database.session() as connection:
        for each in await connection.fetch("SELECT record_id, log_id, commit_id, leaf FROM results ORDER BY record_id"):
            place = await index_of(connection, each["log_id"], each["commit_id"], each["leaf"])
            if place is not None and row.start <= place < (row.end or 1 << 60):
                found.append(UUID(str(each["record_id"])))
    return found


def said(report: VerifyReport) -> list[str]:
    return [str(finding) for finding in report.findings]


@pytest.mark.parametrize("n", [0, 1])
async def test_a_dropped_shard_verifies_by_its_hashes_and_wholly_with_its_export(
    platform: Installation, held: Path, n: int
) -> None:
    bundles = await platform.one("SELECT count(*) FROM bundles")
    assert await drop(platform, held, n) > 0
    assert await platform.one("SELECT count(*) FROM bundles") < bundles
    dropped = (await shards_of(platform))[n]
    for sequenced in (False, True):
        # The leaf that says so counts from the moment at which it is committed.
        for depth in Depth:
            report = await platform.audit(depth=depth)
            assert report.ok, (depth, said(report))
            assert report.held_outside == [dropped.origin]
            assert report.depth is (Depth.CHECKPOINTS if depth is Depth.CHECKPOINTS else Depth.TREE)
            report = await platform.audit(depth=depth, held=held)
            assert report.ok, (depth, said(report))
            assert (report.depth, report.held_outside) == (depth, [])
        if not sequenced:
            await platform.sequence()
    (leaf,) = [leaf for leaf in await platform.leaves("bank-a") if leaf["kind"] == "drop"]
    assert leaf["actor"]
    assert (leaf["log"]["origin"], leaf["log"]["size"]) == (dropped.origin, (dropped.end or 0) - dropped.start)


async def test_the_rows_of_other_logs_are_compared_though_one_has_a_shard_outside(
    platform: Installation, held: Path
) -> None:
    BANK_B.put(inbox := Inbox(partition=1), transaction("x"))
    await (await platform.worker()).commit(inbox.take())
    await platform.sequence()
    await drop(platform, held, 1)
    await platform.sequence()
    report = await platform.audit()
    assert (report.ok, report.depth) == (True, Depth.TREE)
    compared = {log.tenant: log.fields_opened for log in report.logs if log.is_compared}
    assert compared.keys() == {log.tenant for log in report.logs} - {"bank-a"}
    assert compared[BANK_B.tenant] > 0
    await platform.execute("UPDATE results SET outcome = 'rejected' WHERE tenant = 'bank-a'")
    assert (await platform.audit()).ok  # told by `is_compared`
    await platform.execute(f"UPDATE results SET outcome = 'rejected' WHERE tenant = '{BANK_B.tenant}'")
    (finding,) = said(await platform.audit())
    assert "column outcome of its result is not what the leaf says" in finding
    findings = said(await platform.audit(held=held))
    assert len(findings) > 1
    assert finding in findings


async def test_receipts_from_before_stay_valid_and_those_asked_for_later_say_what_to_do(
    platform: Installation, held: Path
) -> None:
    name, other = (await names_in(platform, 1))[0], (await names_in(platform, 2))[0]
    before = await receipt_of(platform, name)
    await drop(platform, held, 1)
    key = platform.identity.log_signer("bank-a", 1).verifier
    assert verify_receipt(before, TrustedLog(keys=[key], origin=key.name))
    with pytest.raises(HeldOutside, match="restore-shard bank-a/1 --export"):
        await receipt_of(platform, name)
    assert (await receipt_of(platform, other)).origin == f"{LOG}/2"
    await restore(platform, held, 1)
    again = await receipt_of(platform, name)
    assert (again.index, again.leaf, again.path) == (before.index, before.leaf, before.path)


async def test_what_is_restored_is_as_it_was(platform: Installation, held: Path) -> None:
    async def stored() -> list[tuple[object, ...]]:
        bundles = "SELECT b.commit_id, b.ends, b.body FROM bundles b JOIN placements p USING (log_id, commit_id)"
        tiles = 'SELECT log_id, level, "index", hashes FROM tiles ORDER BY 1, 2, 3'
        first = f"{bundles} JOIN shards s ON s.log_id = p.log_id AND s.n = 2 AND p.first_index < s.start ORDER BY 1"
        return [tuple(row) for query in (first, tiles) for row in await platform.rows(query)]

    before = await stored()
    await drop(platform, held, 0)
    await drop(platform, held, 1)
    assert await stored() != before
    for n in (0, 1):
        await restore(platform, held, n)
    assert await stored() == before
    await platform.sequence()
    report = await platform.audit()
    assert report.ok, said(report)
    assert (report.depth, report.held_outside) == (Depth.ROWS, [])
    with pytest.raises(ConfigurationError, match="nothing to bring back"):
        await restore(platform, held, 0)


async def test_it_may_be_dropped_again(platform: Installation, held: Path) -> None:
    await drop(platform, held, 0)
    await restore(platform, held, 0)
    await drop(platform, held, 0)
    await platform.sequence()
    assert (await platform.audit(held=held)).ok
    with pytest.raises(NotDroppable, match="dropped already"):
        await drop(platform, held, 0)


async def test_a_shard_that_says_that_another_was_dropped_may_be_dropped_too(
    platform: Installation, held: Path, tmp_path: Path
) -> None:
    await drop(platform, held, 0)
    await close(platform)
    await platform.sequence()
    await relay_all(platform, MemoryBroker())
    async with platform.database.session() as connection:
        row = (await shards_of(platform))[2]
        await export_log(await SignedTree.newest(connection, row), held / row.folder)
    await drop(platform, held, 2)
    await platform.sequence()
    for folder in (None, held):
        report = await platform.audit(held=folder)
        assert report.ok, said(report)
    await restore(platform, held, 2)
    await restore(platform, held, 0)
    await platform.sequence()
    report = await platform.audit()
    assert report.ok, said(report)


async def test_the_open_shard_is_not_dropped(platform: Installation, held: Path) -> None:
    with pytest.raises(NotDroppable, match="is open"):
        await drop(platform, held, 2)


async def test_what_is_not_published_is_not_dropped(platform: Installation, tmp_path: Path) -> None:
    folder = await exported(platform, tmp_path / "held")
    with pytest.raises(NotDroppable, match="are published"):
        await drop(platform, folder, 0)


async def test_what_waits_in_a_lane_keeps_its_shard(platform: Installation, tmp_path: Path) -> None:
    await filled_lanes(platform, 1)
    await close(platform)
    await platform.sequence()
    await relay_all(platform, MemoryBroker())
    folder = await exported(platform, tmp_path / "held")
    with pytest.raises(NotDroppable, match="1 records"):
        await drop(platform, folder, 2)


def cut(folder: Path) -> None:
    next(folder.glob("tile/entries/**/000*/*")).unlink()


def changed(folder: Path) -> None:
    bundle = next(folder.glob("tile/entries/**/000*/*"))
    bundle.write_bytes(bundle.read_bytes()[:-1] + b" ")


def other_tile(folder: Path) -> None:
    tile = next(folder.glob("tile/0/**/000*/*"))
    tile.write_bytes(bytes(len(tile.read_bytes())))


def other_shard(folder: Path) -> None:
    moved = folder.rename(folder.with_name("moved"))
    shutil.copytree(moved / "1", folder)


def unsigned(folder: Path) -> None:
    note = folder / "checkpoint"
    text, _, signature = note.read_text().partition("\n\n")
    note.write_text(f"{text}\n\n{signature[:-6]}AAA=\n")


@pytest.mark.parametrize("damage", [cut, changed, other_tile, other_shard, unsigned], ids=lambda each: each.__name__)
async def test_an_export_that_is_not_the_whole_shard_is_no_proof(
    platform: Installation, held: Path, damage: Callable[[Path], None]
) -> None:
    damage(held / "bank-a")
    with pytest.raises((NotWhole, VerificationFailed)):
        await drop(platform, held, 0)
    assert await platform.one("SELECT count(*) FROM dropped_shards") == 0
    assert (await platform.audit()).ok


async def test_an_export_from_before_the_closing_is_no_proof(platform: Installation, tmp_path: Path) -> None:
    await relay_all(platform, MemoryBroker())
    folder = await exported(platform, tmp_path / "early")
    await close(platform)
    await platform.sequence()
    await relay_all(platform, MemoryBroker())
    with pytest.raises(VerificationFailed, match="export the shard again"):
        await drop(platform, folder, 2)


async def test_a_shard_that_somebody_drops_without_a_leaf_is_found(platform: Installation, held: Path) -> None:
    row = (await shards_of(platform))[0]
    await platform.execute(
        "DELETE FROM bundles b USING placements p WHERE p.log_id = b.log_id AND p.commit_id = b.commit_id"
        " AND b.log_id = $1 AND p.first_index + p.leaf_count < $2",
        row.log_id,
        row.end,
    )
    assert any("the commit or its leaves are gone" in finding for finding in said(await platform.audit()))
    await platform.execute("INSERT INTO dropped_shards (log_id, n, commit_id) VALUES ($1, 0, 1)", row.log_id)
    for folder in (None, held):
        found = said(await platform.audit(depth=Depth.TREE, held=folder))
        assert f"log {LOG}: its leaves are dropped, and no leaf of the log says so" in found


TAMPERING = {
    "another shard than was said": "UPDATE dropped_shards SET n = 1",
    "no row": "DELETE FROM dropped_shards",
    "a hash": "UPDATE commits SET hashes = set_byte(hashes, 0, get_byte(hashes, 0) # 1) WHERE (log_id, commit_id) IN"
    " (SELECT log_id, commit_id FROM placements JOIN logs USING (log_id) WHERE tenant = 'bank-a' AND first_index = 0)",
    "a commit": "DELETE FROM commits WHERE (log_id, commit_id) IN (SELECT log_id, commit_id FROM placements"
    " JOIN logs USING (log_id) WHERE tenant = 'bank-a' AND first_index = 0)",
    "a place": "DELETE FROM placements p USING logs l WHERE l.log_id = p.log_id AND tenant = 'bank-a'"
    " AND first_index = 0",
    "the final checkpoint": "DELETE FROM checkpoints c USING logs l WHERE c.log_id = l.log_id AND l.tenant = 'bank-a'"
    " AND size = (SELECT start FROM shards WHERE n = 1)",
    "its closing": "DELETE FROM bundles b USING shards s WHERE s.n = 1 AND b.log_id = s.log_id AND"
    " b.commit_id = s.closing",
}


@pytest.mark.parametrize("name", TAMPERING)
async def test_what_sql_changes_of_a_dropped_shard_is_found(platform: Installation, held: Path, name: str) -> None:
    await drop(platform, held, 0)
    await platform.sequence()
    await platform.execute(TAMPERING[name])
    assert not (await platform.audit(depth=Depth.TREE)).ok


async def test_an_export_that_was_changed_since_is_named(platform: Installation, held: Path) -> None:
    await drop(platform, held, 0)
    await platform.sequence()
    changed(held / "bank-a")
    report = await platform.audit(held=held)
    assert any(finding.startswith(f"log {LOG}: its export") for finding in said(report))


async def test_restoring_puts_back_only_what_the_hashes_say(platform: Installation, held: Path) -> None:
    await drop(platform, held, 0)
    changed(held / "bank-a")
    with pytest.raises(VerificationFailed):
        await restore(platform, held, 0)
    assert await platform.one("SELECT count(*) FROM dropped_shards") == 1
