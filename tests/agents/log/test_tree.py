"""A stored log's tiles, bundles and proofs, against a tree in memory of the same leaves."""

import pytest

from agents.log.tile_cache import TileCache
from agents.log.tree import DamagedLog, NothingSigned, SignedTree
from security.merkle import leaf_hash, packed_leaf_hashes, tree_root, verify_consistency, verify_inclusion
from security.proof import NoSuchProofError, encode_tlog_proof, parse_tlog_proof, verify_tlog_proof
from security.tiles import BundleAddress, RightEdge, TileAddress, changed_tiles, parse_bundle, partial_tiles
from streams.storage.log_tree import place_of
from tests.support.grown_log import TENANT, grow, log_row, stored_leaves
from tests.support.installation import BANK_A, Installation, Worker
from tests.support.messages import Inbox, transaction


async def test_tiles_and_bundles_of_a_grown_log_are_those_of_its_leaves(platform: Installation, worker: Worker) -> None:
    inbox = Inbox()
    await grow(platform, worker, inbox, 300)
    await grow(platform, worker, inbox, 333)
    leaves = await stored_leaves(platform)
    tiles, edge = RightEdge().advance(packed_leaf_hashes(leaves))
    expected = {tile.address: tile.hashes for tile in tiles}
    async with platform.database.session() as connection:
        tree = await SignedTree.newest(connection, await log_row(connection))
        assert tree.checkpoint.size == len(leaves) == 634  # the key's leaf is the first
        assert tree.checkpoint.root == edge.root() == tree_root([leaf_hash(leaf) for leaf in leaves])
        assert {address: await tree.tile(address) for address in changed_tiles(0, len(leaves))} == expected
        bundles = [await tree.bundle(BundleAddress(0)), await tree.bundle(BundleAddress(1))]
        bundles.append(await tree.bundle(BundleAddress(2, 634 - 512)))
        assert [entry for bundle in bundles if bundle for entry in parse_bundle(bundle)] == leaves


async def test_tiles_of_former_sizes_are_still_there_and_none_beyond_the_checkpoint(
    platform: Installation, worker: Worker
) -> None:
    await grow(platform, worker, Inbox(), 599)
    async with platform.database.session() as connection:
        tree = await SignedTree.newest(connection, await log_row(connection))
        assert tree.checkpoint.size == 600
        whole = {0: await tree.tile(TileAddress(0, 0)), 1: await tree.tile(TileAddress(1, 0, 2))}
        for size in (1, 255, 256, 257, 300, 512, 599):
            for address in partial_tiles(size):
                found = await tree.tile(address)
                assert found is not None
                assert len(found) == 32 * address.width
                if address.index == 0:
                    assert (whole[address.level] or b"").startswith(found)
        beyond = (
            TileAddress(0, 2, 89),
            TileAddress(0, 2),
            TileAddress(0, 3, 1),
            TileAddress(1, 0, 3),
            TileAddress(2, 0, 1),
        )
        for address in beyond:
            assert await tree.tile(address) is None
        assert await tree.bundle(BundleAddress(2, 89)) is None


async def test_every_leaf_is_proved_alone_and_in_a_batch(platform: Installation, worker: Worker) -> None:
    await grow(platform, worker, Inbox(), 300)
    leaves = await stored_leaves(platform)
    verifier = platform.identity.log_signer(TENANT).verifier
    async with platform.database.session() as connection:
        row = await log_row(connection)
        tree = await SignedTree.newest(connection, row, TileCache())
        proofs = await tree.inclusion(range(len(leaves)))
        for index in (0, 1, 255, 256, 300):
            (alone,) = await tree.inclusion([index])
            assert alone == proofs[index] == parse_tlog_proof(encode_tlog_proof(alone))
            assert await tree.entry(index) == leaves[index]
            assert verify_tlog_proof(alone, leaf_hash(leaves[index]), row.origin, [verifier]).size == 301
        for index, leaf in enumerate(leaves):
            verify_inclusion(leaf_hash(leaf), index, 301, proofs[index].path, tree.checkpoint.root)


async def test_a_tree_proves_that_it_extends_every_former_one(platform: Installation, worker: Worker) -> None:
    await grow(platform, worker, Inbox(), 270)
    hashes = [leaf_hash(leaf) for leaf in await stored_leaves(platform)]
    async with platform.database.session() as connection:
        tree = await SignedTree.newest(connection, await log_row(connection))
        for old in (1, 2, 100, 255, 256, 257, 270, 271):
            proof = await tree.consistency(old)
            verify_consistency(old, 271, proof, tree_root(hashes[:old]), tree.checkpoint.root)


async def test_what_no_checkpoint_covers_is_not_proved(platform: Installation, worker: Worker) -> None:
    inbox = Inbox()
    BANK_A.put(inbox, transaction("a"))
    await worker.commit(inbox.take())
    async with platform.database.session() as connection:
        row = await log_row(connection)
        with pytest.raises(NothingSigned, match="no signed checkpoint"):
            await SignedTree.newest(connection, row)
        await platform.sequence()
        tree = await SignedTree.newest(connection, row)
        for index in (2, -1, 10**12):
            with pytest.raises(NoSuchProofError):
                await tree.entry(index)
            with pytest.raises(NoSuchProofError):
                await tree.inclusion([index])


async def test_a_record_and_its_message_have_a_place_once_it_is_given(platform: Installation, worker: Worker) -> None:
    inbox = Inbox()
    BANK_A.put(inbox, transaction("a"), transaction("b"))
    await worker.commit(inbox.take())
    names = [row["record_id"] for row in await platform.rows("SELECT record_id FROM results ORDER BY commit_id, leaf")]
    async with platform.database.session() as connection:
        places = [await place_of(connection, name) for name in names]
        assert [place and place.index for place in places] == [None, None]
        await platform.sequence()
        tree = await SignedTree.newest(connection, await log_row(connection))
        for name in names:
            place = await place_of(connection, name)
            assert place is not None
            assert place.index is not None
            assert str(name).encode() in await tree.entry(place.index)


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        ("UPDATE bundles SET body = overlay(body PLACING '\\x58' FROM 40)", "the leaf at index"),
        ("DELETE FROM bundles", "the leaf at index 0"),
        ("UPDATE tiles SET hashes = substring(hashes FOR 100)", "not stored whole"),
        ("UPDATE commits SET hashes = substring(hashes FOR 30)", "not stored whole"),
        ("DELETE FROM tiles", "not stored whole"),
    ],
)
async def test_what_was_not_sequenced_is_not_shown(
    platform: Installation, worker: Worker, damage: str, what: str
) -> None:
    await grow(platform, worker, Inbox(), 299)
    await platform.execute(damage)
    async with platform.database.session() as connection:
        tree = await SignedTree.newest(connection, await log_row(connection))
        with pytest.raises(DamagedLog, match=what):
            [await tree.bundle(address) for address in (BundleAddress(0), BundleAddress(1, 44))]
