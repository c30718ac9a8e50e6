import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import VerificationFailed
from security.checkpoint import Checkpoint, MalformedCheckpoint, UntrustedCheckpoint, WrongOrigin, sign_checkpoint
from security.merkle import (
    MalformedProof,
    RootMismatch,
    leaf_hash,
    packed_root,
    root_and_paths,
    tree_root,
    verify_consistency,
    verify_inclusion,
)
from security.note import InvalidSignature, MalformedNote, NoTrustedSignature, Signer, Verifier
from security.proof import (
    MalformedProofFile,
    NoSuchProofError,
    TlogProof,
    consistency_proof,
    consistency_tiles,
    encode_tlog_proof,
    inclusion_proof,
    inclusion_tiles,
    parse_tlog_proof,
    verify_tlog_proof,
)
from security.tiles import HashReader, RightEdge, TileAddress
from tests.shared_data import SHARED, shared

RFC6962 = SHARED / "standards/vectors/rfc6962.json"
VECTORS: dict[str, Any] = json.loads(RFC6962.read_text()) if RFC6962.exists() else {}
TLOG_PROOF = SHARED / "standards/vectors/tlog-proof.json"
FILES: dict[str, Any] = json.loads(TLOG_PROOF.read_text()) if TLOG_PROOF.exists() else {"valid": [], "invalid": []}

LEAVES = [leaf_hash(str(n).encode()) for n in range(66_000)]
PACKED = b"".join(LEAVES)
TILES = {(tile.level, tile.index): tile.hashes for tile in RightEdge().advance(PACKED)[0]}
SIZES = st.one_of(st.integers(1, 70), st.integers(1, 1000), st.sampled_from([255, 256, 257, 65_536, 65_537, 66_000]))

ORIGIN = "log.example/audit"
LOG = Signer(ORIGIN, bytes(range(32)))
WITNESS = Signer("witness.example", bytes(range(1, 33)))
HASH_LINE = "vBoGQ7EuTS18d5GPROD095qDi2z57FtcKD4fTYhZnms="


class ListReader:
    """The nodes of a tree straight from its leaf hashes."""

    def __init__(self, leaves: list[bytes]) -> None:
        self._leaves = leaves

    def node(self, height: int, index: int) -> bytes:
        nodes = self._leaves[index << height : (index + 1) << height]
        assert len(nodes) == 1 << height
        return tree_root(nodes)


def reader(size: int) -> HashReader:
    return HashReader(size, lambda address: TILES.get((address.level, address.index)))


def root(size: int) -> bytes:
    return packed_root(PACKED[: 32 * size])


def signed_proof(index: int, size: int, extra: bytes | None = None) -> TlogProof:
    note = sign_checkpoint(Checkpoint(ORIGIN, size, root(size)), [LOG, WITNESS])
    return TlogProof(index, tuple(inclusion_proof(index, size, reader(size))), note, extra)


def flip(value: bytes, bit: int) -> bytes:
    flipped = bytearray(value)
    flipped[bit // 8] ^= 1 << bit % 8
    return bytes(flipped)


def verify_file(data: bytes) -> Checkpoint:
    return verify_tlog_proof(parse_tlog_proof(data), LEAVES[5], ORIGIN, [LOG.verifier], [WITNESS.verifier], 1)


def published_leaves(size: int) -> list[bytes]:
    return [bytes.fromhex(leaf) for leaf in VECTORS["leafHashesHex"][:size]]


def test_standard_vectors_are_present():
    shared("standards/vectors/rfc6962.json")
    shared("standards/vectors/tlog-proof.json")
    shared("standards/vectors/cosignature.json")


@pytest.mark.parametrize(
    ("size", "index"),
    [(int(size), int(index)) for size, paths in VECTORS.get("allInclusionProofsHex", {}).items() for index in paths],
)
def test_published_inclusion_proof_is_made(size, index):
    path = inclusion_proof(index, size, ListReader(published_leaves(size)))
    assert [node.hex() for node in path] == VECTORS["allInclusionProofsHex"][str(size)][str(index)]


@pytest.mark.parametrize(
    ("new", "old"),
    [(int(new), int(old)) for new, paths in VECTORS.get("allConsistencyProofsHex", {}).items() for old in paths],
)
def test_published_consistency_proof_is_made(new, old):
    path = consistency_proof(old, new, ListReader(published_leaves(new)))
    assert [node.hex() for node in path] == VECTORS["allConsistencyProofsHex"][str(new)][str(old)]


@given(SIZES, st.data())
@settings(deadline=None, max_examples=80)
def test_inclusion_proofs_from_tiles_verify_and_any_flipped_bit_fails(size, data):
    index = data.draw(st.integers(0, size - 1))
    path = inclusion_proof(index, size, reader(size))
    verify_inclusion(LEAVES[index], index, size, path, root(size))
    hashes = [LEAVES[index], *path, root(size)]
    at = data.draw(st.integers(0, len(hashes) - 1))
    hashes[at] = flip(hashes[at], data.draw(st.integers(0, 255)))
    with pytest.raises(RootMismatch):
        verify_inclusion(hashes[0], index, size, hashes[1:-1], hashes[-1])


@given(SIZES, st.data())
@settings(deadline=None, max_examples=80)
def test_consistency_proofs_from_tiles_verify_and_any_flipped_bit_fails(new, data):
    old = data.draw(st.integers(1, new))
    path = consistency_proof(old, new, reader(new))
    verify_consistency(old, new, path, root(old), root(new))
    hashes = [root(old), *path, root(new)]
    at = data.draw(st.integers(0, len(hashes) - 1))
    hashes[at] = flip(hashes[at], data.draw(st.integers(0, 255)))
    with pytest.raises(RootMismatch):
        verify_consistency(old, new, hashes[1:-1], hashes[0], hashes[-1])


@pytest.mark.parametrize("size", range(1, 34))
def test_all_proofs_of_small_trees_agree_with_both_verifiers(size):
    leaves = LEAVES[:size]
    _, paths = root_and_paths(leaves)
    for index in range(size):
        assert inclusion_proof(index, size, ListReader(leaves)) == paths[index]
    for old in range(1, size + 1):
        path = consistency_proof(old, size, reader(size))
        verify_consistency(old, size, path, root(old), root(size))


@given(SIZES, st.data())
@settings(deadline=None, max_examples=60)
def test_the_tiles_named_beforehand_are_exactly_those_read(size, data):
    a, b = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    reads: list[TileAddress] = []

    def fetch(address: TileAddress) -> bytes | None:
        reads.append(address)
        return TILES[address.level, address.index]

    inclusion_proof(a, size, HashReader(size, fetch))
    assert sorted(reads) == sorted(inclusion_tiles(a, size))
    reads.clear()
    consistency_proof(b, size, HashReader(size, fetch))
    assert sorted(reads) == sorted(consistency_tiles(b, size))


def test_a_proof_reads_two_tiles_a_level_at_most():
    for index in (0, 255, 256, 40_000, 65_535, 65_999):
        assert len(inclusion_tiles(index, 66_000)) <= 6


@pytest.mark.parametrize(("index", "size"), [(-1, 5), (5, 5), (0, 0), (0, 2**64)])
def test_there_is_no_inclusion_proof_outside_the_tree(index, size):
    with pytest.raises(NoSuchProofError):
        inclusion_proof(index, size, reader(1))
    with pytest.raises(NoSuchProofError):
        inclusion_tiles(index, size)


@pytest.mark.parametrize(("old", "new"), [(0, 0), (0, 5), (6, 5), (-1, 5), (1, 2**64)])
def test_there_is_no_consistency_proof_for_those_sizes(old, new):
    with pytest.raises(NoSuchProofError):
        consistency_proof(old, new, reader(1))
    with pytest.raises(NoSuchProofError):
        consistency_tiles(old, new)


@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in FILES["valid"]])
def test_published_proof_file(case):
    proof = parse_tlog_proof(case["text"].encode())
    assert proof.index == case["index"]
    assert encode_tlog_proof(proof) == case["text"].encode()
    assert proof.checkpoint == case["checkpoint"].encode()
    assert proof.extra == (case["extraUtf8"].encode() if "extraUtf8" in case else None)
    assert len(proof.path) == len(case["hashesB64"])


@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in FILES["invalid"]])
def test_published_malformed_proof_file(case):
    with pytest.raises(MalformedProofFile):
        parse_tlog_proof(case["text"].encode())


def test_published_proof_verifies_end_to_end():
    own = json.loads(shared("standards/vectors/cosignature.json").read_text())["own"]
    log, witness = Verifier.from_vkey(own["logVkey"]), Verifier.from_vkey(own["witnessVkey04"])
    leaf = leaf_hash(bytes.fromhex(own["tlogProofLeaf5LeafHex"]))
    proof = parse_tlog_proof(own["tlogProofLeaf5"].encode())
    assert encode_tlog_proof(proof).decode() == own["tlogProofLeaf5"]
    assert verify_tlog_proof(proof, leaf, log.name, [log], [witness], 1).size == 8
    leaves = published_leaves(8)
    assert proof.path == tuple(inclusion_proof(5, 8, ListReader(leaves)))
    with pytest.raises(UntrustedCheckpoint):
        verify_tlog_proof(proof, leaf, log.name, [log], [], 1)
    with pytest.raises(RootMismatch):
        verify_tlog_proof(proof, leaves[4], log.name, [log])


@given(SIZES, st.data(), st.none() | st.binary(max_size=50))
@settings(deadline=None, max_examples=40)
def test_a_proof_file_round_trips_and_verifies(size, data, extra):
    index = data.draw(st.integers(0, size - 1))
    proof = signed_proof(index, size, extra)
    again = parse_tlog_proof(encode_tlog_proof(proof))
    assert again == proof
    checkpoint = verify_tlog_proof(again, LEAVES[index], ORIGIN, [LOG.verifier], [WITNESS.verifier], 1)
    assert (checkpoint.size, checkpoint.root) == (size, root(size))


PROOF_FILE = encode_tlog_proof(signed_proof(5, 300))


@given(st.integers(0, 8 * len(PROOF_FILE) - 1))
@settings(deadline=None)
def test_any_flipped_bit_of_a_proof_file_is_refused(bit):
    with pytest.raises(VerificationFailed):
        verify_file(flip(PROOF_FILE, bit))


@pytest.mark.parametrize(
    ("change", "error"),
    [
        pytest.param({"index": 4}, RootMismatch, id="another-index"),
        pytest.param({"index": 300}, MalformedProof, id="index-beyond-the-tree"),
        pytest.param({"path": ()}, VerificationFailed, id="no-path"),
        pytest.param({"checkpoint": b"text\n"}, MalformedNote, id="not-a-note"),
        pytest.param(
            {"checkpoint": sign_checkpoint(Checkpoint("log.example/x", 300, root(300)), [LOG])},
            WrongOrigin,
            id="another-log",
        ),
        pytest.param(
            {"checkpoint": sign_checkpoint(Checkpoint(ORIGIN, 300, root(300)), [Signer(ORIGIN, bytes(32))])},
            NoTrustedSignature,
            id="another-key",
        ),
        pytest.param(
            {"checkpoint": sign_checkpoint(Checkpoint(ORIGIN, 300, root(299)), [LOG])}, RootMismatch, id="another-root"
        ),
    ],
)
def test_a_proof_is_refused_with_its_cause(change, error):
    proof = signed_proof(5, 300)
    verify_tlog_proof(proof, LEAVES[5], ORIGIN, [LOG.verifier])
    with pytest.raises(error):
        verify_tlog_proof(replace(proof, **change), LEAVES[5], ORIGIN, [LOG.verifier])


def test_a_proof_under_a_tampered_checkpoint_is_refused():
    proof = signed_proof(5, 300)
    tampered = replace(proof, checkpoint=proof.checkpoint.replace(b"\n300\n", b"\n301\n"))
    with pytest.raises(InvalidSignature):
        verify_tlog_proof(tampered, LEAVES[5], ORIGIN, [LOG.verifier])


def test_a_signed_text_that_is_no_checkpoint_proves_nothing():
    note = LOG.sign("hello\n")
    proof = replace(signed_proof(5, 300), checkpoint=f"hello\n\n{note.line}".encode())
    with pytest.raises(MalformedCheckpoint):
        verify_tlog_proof(proof, LEAVES[5], ORIGIN, [LOG.verifier])


HEADER = "c2sp.org/tlog-proof@v1"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param(f"{HEADER}\nindex 0\n", id="no-checkpoint"),
        pytest.param(f"{HEADER}\nindex 0\n\n", id="empty-checkpoint"),
        pytest.param(f"{HEADER}\n\ncheckpoint\n", id="no-index"),
        pytest.param(f"{HEADER} \nindex 0\n\ncheckpoint\n", id="space-after-the-header"),
        pytest.param("c2sp.org/tlog-proof@v2\nindex 0\n\ncheckpoint\n", id="another-version"),
        pytest.param(f"{HEADER}\r\nindex 0\r\n\r\ncheckpoint\n", id="carriage-returns"),
        pytest.param(f"{HEADER}\nindex 00\n\ncheckpoint\n", id="leading-zero"),
        pytest.param(f"{HEADER}\nindex +1\n\ncheckpoint\n", id="signed-index"),
        pytest.param(f"{HEADER}\nindex  1\n\ncheckpoint\n", id="two-spaces"),
        pytest.param(f"{HEADER}\nindex 1 # a comment\n\ncheckpoint\n", id="comment"),
        pytest.param(f"{HEADER}\nindex {2**64}\n\ncheckpoint\n", id="index-beyond-64-bits"),
        pytest.param(f"{HEADER}\nindex 1\nextra AAAA\n\ncheckpoint\n", id="extra-after-the-index"),
        pytest.param(f"{HEADER}\nextra AAAA\nextra AAAA\nindex 1\n\ncheckpoint\n", id="two-extra-lines"),
        pytest.param(f"{HEADER}\nextra AAB=\nindex 1\n\ncheckpoint\n", id="second-spelling-of-base64"),
        pytest.param(f"{HEADER}\nindex 1\n{HASH_LINE} \n\ncheckpoint\n", id="space-after-a-hash"),
        pytest.param(f"{HEADER}\nindex 1\n{HASH_LINE[:-4]}\n\ncheckpoint\n", id="short-hash"),
        pytest.param(f"{HEADER}\nindex 1\n" + f"{HASH_LINE}\n" * 65 + "\ncheckpoint\n", id="65-hashes"),
        pytest.param(f"{HEADER}\nextra {'A' * 65_536}\nindex 1\n\ncheckpoint\n", id="line-beyond-64-KiB"),
        pytest.param(f"{HEADER}\nindex 1\n\n" + "x" * (1 << 20) + "\n", id="checkpoint-too-large"),
        pytest.param(f"{HEADER}é\nindex 1\n\ncheckpoint\n", id="not-ascii"),
    ],
)
def test_refuses_what_is_not_a_proof_file(text):
    with pytest.raises(MalformedProofFile):
        parse_tlog_proof(text.encode())


@given(st.binary(max_size=300))
def test_any_bytes_are_a_proof_file_or_a_clear_refusal(data):
    for candidate in (data, f"{HEADER}\n".encode() + data, f"{HEADER}\nindex 0\n".encode() + data):
        try:
            proof = parse_tlog_proof(candidate)
        except MalformedProofFile:
            continue
        assert encode_tlog_proof(proof) == candidate


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"index": -1}, id="negative-index"),
        pytest.param({"path": (bytes(31),)}, id="short-hash"),
        pytest.param({"path": (bytes(32),) * 65}, id="65-hashes"),
        pytest.param({"checkpoint": b""}, id="no-checkpoint"),
        pytest.param({"extra": bytes(60_000)}, id="extra-too-long"),
    ],
)
def test_refuses_to_write_a_proof_that_nobody_could_read(change):
    with pytest.raises(ValueError, match="can't be written"):
        encode_tlog_proof(replace(signed_proof(5, 300), **change))
