from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.inference.engine import ModelInput
from agents.inference.features import CONTEXT_IDS, FeatureHasher, FeatureParameters
from agents.inference.word_hashes import BYTES_PER_ID

PARAMETERS = FeatureParameters(buckets=1 << 14)


def ids(packed: bytes) -> list[int]:
    return list(memoryview(packed).cast("i"))


def text_ids(text: str, parameters: FeatureParameters = PARAMETERS) -> list[int]:
    return ids(FeatureHasher(parameters).text_ids([text])[0])


def test_ids_are_the_published_ones_so_that_every_process_and_machine_reads_a_model_alike():
    # crc32 of "word fee", "<fe", "fee", "ee>", "<fee", "fee>", each modulo 16383, plus one.
    assert text_ids("Fee") == [2277, 3421, 15844, 13680, 12406, 8264]


@given(st.text(max_size=200))
def test_ids_of_a_text_do_not_depend_on_what_was_read_before(text: str):
    used = FeatureHasher(PARAMETERS, cache_limit=3)
    for earlier in ("fee 12", text, "利息 interest", text[::-1], text):
        used.text_ids([earlier])
    assert ids(used.text_ids(["fee 12", text])[1]) == text_ids(text)


@given(st.text(st.characters(), max_size=2_000))
def test_every_text_gives_bounded_ids_inside_the_table(text: str):
    found = text_ids(text)
    assert len(found) <= PARAMETERS.id_limit
    assert all(0 < one < PARAMETERS.buckets for one in found)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param("BANK FEE", "bank fee", id="case"),
        pytest.param("Rechnung 4711", "Rechnung 1234", id="digits-of-a-number"),
        pytest.param("ＦＥＥ", "FEE", id="full-width-forms"),
        pytest.param("straße", "STRASSE", id="case-folding-of-sharp-s"),
        pytest.param("fee, charge", "fee\tcharge\x00", id="separators-and-controls"),
        pytest.param("ref AB12CD3456", "ref QX99ZZ0001", id="references"),
    ],
)
def test_reads_as_the_same(one: str, other: str):
    assert text_ids(one) == text_ids(other)


@pytest.mark.parametrize("text", ["", " \t\n", "---///", "\u200f\u202e", "\x00\x1b"])
def test_text_without_letters_or_digits_has_no_ids(text: str):
    assert text_ids(text) == []


def test_chinese_is_read_by_characters_and_pairs():
    whole, first, pair = text_ids("手续费"), text_ids("手"), text_ids("手续")
    assert set(first) <= set(pair) <= set(whole)
    assert len(whole) == 5


def test_a_text_beyond_the_limit_is_cut():
    assert text_ids("fee " * 127 + "fee " + "interest " * 10_000) == text_ids("fee " * 128)


def test_compatibility_forms_that_expand_are_cut_as_well():
    parameters = FeatureParameters(buckets=64, id_limit=10_000)
    # One character of 18: 512 of them would be 9,216.
    assert len(text_ids("\ufdfa" * 512, parameters)) < 3 * 512


def test_the_cache_stays_bounded():
    hasher = FeatureHasher(PARAMETERS, cache_limit=100)
    for i in range(1_000):
        hasher.text_ids(["".join(chr(ord("a") + int(digit)) for digit in str(i))])
        assert len(hasher._words) <= 100


@pytest.mark.parametrize("sign", ["CRDT", "DBIT", None, "nonsense"])
@pytest.mark.parametrize(
    "amount", [None, "0", "0.00001", "12.34", "100", "999999999999999999", "1e400", "NaN", "sNaN", "-5"]
)
def test_every_amount_and_sign_gives_the_same_number_of_ids(amount: str | None, sign: str | None):
    item = ModelInput("", None if amount is None else Decimal(amount), sign)
    packed = FeatureHasher(PARAMETERS).context_ids(item)
    assert len(packed) == CONTEXT_IDS * BYTES_PER_ID
    assert all(0 < one < PARAMETERS.buckets for one in ids(packed))


def test_sign_amount_and_silence_can_be_told_apart():
    hasher = FeatureHasher(PARAMETERS)
    items = [
        ModelInput(text, Decimal(amount), sign)
        for text in ("", "x")
        for amount in ("7", "7.5", "700")
        for sign in ("CRDT", "DBIT")
    ]
    assert len({hasher.context_ids(item) for item in items}) == len(items)


@pytest.mark.parametrize(
    "wrong",
    [
        {"buckets": 1},
        {"buckets": 8, "shortest_ngram": 5},
        {"buckets": 8, "text_limit": 0},
        {"buckets": 8, "id_limit": 0},
    ],
)
def test_refuses_parameters_no_model_can_have(wrong: dict[str, int]):
    with pytest.raises(ValueError, match="feature parameters"):
        FeatureParameters(**wrong)
