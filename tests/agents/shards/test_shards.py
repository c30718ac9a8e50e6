"""A tenant's log goes on in the next shard; whoever changes how one ended or the next began is caught."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import aiohttp
import pytest

from agents.audit import Depth
from agents.inference.engine import Engine
from agents.log.export import export_log
from agents.log.publication_check import BehindPublication, refuse_if_behind
from agents.log.sequencer import Sequencer
from agents.log.tree import SignedTree
from agents.reading.receipt import ReceiptMaker
from agents.shards.closing import ShardKeeper, ShardOpener
from schemas.errors import ConfigurationError
from schemas.events import decode_event
from schemas.leaf import decode_leaf
from sealstream.address import Address
from sealstream.audit.log_server import serving_logs
from security.checkpoint import verify_checkpoint
from security.key_registry import KeyRegistry
from security.merkle import leaf_hash
from security.note import NoTrustedSignature, Verifier
from security.notice_key import trusted_notice_key
from security.tiles import parse_bundle
from security.verifiability import verify_event
from streams.storage.database import Connection
from streams.storage.log_tree import place_of
from streams.storage.shards import list_shards
from tests.support.databases import Databases
from tests.support.installation import Installation, installed
from tests.support.messages import Inbox
from tests.support.notice_sink import MemoryBroker, header, place, relay_all
from tests.support.shards import LOG, close, fill_shards, take_in


async def sequence_only(platform: Installation, rounds: int) -> None:
    """So many rounds of a sequencer whose process then ends."""
    opener = ShardOpener(platform.database, platform.identity.new_worker)
    once = platform.sequencer(opener=opener)
    async with platform.database.session() as connection:
        for _ in range(rounds):
            await once.step(connection)


async def step_for_ever(sequencer: Sequencer, connection: Connection) -> None:
    while True:
        await sequencer.step(connection)


@pytest.fixture
async def platform(databases: Databases, engine: Engine, tmp_path: Path) -> AsyncIterator[Installation]:
    async with databases.clean() as dsn, installed(dsn, tmp_path / "keys", engine=engine) as platform:
        yield platform


@pytest.fixture
async def sharded(platform: Installation) -> Installation:
    await fill_shards(platform)
    return platform


async def test_a_closed_shard_ends_with_its_closing_and_the_next_one_cites_its_final_checkpoint(
    sharded: Installation,
) -> None:
    async with sharded.database.session() as connection:
        rows = await list_shards(connection, "bank-a")
        assert [row.origin for row in rows] == [LOG, f"{LOG}/1", f"{LOG}/2"]
        before = None
        for row in rows:
            tree = await SignedTree.newest(connection, row)
            key = sharded.identity.signer_of(row).verifier
            signed = verify_checkpoint(tree.note, row.origin, [key])
            if before is not None:
                said = decode_leaf(await tree.entry(0)).log
                assert said is not None
                assert (said.change, said.origin, said.size, said.root) == (
                    "open", before.origin, before.size, before.root.hex(),
                )  # fmt: skip
            last = decode_leaf(await tree.entry(signed.size - 1))
            if row.end is not None:
                assert row.end - row.start == signed.size
                assert (last.kind, last.log and last.log.origin) == ("close", f"{LOG}/{row.shard + 1}")
                assert last.actor is not None
            before = signed
    for depth in Depth:
        report = await sharded.audit(depth=depth)
        assert report.ok, (depth, [str(finding) for finding in report.findings])


async def test_what_repeats_a_record_of_a_closed_shard_is_known(platform: Installation) -> None:
    inbox = Inbox()
    await take_in(platform, inbox, "same")
    await close(platform)
    await platform.sequence()
    await take_in(platform, inbox, "same")
    await platform.sequence()
    assert await platform.one("SELECT count(*) FROM results") == 1
    kinds = [leaf["kind"] for leaf in await platform.leaves("bank-a")]
    assert kinds == ["result", "close", "open", "duplicate"]
    assert (await platform.audit()).ok


@pytest.mark.parametrize("rounds", [1, 2, 3])
async def test_a_sequencer_that_ends_anywhere_is_gone_on_from(platform: Installation, rounds: int) -> None:
    inbox = Inbox()
    await take_in(platform, inbox, "a")
    await close(platform)
    await take_in(platform, inbox, "b")
    for _ in range(4):
        await sequence_only(platform, rounds)
    assert [leaf["kind"] for leaf in await platform.leaves("bank-a")] == ["result", "close", "result", "open"]
    assert await platform.one("SELECT count(*) FROM shards WHERE start IS NOT NULL") == 1
    report = await platform.audit()
    assert report.ok, [str(finding) for finding in report.findings]


@pytest.mark.parametrize("point", ["placed", "signing", "signed", "opened"])
async def test_a_sequencer_that_dies_between_its_steps_neither_loses_nor_doubles(
    platform: Installation, point: str
) -> None:
    class Killed(Exception):
        pass

    def probe(passed: str) -> None:
        if passed == point:
            raise Killed

    await take_in(platform, inbox := Inbox(), "a")
    await close(platform)
    await take_in(platform, inbox, "b")
    opener = ShardOpener(platform.database, platform.identity.new_worker)
    dying = platform.sequencer(opener=opener, probe=probe)
    async with platform.database.session() as connection:
        with pytest.raises(Killed):
            await step_for_ever(dying, connection)
    await platform.sequence()
    report = await platform.audit()
    assert report.ok, [str(finding) for finding in report.findings]
    assert await platform.one("SELECT count(*) FROM shards WHERE start IS NOT NULL") == 1


async def test_a_shard_is_not_closed_twice(platform: Installation) -> None:
    await close(platform)
    with pytest.raises(ConfigurationError, match="being closed already"):
        await close(platform)
    await platform.sequence()
    assert await close(platform) == (f"{LOG}/1", platform.identity.log_signer("bank-a", 2).verifier.vkey)


async def test_a_new_key_signs_the_next_shard_and_is_announced_under_the_old_one(platform: Installation) -> None:
    await take_in(platform, Inbox(), "a")
    keeper = ShardKeeper(platform.database, platform.identity)
    _, vkey = await keeper.close("bank-a", new_key=True)
    await platform.sequence()
    old, new = platform.identity.log_signer("bank-a").verifier, Verifier.from_vkey(vkey)
    assert old.public_key != new.public_key
    async with platform.database.session() as connection:
        first, second = await list_shards(connection, "bank-a")
        before, after = [await SignedTree.newest(connection, row) for row in (first, second)]
        final = verify_checkpoint(before.note, LOG, [old])
        announced = decode_leaf(await before.entry(final.size - 1)).log
        assert announced is not None
        assert announced.vkey == vkey
        verify_checkpoint(after.note, f"{LOG}/1", [new])
        with pytest.raises(NoTrustedSignature):
            verify_checkpoint(after.note, f"{LOG}/1", [platform.identity.log_signer("bank-a", 1).verifier])
    await keeper.close("bank-a")  # the new key stays
    await platform.sequence()
    assert await platform.one("SELECT key FROM shards WHERE n = 2") == 1
    for depth in Depth:
        report = await platform.audit(depth=depth)
        assert report.ok, [str(finding) for finding in report.findings]
    for changed in ("UPDATE shards SET key = 0 WHERE n = 1", "UPDATE shards SET key = 2 WHERE n = 2"):
        await platform.execute(changed)
        assert not (await platform.audit(depth=Depth.CHECKPOINTS)).ok
        report = await platform.audit(depth=Depth.TREE)
        assert any("announced another key" in finding.what for finding in report.findings)
        await platform.execute("UPDATE shards SET key = 1")


async def test_receipts_proofs_and_exports_are_of_the_shard_that_holds_the_leaf(
    sharded: Installation, tmp_path: Path
) -> None:
    reader = await sharded.reader(3)
    maker = ReceiptMaker(sharded.database, sharded.identity, sharded.knowledge, reader)
    seen = set()
    for row in await sharded.rows("SELECT record_id FROM results"):
        receipt = await maker.make(UUID(str(row["record_id"])))  # verified before it is handed out
        seen.add(receipt.origin)
        async with sharded.database.session() as connection:
            place = await place_of(connection, row["record_id"])
            shard = next(each for each in await list_shards(connection, "bank-a") if each.origin == receipt.origin)
            tree = await SignedTree.newest(connection, shard)
            assert place is not None
            assert place.index == shard.start + receipt.index
            (proof,) = await tree.inclusion([receipt.index])
            assert receipt.path == proof.path
    assert seen == {LOG, f"{LOG}/1", f"{LOG}/2"}
    async with sharded.database.session() as connection:
        for shard in await list_shards(connection, "bank-a"):
            tree = await SignedTree.newest(connection, shard)
            done = await export_log(tree, tmp_path / shard.folder)
            assert done.size == tree.checkpoint.size


CHANGES = {
    "citation": (
        "UPDATE bundles b SET body = convert_to(replace(convert_from(body, 'UTF8'), '\"size\":', '\"size\":1'),"
        " 'UTF8'), ends = ARRAY[ends[1] + 1] FROM placements p, shards s"
        " WHERE b.log_id = p.log_id AND b.commit_id = p.commit_id"
        " AND s.log_id = p.log_id AND s.n = 1 AND p.first_index = s.start",
        f"log {LOG}/1",
    ),
    "closing": (
        "UPDATE bundles b SET body = convert_to(replace(convert_from(body, 'UTF8'), '/1\"', '/9\"'), 'UTF8')"
        " FROM shards s WHERE s.n = 1 AND b.log_id = s.log_id AND b.commit_id = s.closing",
        f"log {LOG}",
    ),
    "shards swapped": (
        "UPDATE shards s SET start = o.start, closing = o.closing FROM shards o"
        " WHERE o.log_id = s.log_id AND s.n + o.n = 3",
        f"log {LOG}",
    ),
    "second successor": (
        "INSERT INTO shards (log_id, n, tree_id, origin, closing, start) SELECT log_id, 3, 4712, origin || '-2',"
        " closing, start FROM shards WHERE n = 1",
        f"log {LOG}",
    ),
    "final checkpoint removed": (
        f"DELETE FROM checkpoints WHERE note LIKE '{LOG}/1%' AND size = (SELECT max(size) FROM checkpoints"
        f" WHERE note LIKE '{LOG}/1%')",
        f"log {LOG}/1",
    ),
    "reopened": ("DELETE FROM shards WHERE n = 2", f"log {LOG}"),
    "number changed": ("UPDATE shards SET n = 7 WHERE n = 2", f"log {LOG}"),
    "two open": (
        "INSERT INTO shards (log_id, n, tree_id, origin, closing, start) SELECT log_id, 3, 4711, origin || 'x',"
        " closing, start + 1 FROM shards WHERE n = 2",
        f"log {LOG}",
    ),
    "begin moved": ("UPDATE shards SET start = start + 1 WHERE n = 1", f"log {LOG}"),
    "loss declared": ("UPDATE shards SET lost = 1 WHERE n = 1", f"log {LOG}"),
    "trees swapped": (
        "UPDATE checkpoints SET log_id = CASE log_id WHEN (SELECT log_id FROM shards WHERE n = 1)"
        " THEN (SELECT tree_id FROM shards WHERE n = 1) ELSE 4711 END"
        " WHERE log_id IN (SELECT log_id FROM shards WHERE n = 1 UNION SELECT tree_id FROM shards WHERE n = 1)"
        " AND size = (SELECT max(size) FROM checkpoints c WHERE c.log_id = checkpoints.log_id)",
        f"log {LOG}",
    ),
    "closing exchanged": (
        "UPDATE placements p SET commit_id = p.commit_id + 1000000 FROM shards s WHERE p.log_id = s.log_id AND s.n = 1"
        " AND p.commit_id = s.closing",
        f"log {LOG}",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_the_audit_names_what_sql_changed(sharded: Installation, change: str) -> None:
    statement, where = CHANGES[change]
    await sharded.execute(statement)
    report = await sharded.audit()
    assert any(finding.where.startswith(where) for finding in report.findings), list(map(str, report.findings))


@pytest.mark.parametrize("change", ["citation", "final checkpoint removed", "loss declared", "trees swapped"])
async def test_the_chain_of_checkpoints_alone_shows_it(sharded: Installation, change: str) -> None:
    await sharded.execute(CHANGES[change][0])
    assert not (await sharded.audit(depth=Depth.CHECKPOINTS)).ok


async def test_a_shard_that_no_leaf_asked_for_is_not_opened(platform: Installation) -> None:
    await take_in(platform, Inbox(), "a")
    await platform.sequence()
    await close(platform)
    # Whoever writes to the database would have the log go on under a key that nobody announced.
    await platform.execute("UPDATE shards SET key = 7")
    await platform.sequence()
    assert await platform.one("SELECT count(*) FROM shards WHERE start IS NULL") == 1
    await platform.execute("UPDATE shards SET key = 0")
    await platform.sequence()
    assert await platform.one("SELECT count(*) FROM shards WHERE start IS NULL") == 0
    assert (await platform.audit()).ok


async def test_leaves_placed_behind_a_closing_are_named_and_stop_the_log(sharded: Installation) -> None:
    await take_in(sharded, Inbox(partition=5), "late")
    await close(sharded)
    await take_in(sharded, Inbox(partition=6), "later")
    # A sequencer of a former version knows nothing of closings.
    await sharded.execute("UPDATE shards SET closing = closing - 1000000 WHERE start IS NULL")
    await sharded.sequence()
    report = await sharded.audit(depth=Depth.TREE)
    assert any("leaves stand behind it" in finding.what for finding in report.findings)
    await sharded.execute("UPDATE shards SET closing = closing + 1000000 WHERE start IS NULL")
    await sharded.sequence()
    assert await sharded.one("SELECT count(*) FROM shards WHERE start IS NULL") == 1


async def test_shards_are_published_one_after_the_other_and_each_notice_verifies(sharded: Installation) -> None:
    broker = MemoryBroker()
    await relay_all(sharded, broker)
    found = [place(notice) for notice in broker.topic("audit.bank-a")]
    assert found == sorted(found)
    assert (
        len(found)
        == len(set(found))
        == await sharded.one("SELECT sum(leaf_count) FROM placements JOIN logs USING (log_id) WHERE tenant = 'bank-a'")
    )
    assert {LOG, f"{LOG}/1", f"{LOG}/2"} <= set(broker.positions)
    identity = sharded.identity
    registry = KeyRegistry(
        trusted_notice_key(identity.notice_certificate("bank-a", n), identity.log_signer("bank-a", n).verifier)
        for n in range(3)
    )
    for notice in broker.topic("audit.bank-a"):
        verified = verify_event(decode_event(notice.headers, notice.value), registry, 0)
        assert verified.event.source == header(notice, "ce_seallog")
    # Another relay takes over from the broker's word, and has nothing to repeat.
    assert await relay_all(sharded, broker) == 0
    await sharded.execute("DELETE FROM shards WHERE n = 2")
    async with sharded.database.session() as connection:
        with pytest.raises(BehindPublication, match=f"{LOG}/2 has 0 leaves"):
            await refuse_if_behind(connection, broker.positions)


async def test_each_shard_is_served_under_its_number(sharded: Installation) -> None:
    async with (
        serving_logs(sharded.database, Address("127.0.0.1", 0)) as at,
        aiohttp.ClientSession() as session,
    ):
        for n, path in enumerate(("bank-a", "bank-a/1", "bank-a/2")):
            async with session.get(f"{at.url}/{path}/checkpoint") as answer:
                note = await answer.read()
            key = sharded.identity.log_signer("bank-a", n).verifier
            size = verify_checkpoint(note, key.name, [key]).size
            async with session.get(f"{at.url}/{path}/tile/entries/000.p/{size}") as answer:
                entries = parse_bundle(await answer.read())
            async with session.get(f"{at.url}/{path}/tile/0/000.p/{size}") as answer:
                assert await answer.read() == b"".join(map(leaf_hash, entries))
        for path in ("bank-a/0", "bank-a/3", "bank-a/01"):
            async with session.get(f"{at.url}/{path}/checkpoint") as answer:
                assert answer.status == 404
