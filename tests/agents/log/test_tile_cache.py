"""What is kept of tiles between proofs: as much as was said, no tile of leaves, nothing that a growing log changes."""

import pytest

from agents.log.tile_cache import TileCache
from agents.log.tree import DamagedLog, SignedTree
from security.merkle import HASH_BYTES, leaf_hash, verify_inclusion
from security.tiles import TileAddress
from tests.support.grown_log import grow, log_row, stored_leaves
from tests.support.installation import Installation, Worker
from tests.support.messages import Inbox

FULL_BYTES = 2 * 256 * HASH_BYTES


def hashes(address: TileAddress) -> list[bytes]:
    return [bytes(address.width * HASH_BYTES)]


def test_what_was_asked_for_last_is_kept() -> None:
    cache = TileCache(layers_bytes=3 * FULL_BYTES)
    tiles = [TileAddress(1, index) for index in range(4)]
    kept = {tile: hashes(tile) for tile in tiles}
    for tile in tiles[:3]:
        cache.keep(7, tile, kept[tile])
    assert cache.layers(7, tiles[0]) is kept[tiles[0]]
    cache.keep(7, tiles[3], kept[tiles[3]])
    assert [cache.layers(7, tile) is not None for tile in tiles] == [True, False, True, True]
    assert cache.layers(8, tiles[0]) is None


def test_narrow_tiles_take_less_room_and_one_kept_twice_takes_it_once() -> None:
    cache = TileCache(layers_bytes=FULL_BYTES)
    tiles = [TileAddress(1, 0, 100), TileAddress(1, 0, 101), TileAddress(1, 0, 55)]
    for tile in [tiles[0], *tiles]:
        cache.keep(7, tile, hashes(tile))
    assert all(cache.layers(7, tile) for tile in tiles)
    cache.keep(7, TileAddress(2, 0, 1), hashes(TileAddress(2, 0, 1)))
    assert cache.layers(7, tiles[0]) is None


@pytest.mark.parametrize(
    ("address", "room"),
    [pytest.param(TileAddress(0, 3), FULL_BYTES, id="leaves"), pytest.param(TileAddress(1, 3), 10, id="too large")],
)
def test_what_would_only_fill_it_is_not_kept(address: TileAddress, room: int) -> None:
    cache = TileCache(layers_bytes=room)
    cache.keep(7, address, hashes(address))
    assert cache.layers(7, address) is None


async def test_upper_tiles_are_read_once_and_again_once_the_log_has_grown(
    platform: Installation, worker: Worker
) -> None:
    inbox, cache = Inbox(), TileCache()
    for size in (301, 601):
        await grow(platform, worker, inbox, 300)
        leaves = await stored_leaves(platform)
        async with platform.database.session() as connection:
            tree = await SignedTree.newest(connection, await log_row(connection), cache)
            for index in (0, 255, 256, 300, size - 1):
                (proof,) = await tree.inclusion([index])
                verify_inclusion(leaf_hash(leaves[index]), index, size, proof.path, tree.checkpoint.root)
    await platform.execute("DELETE FROM tiles")
    async with platform.database.session() as connection:
        tree = await SignedTree.newest(connection, await log_row(connection), cache)
        # The last leaf's own tile is partial and made of commits; those above it are at hand.
        (proof,) = await tree.inclusion([size - 1])
        verify_inclusion(leaf_hash(leaves[-1]), size - 1, size, proof.path, tree.checkpoint.root)
        with pytest.raises(DamagedLog):
            await tree.inclusion([0])
