import json
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from security.merkle import EMPTY_ROOT, leaf_hash, packed_leaf_hashes, packed_root, tree_root
from security.tiles import (
    MAX_TILE_INDEX,
    BundleAddress,
    HashReader,
    MalformedBundle,
    MalformedTilePath,
    MissingTile,
    RightEdge,
    Tile,
    TileAddress,
    changed_tiles,
    encode_bundle,
    parse_bundle,
    parse_tile_path,
    partial_tiles,
    root_from_tiles,
    tile_of_node,
)
from tests.shared_data import SHARED, shared

MINILOG = SHARED / "standards/vectors/tessera-minilog.json"
LOG: dict[str, Any] = json.loads(MINILOG.read_text()) if MINILOG.exists() else {}

LEAVES = [sha256(n.to_bytes(4, "big")).digest() for n in range(66_100)]
PACKED = b"".join(LEAVES)
BATCHES = st.lists(st.one_of(st.integers(0, 600), st.sampled_from([1, 255, 256, 257, 511, 512, 513])), max_size=8)
ADDRESSES = st.builds(TileAddress, st.integers(0, 63), st.integers(0, MAX_TILE_INDEX), st.integers(1, 256))


class Store:
    """Tiles as the database keeps them: one row for each level and index, the widest so far."""

    def __init__(self) -> None:
        self.rows: dict[tuple[int, int], bytes] = {}
        self.reads: list[TileAddress] = []

    def put(self, tiles: list[Tile]) -> None:
        for tile in tiles:
            self.rows[tile.level, tile.index] = tile.hashes

    def fetch(self, address: TileAddress) -> bytes | None:
        self.reads.append(address)
        return self.rows.get((address.level, address.index))


def rows_by_definition(size: int) -> dict[tuple[int, int], bytes]:
    """Every tile of the tree over the first `size` leaves, each hash an MTH as the format defines it."""
    rows, level = {}, 0
    while count := size >> 8 * level:
        span = 32 * 256**level
        hashes = [packed_root(PACKED[i * span : (i + 1) * span]) for i in range(count)]
        for index in range(-(-count // 256)):
            rows[level, index] = b"".join(hashes[256 * index : 256 * index + 256])
        level += 1
    return rows


def grown(size: int) -> Store:
    store = Store()
    store.put(RightEdge().advance(PACKED[: 32 * size])[0])
    return store


def test_standard_vectors_are_present():
    shared("standards/vectors/tessera-minilog.json")


@pytest.mark.parametrize(("index", "path"), sorted(LOG.get("tilePaths", {}).get("index", {}).items()))
def test_published_index_path(index, path):
    assert TileAddress(3, int(index)).path == f"tile/3/{path}"
    assert BundleAddress(int(index)).path == f"tile/entries/{path}"


@pytest.mark.parametrize(
    ("address", "path"),
    [
        pytest.param(TileAddress(0, 1234067), "tile/0/x001/x234/067", id="spec-example"),
        pytest.param(TileAddress(0, 0, 15), "tile/0/000.p/15", id="partial"),
        pytest.param(BundleAddress(0, 15), "tile/entries/000.p/15", id="partial-bundle"),
        pytest.param(BundleAddress(1000), "tile/entries/x001/000", id="bundle"),
        pytest.param(TileAddress(63, 5, 255), "tile/63/005.p/255", id="highest-level-widest-partial"),
        pytest.param(TileAddress(10, 999_999), "tile/10/x999/999", id="two-digit-level"),
        pytest.param(
            TileAddress(0, MAX_TILE_INDEX), "tile/0/x072/x057/x594/x037/x927/935", id="last-tile-of-the-largest-tree"
        ),
    ],
)
def test_path_is_written_and_read(address, path):
    assert address.path == path
    assert parse_tile_path(path) == address


@given(ADDRESSES)
def test_parse_inverts_path(address):
    assert parse_tile_path(address.path) == address
    bundle = BundleAddress(address.index, address.width)
    assert parse_tile_path(bundle.path) == bundle


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("", id="empty"),
        pytest.param("tile/0/5", id="unpadded"),
        pytest.param("tile/0/0005", id="four-digits"),
        pytest.param("tile/0/x000/005", id="leading-group-of-zeros"),
        pytest.param("tile/0/001/234", id="parent-without-x"),
        pytest.param("tile/0/x001/x234", id="last-with-x"),
        pytest.param("tile/0/X001/234", id="capital-x"),
        pytest.param("tile/00/000", id="level-with-leading-zero"),
        pytest.param("tile/64/000", id="level-64"),
        pytest.param("tile/-1/000", id="negative-level"),
        pytest.param("tile/0/-01", id="negative-index"),
        pytest.param("tile/0/000.p/0", id="width-0"),
        pytest.param("tile/0/000.p/256", id="width-256-is-the-full-tile"),
        pytest.param("tile/0/000.p/999", id="width-999"),
        pytest.param("tile/0/000.p/015", id="width-with-leading-zero"),
        pytest.param("tile/0/000.p/", id="width-missing"),
        pytest.param("tile/0/000.p/1/2", id="something-after-the-width"),
        pytest.param("tile/0/000/", id="trailing-slash"),
        pytest.param("tile/0/000\n", id="trailing-newline"),
        pytest.param("/tile/0/000", id="leading-slash"),
        pytest.param("tile/0/../0/000", id="dots"),
        pytest.param("tile/0/٠٠٠", id="other-digits"),
        pytest.param("tile/data/000", id="another-kind"),
        pytest.param("tile/0/x999/x999/x999/x999/x999/999", id="index-beyond-64-bit-trees"),
        pytest.param("tile/0/" + "x001/" * 5000 + "000", id="endless"),
    ],
)
def test_refuses_a_path_that_names_no_tile(path):
    with pytest.raises(MalformedTilePath):
        parse_tile_path(path)


@pytest.mark.parametrize(
    ("level", "index", "width"), [(-1, 0, 1), (64, 0, 1), (0, -1, 1), (0, 2**56, 1), (0, 0, 0), (0, 0, 257)]
)
def test_refuses_an_impossible_address(level, index, width):
    with pytest.raises(ValueError, match="tile"):
        TileAddress(level, index, width)


@pytest.mark.parametrize(("size", "levels"), sorted(LOG.get("tileCounts", {}).items()))
def test_published_tile_counts(size, levels):
    tiles = list(changed_tiles(0, int(size)))
    counts = {
        str(level): {
            "fullTiles": sum(tile.level == level and tile.width == 256 for tile in tiles),
            "partialWidth": sum(tile.width for tile in tiles if tile.level == level and tile.width < 256),
        }
        for level in {tile.level for tile in tiles}
    }
    assert counts == levels
    widths = {str(tile.level): tile.width for tile in partial_tiles(int(size))}
    assert widths == {level: count["partialWidth"] for level, count in levels.items() if count["partialWidth"]}


def test_minilog_tile_bundle_and_roots_are_reproduced():
    shared("standards/vectors/tessera-minilog.json")
    entries = [entry.encode() for entry in LOG["entries"]]
    tiles, edge = RightEdge().advance(packed_leaf_hashes(entries))
    assert [(tile.address.path, tile.hashes.hex()) for tile in tiles] == [
        ("tile/0/000.p/15", LOG["tile0Partial15Hex"]),
    ]
    assert edge.root() == tree_root([leaf_hash(entry) for entry in entries])
    assert encode_bundle(entries).hex() == LOG["entryBundlePartial15Hex"]
    assert parse_bundle(bytes.fromhex(LOG["entryBundlePartial15Hex"])) == entries


@given(BATCHES)
@settings(deadline=None, max_examples=40)
def test_tiles_equal_recomputation_for_any_split_into_batches(batches):
    store, edge = Store(), RightEdge()
    for batch in batches:
        old = edge.size
        tiles, edge = edge.advance(PACKED[32 * old : 32 * (old + batch)])
        store.put(tiles)
        assert [tile.address for tile in tiles] == list(changed_tiles(old, edge.size))
        assert edge.root() == packed_root(PACKED[: 32 * edge.size])
    assert edge.size == sum(batches)
    assert store.rows == rows_by_definition(edge.size)


@pytest.mark.parametrize("size", [1, 255, 256, 257, 65_535, 65_536, 65_537, 65_792, 66_100])
def test_tiles_equal_recomputation_where_levels_fill(size):
    edge, store = RightEdge(), Store()
    for batch in (size // 2, size - size // 2 - 1, 1):
        tiles, edge = edge.advance(PACKED[32 * edge.size : 32 * (edge.size + batch)])
        store.put(tiles)
    assert store.rows == rows_by_definition(size)
    assert edge.root() == packed_root(PACKED[: 32 * size])


def test_a_batch_touches_each_tile_once_and_one_partial_a_level():
    _, edge = RightEdge().advance(PACKED[: 32 * 300])
    tiles, _ = edge.advance(PACKED[32 * 300 : 32 * 66_000])
    keys = [(tile.level, tile.index) for tile in tiles]
    assert len(keys) == len(set(keys))
    partial_levels = [tile.level for tile in tiles if len(tile.hashes) < 8192]
    assert partial_levels == [0, 1, 2]


def test_full_tiles_never_change_later():
    tiles, edge = RightEdge().advance(PACKED[: 32 * 1000])
    final = {(tile.level, tile.index) for tile in tiles if len(tile.hashes) == 8192}
    later, _ = edge.advance(PACKED[32 * 1000 : 32 * 5000])
    assert final.isdisjoint((tile.level, tile.index) for tile in later)


def test_an_empty_batch_changes_nothing():
    _, edge = RightEdge().advance(PACKED[: 32 * 300])
    assert edge.advance(b"") == ([], edge)


def test_a_batch_that_is_not_whole_hashes_is_refused():
    with pytest.raises(ValueError, match="32 bytes"):
        RightEdge().advance(bytes(33))


def test_the_empty_tree_has_no_tiles_and_the_empty_root():
    assert list(changed_tiles(0, 0)) == []
    assert partial_tiles(0) == []
    assert RightEdge().root() == EMPTY_ROOT
    assert root_from_tiles(0, Store().fetch) == EMPTY_ROOT


def test_a_log_does_not_shrink():
    with pytest.raises(ValueError, match="grows"):
        list(changed_tiles(5, 4))


@pytest.mark.parametrize("size", [1, 255, 256, 257, 511, 512, 65_535, 65_536, 66_000])
def test_edge_is_restored_from_the_stored_partial_tiles_alone(size):
    _, edge = RightEdge().advance(PACKED[: 32 * size])
    store = grown(size)
    assert RightEdge.from_tiles(size, store.fetch) == edge
    assert store.reads == partial_tiles(size)
    assert all(address.width < 256 for address in store.reads)


@given(st.integers(0, 3000), st.integers(0, 3000))
@settings(deadline=None, max_examples=40)
def test_older_roots_come_from_the_tiles_of_a_larger_tree(a, b):
    size, stored = sorted((a, b))
    assert root_from_tiles(size, grown(stored).fetch) == packed_root(PACKED[: 32 * size])


@pytest.mark.parametrize("level", [0, 1])
def test_a_missing_or_short_tile_is_named(level):
    store = grown(66_000)
    row = (level, 66_000 >> 8 * (level + 1))
    store.rows[row] = store.rows[row][:-32]
    with pytest.raises(MissingTile, match=f"tile/{level}/"):
        root_from_tiles(66_000, store.fetch)
    del store.rows[row]
    with pytest.raises(MissingTile, match=f"tile/{level}/"):
        root_from_tiles(66_000, store.fetch)


def test_an_edge_refuses_tails_that_do_not_fit_its_size():
    with pytest.raises(ValueError, match="tails"):
        RightEdge(3, (bytes(64),))
    with pytest.raises(ValueError, match="tails"):
        RightEdge(256, (b"",))


@given(st.integers(1, 66_100), st.data())
@settings(deadline=None, max_examples=60)
def test_reader_gives_the_root_of_any_full_subtree(size, data):
    height = data.draw(st.integers(0, size.bit_length() - 1))
    index = data.draw(st.integers(0, (size >> height) - 1))
    span = 32 << height
    reader = HashReader(size, FULL.fetch)
    assert reader.node(height, index) == packed_root(PACKED[index * span : (index + 1) * span])


def test_reader_fetches_each_tile_once_at_the_width_of_its_tree():
    store = grown(1000)
    reader = HashReader(700, store.fetch)
    for index in (512, 513, 600, 699):
        assert reader.node(0, index) == LEAVES[index]
    reader.node(3, 70)
    assert store.reads == [TileAddress(0, 2, 700 - 512)]


@pytest.mark.parametrize(("height", "index"), [(0, 700), (9, 1), (10, 0), (8, 2), (0, -1), (-1, 0), (0, 768)])
def test_reader_refuses_nodes_outside_its_tree(height, index):
    reader = HashReader(700, grown(1000).fetch)
    reader.node(0, 699)
    reader.node(8, 1)
    with pytest.raises(ValueError, match="within the tree"):
        reader.node(height, index)
    with pytest.raises(ValueError, match="within the tree"):
        tile_of_node(height, index, 700)


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=256))
@settings(deadline=None)
def test_parse_inverts_encode_of_bundles(entries):
    assert parse_bundle(encode_bundle(entries)) == entries


def test_a_bundle_takes_the_longest_entry_and_no_longer_one():
    assert parse_bundle(encode_bundle([bytes(65_535), b""])) == [bytes(65_535), b""]
    with pytest.raises(ValueError, match="65535"):
        encode_bundle([bytes(65_536)])


@pytest.mark.parametrize("count", [0, 257])
def test_a_bundle_holds_1_to_256_entries(count):
    with pytest.raises(ValueError, match="256"):
        encode_bundle([b"entry"] * count)
    with pytest.raises(MalformedBundle):
        parse_bundle(b"\x00\x05entry" * count)


@pytest.mark.parametrize(
    "bundle",
    [
        pytest.param(b"\x00", id="half-a-length"),
        pytest.param(b"\x00\x01", id="entry-missing"),
        pytest.param(b"\x00\x02a", id="entry-cut"),
        pytest.param(b"\x00\x01a\x00", id="trailing-byte"),
        pytest.param(b"\xff\xff" + bytes(65_534), id="longest-entry-cut"),
    ],
)
def test_refuses_a_bundle_that_does_not_divide_into_entries(bundle):
    with pytest.raises(MalformedBundle):
        parse_bundle(bundle)


FULL = grown(66_100)
