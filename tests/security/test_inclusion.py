import base64
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import VerificationFailed
from security.inclusion import InclusionChecker
from security.merkle import MalformedProof, RootMismatch, WrongProofLength, leaf_hash, root_and_paths


def text(path: list[bytes]) -> list[str]:
    return [base64.b64encode(node).decode() for node in path]


def tree(size: int) -> tuple[list[bytes], bytes, list[list[str]]]:
    leaves = [leaf_hash(b"%d" % n) for n in range(size)]
    root, paths = root_and_paths(leaves)
    return leaves, root, [text(path) for path in paths]


@pytest.mark.parametrize("size", [*range(1, 34), 63, 64, 65, 200, 256])
@pytest.mark.parametrize("order", ["forwards", "backwards", "shuffled", "twice"])
def test_every_leaf_passes_in_any_order(size, order):
    leaves, root, paths = tree(size)
    indexes = list(range(size))
    if order == "shuffled":
        random.Random(size).shuffle(indexes)
    elif order == "backwards":
        indexes.reverse()
    elif order == "twice":
        indexes = [index for index in indexes for _ in range(2)]
    checker = InclusionChecker(root, size)
    for index in indexes:
        checker.check(leaves[index], index, paths[index])


def verdict(checker: InclusionChecker, leaf: bytes, index: int, path: list[str]) -> type[Exception] | None:
    try:
        checker.check(leaf, index, path)
    except VerificationFailed as exc:
        return type(exc)
    return None


@given(
    size=st.integers(1, 40),
    seed=st.randoms(use_true_random=False),
    damage=st.sampled_from(["leaf", "index", "entry", "swap", "cut", "grow", "foreign", "none"]),
)
def test_what_was_checked_before_never_changes_a_verdict(size, seed, damage):
    leaves, root, paths = tree(size)
    before = InclusionChecker(root, size)
    for _ in range(seed.randrange(4)):
        index = seed.randrange(size)
        before.check(leaves[index], index, paths[index])
    for _ in range(6):
        index = seed.randrange(size)
        leaf, path = leaves[index], list(paths[index])
        at = seed.randrange(len(path)) if path else 0
        if damage == "leaf":
            leaf = seed.choice([leaf_hash(b"x"), seed.choice(leaves)])
        elif damage == "index":
            index = seed.randrange(-1, size + 2)
        elif damage == "entry" and path:
            path[at] = seed.choice([text([leaf_hash(b"x")])[0], path[at][:-1], path[at][:-2] + "B=", "", "é" * 44])
        elif damage == "swap" and path:
            path[at] = text([seed.choice(leaves)])[0]
        elif damage == "cut":
            path = path[:at]
        elif damage == "grow":
            path.insert(at, text([leaf_hash(b"x")])[0])
        elif damage == "foreign":
            path = list(seed.choice(paths))
        assert verdict(before, leaf, index, path) is verdict(InclusionChecker(root, size), leaf, index, path)


def test_each_refusal_says_what_is_wrong():
    leaves, root, paths = tree(5)
    cases = [
        (leaves[0], 5, paths[0], MalformedProof),
        (leaves[0], -1, paths[0], MalformedProof),
        (leaves[0], 0, paths[0][:-1], WrongProofLength),
        (leaves[0], 0, [*paths[0], paths[0][0]], WrongProofLength),
        (leaves[1], 0, paths[0], RootMismatch),
        (leaves[0], 0, [paths[0][0], paths[0][1], paths[0][0]], RootMismatch),
        (leaves[0], 0, [paths[0][0], paths[0][1], "AA=="], MalformedProof),
        (leaves[0], 0, [paths[0][0], paths[0][1], "not base64"], MalformedProof),
        (leaves[0], 0, [paths[0][0], paths[0][1], paths[0][2][:-2] + "z="], MalformedProof),
    ]
    for warm in (False, True):
        for leaf, index, path, expected in cases:
            checker = InclusionChecker(root, 5)
            if warm:
                checker.check(leaves[1], 1, paths[1])
            assert verdict(checker, leaf, index, path) is expected
