from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.inference.word_hashes import WordHasher

BUCKETS = 977
LIMIT = 12
ASCII_WORDS = st.lists(st.text(st.sampled_from("abcxyz0"), min_size=1, max_size=20), max_size=20)
RUNS = st.lists(st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FFF), min_size=1, max_size=12), max_size=9)


def ids(packed: bytes) -> list[int]:
    return list(memoryview(packed).cast("i"))


def hashed(*features: str) -> list[int]:
    """Ids by their definition, one checksum at a time."""
    return [1 + crc32(feature.encode()) % (BUCKETS - 1) for feature in features]


def word_features(word: str, shortest: int, longest: int) -> list[str]:
    marked = f"<{word[:LIMIT]}>"
    grams = [marked[i : i + n] for n in range(shortest, longest + 1) for i in range(len(marked) - n + 1)]
    return [f"word {word}", *grams]


@pytest.mark.parametrize(("shortest", "longest"), [(1, 1), (3, 4), (2, 9), (20, 20)])
@given(words=ASCII_WORDS)
def test_the_words_of_a_frame_have_the_ids_that_each_has_by_itself(words: list[str], shortest: int, longest: int):
    hasher = WordHasher(BUCKETS, shortest, longest)
    expected = [hashed(*word_features(word, shortest, longest)) for word in words]
    assert [ids(each) for each in hasher.ascii_words(words, LIMIT)] == expected
    assert [ids(hasher.word(word, LIMIT)) for word in words] == expected


@given(RUNS)
def test_ideographs_are_hashed_as_characters_and_pairs_by_turns(runs: list[str]):
    # The last character begins no pair.
    expected = [hashed(*[f for i in range(len(run)) for f in (run[i], run[i : i + 2])][:-1]) for run in runs]
    assert [ids(each) for each in WordHasher(BUCKETS, 3, 4).ideographs(runs)] == expected


def test_a_word_of_another_script_is_hashed_by_its_characters_not_its_bytes():
    assert ids(WordHasher(BUCKETS, 3, 3).word("füße", LIMIT)) == hashed("word füße", "<fü", "füß", "üße", "ße>")
