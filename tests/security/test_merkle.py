import json
from base64 import b64decode
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import VerificationFailed
from security.merkle import (
    EMPTY_ROOT,
    Frontier,
    MalformedProof,
    RootMismatch,
    WrongProofLength,
    leaf_hash,
    node_hash,
    packed_leaf_hashes,
    packed_root,
    root_and_paths,
    tree_root,
    verify_consistency,
    verify_inclusion,
)
from tests.shared_data import SHARED, shared

RFC6962 = SHARED / "standards/vectors/rfc6962.json"
PROBES = SHARED / "data/crypto_vectors/merkle_rfc6962"
VECTORS: dict[str, Any] = json.loads(RFC6962.read_text()) if RFC6962.exists() else {}


def probe_files(folder: str) -> list[Any]:
    paths = sorted((PROBES / folder).rglob("*.json"))
    probes = [pytest.param(path, id=str(path.relative_to(PROBES))) for path in paths]
    return [param for param in probes if is_whole_tree(json.loads(Path(param.values[0]).read_text()))]


def is_whole_tree(probe: dict[str, Any]) -> bool:
    """Probes of subtrees that start within the tree, or are empty, are about functions that do not exist here."""
    return "start" not in probe or (probe["start"] == 0 and probe["end"] > 0)


def mth(leaves: list[bytes]) -> bytes:
    """MTH as RFC 6962 writes it, over leaf hashes."""
    if not leaves:
        return EMPTY_ROOT
    if len(leaves) == 1:
        return leaves[0]
    k = 1 << (len(leaves) - 1).bit_length() - 1
    return node_hash(mth(leaves[:k]), mth(leaves[k:]))


def numbered(count: int) -> list[bytes]:
    return [leaf_hash(str(n).encode()) for n in range(count)]


def test_standard_vectors_are_present():
    shared("standards/vectors/rfc6962.json")
    shared("data/crypto_vectors/merkle_rfc6962")


def test_hashes_match_the_published_ones():
    empty, empty_leaf, leaf, node = [bytes.fromhex(case["hex"]) for case in vectors("hashing")]
    assert empty == EMPTY_ROOT
    assert leaf_hash(b"") == empty_leaf
    assert leaf_hash(b"L123456") == leaf
    assert node_hash(b"N123", b"N456") == node


def test_leaf_hashes_match_the_published_ones():
    inputs = [bytes.fromhex(entry) for entry in vectors("leafInputsHex")]
    assert [leaf_hash(entry).hex() for entry in inputs] == vectors("leafHashesHex")
    assert packed_leaf_hashes(inputs).hex() == "".join(vectors("leafHashesHex"))


@pytest.mark.parametrize("size", range(9))
def test_root_matches_the_published_one(size):
    leaves = [bytes.fromhex(leaf) for leaf in vectors("leafHashesHex")[:size]]
    expected = bytes.fromhex(vectors("rootsBySizeHex")[size])
    assert tree_root(leaves) == expected
    assert packed_root(b"".join(leaves)) == expected
    assert root_and_paths(leaves)[0] == expected
    frontier = Frontier()
    frontier.extend(leaves)
    assert frontier.root() == expected


@pytest.mark.parametrize("size", range(1, 9))
def test_paths_match_the_published_ones(size):
    leaves = [bytes.fromhex(leaf) for leaf in vectors("leafHashesHex")[:size]]
    expected = vectors("allInclusionProofsHex")[str(size)]
    _, paths = root_and_paths(leaves)
    assert [[node.hex() for node in path] for path in paths] == [expected[str(index)] for index in range(size)]


@pytest.mark.parametrize("probe", [*probe_files("inclusion"), *probe_files("subtreeinclusion")])
def test_inclusion_probe(probe):
    case = json.loads(probe.read_text())
    size = case["treeSize"] if "treeSize" in case else case["end"]
    path = [b64decode(node) for node in case["proof"] or []]
    verdict(case, verify_inclusion, b64of(case, "leafHash"), case["leafIdx"], size, path, b64of(case, "root"))


@pytest.mark.parametrize("probe", [*probe_files("consistency"), *probe_files("subtreeconsistency")])
def test_consistency_probe(probe):
    case = json.loads(probe.read_text())
    sizes = (case["end"], case["size"]) if "end" in case else (case["size1"], case["size2"])
    path = [b64decode(node) for node in case["proof"] or []]
    verdict(case, verify_consistency, *sizes, path, b64of(case, "root1"), b64of(case, "root2"))


@pytest.mark.parametrize(
    ("index", "size", "error"),
    [
        pytest.param(-1, 8, MalformedProof, id="negative-index"),
        pytest.param(8, 8, MalformedProof, id="index-beyond-the-tree"),
        pytest.param(0, 0, MalformedProof, id="empty-tree"),
        pytest.param(0, 2**64, MalformedProof, id="size-beyond-64-bits"),
        pytest.param(5, 16, WrongProofLength, id="path-too-short"),
        pytest.param(4, 8, RootMismatch, id="another-index"),
        pytest.param(5, 6, WrongProofLength, id="path-too-long"),
    ],
)
def test_inclusion_is_refused_with_its_cause(index, size, error):
    leaves = numbered(8)
    root, paths = root_and_paths(leaves)
    with pytest.raises(error):
        verify_inclusion(leaves[5], index, size, paths[5], root)


@pytest.mark.parametrize(
    ("old", "new", "added", "error"),
    [
        pytest.param(0, 8, [], MalformedProof, id="empty-old-tree"),
        pytest.param(8, 7, [], MalformedProof, id="shrunken-tree"),
        pytest.param(6, 2**64, [], MalformedProof, id="size-beyond-64-bits"),
        pytest.param(6, 8, [bytes(32)], WrongProofLength, id="path-too-long"),
        pytest.param(6, 6, [], WrongProofLength, id="equal-sizes-with-a-path"),
        pytest.param(6, 16, [], WrongProofLength, id="path-too-short"),
        pytest.param(6, 16, [bytes(31)], MalformedProof, id="short-hash"),
        pytest.param(6, 16, [bytes(32)], RootMismatch, id="another-hash"),
    ],
)
def test_consistency_is_refused_with_its_cause(old, new, added, error):
    leaves = numbered(8)
    # PROOF(6, D[8]) by RFC 6962: the inner subtree [4:6], then [6:8], then [0:4].
    path = [mth(leaves[4:6]), mth(leaves[6:8]), mth(leaves[0:4])]
    verify_consistency(6, 8, path, mth(leaves[:6]), mth(leaves))
    with pytest.raises(error):
        verify_consistency(old, new, path + added, mth(leaves[:6]), mth(leaves))


def test_inclusion_refuses_hashes_of_another_length():
    leaves = numbered(4)
    root, paths = root_and_paths(leaves)
    with pytest.raises(MalformedProof):
        verify_inclusion(leaves[0] + b"\0", 0, 4, paths[0], root)
    with pytest.raises(MalformedProof):
        verify_inclusion(leaves[0], 0, 4, [paths[0][0][:31], paths[0][1]], root)


def test_consistency_refuses_an_old_root_that_would_be_hashed_at_another_length():
    with pytest.raises(MalformedProof):
        verify_consistency(4, 8, [bytes(32)], bytes(31), bytes(32))


def test_roots_of_lists_refuse_hashes_of_another_length():
    with pytest.raises(ValueError, match="32 bytes"):
        tree_root([bytes(31)])
    with pytest.raises(ValueError, match="32 bytes"):
        packed_root(bytes(33))


@given(st.lists(st.binary(min_size=32, max_size=32), max_size=140))
@settings(deadline=None, max_examples=60)
def test_root_follows_the_recursive_definition(leaves):
    assert tree_root(leaves) == mth(leaves)


@given(st.integers(1, 300), st.data())
@settings(deadline=None, max_examples=60)
def test_every_path_verifies_and_any_flipped_bit_fails(size, data):
    leaves = numbered(size)
    root, paths = root_and_paths(leaves)
    assert root == mth(leaves)
    for index, path in enumerate(paths):
        verify_inclusion(leaves[index], index, size, path, root)

    index = data.draw(st.integers(0, size - 1))
    hashes = [leaves[index], *paths[index], root]
    position, bit = data.draw(st.integers(0, len(hashes) - 1)), data.draw(st.integers(0, 255))
    flipped = bytearray(hashes[position])
    flipped[bit // 8] ^= 1 << bit % 8
    hashes[position] = bytes(flipped)
    with pytest.raises(RootMismatch):
        verify_inclusion(hashes[0], index, size, hashes[1:-1], hashes[-1])


@given(st.lists(st.integers(0, 90), max_size=6))
@settings(deadline=None, max_examples=60)
def test_frontier_root_is_the_trees_for_any_batches_and_after_any_restart(batches):
    leaves = numbered(sum(batches))
    frontier, start = Frontier(), 0
    for batch in batches:
        frontier.extend(leaves[start : start + batch])
        start += batch
        assert frontier.root() == mth(leaves[:start])
        assert len(frontier.hashes) == start.bit_count()
        frontier = Frontier(frontier.size, frontier.hashes)
    assert frontier.size == len(leaves)
    frontier.append(leaf_hash(b"one more"))
    assert frontier.root() == mth([*leaves, leaf_hash(b"one more")])


@pytest.mark.parametrize(
    ("size", "hashes"),
    [
        pytest.param(3, [bytes(32)], id="a-hash-missing"),
        pytest.param(4, [bytes(32)] * 2, id="a-hash-too-many"),
        pytest.param(1, [bytes(31)], id="short-hash"),
        pytest.param(-1, [], id="negative-size"),
    ],
)
def test_frontier_refuses_hashes_that_do_not_fit_its_size(size, hashes):
    with pytest.raises(ValueError, match="frontier"):
        Frontier(size, hashes)


def test_frontier_is_unchanged_when_a_batch_is_refused():
    frontier = Frontier()
    frontier.extend(numbered(3))
    before = frontier.root()
    with pytest.raises(ValueError, match="32 bytes"):
        frontier.extend([bytes(32), b"short"])
    assert (frontier.size, frontier.root()) == (3, before)


def test_leaf_and_node_hashes_are_separated_by_their_prefixes():
    left, right = numbered(2)
    assert leaf_hash(left + right) != node_hash(left, right)
    assert node_hash(left, right) == sha256(b"\x01" + left + right).digest()


def vectors(key: str) -> Any:
    shared("standards/vectors/rfc6962.json")
    return VECTORS[key]


def b64of(case: dict[str, Any], key: str) -> bytes:
    return b64decode(case[key] or "")


def verdict(case: dict[str, Any], verify: Any, *arguments: Any) -> None:
    if case["wantErr"]:
        with pytest.raises(VerificationFailed):
            verify(*arguments)
    else:
        verify(*arguments)
