"""The English tagger: tokens and their places, windows, tags and spans, on a graph in miniature."""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("tokenizers", reason="needs the extra `text`")

from agents.inference.engine import InferenceFailed
from agents.inference.extraction_scores import Label
from agents.inference.families import open_text_model
from agents.inference.model_directory import write_directory
from agents.inference.onnx_encoder import TOKENIZER_FILE
from agents.inference.tagger.decoding import best_tags, decode
from agents.inference.tagger.graph import GRAPH_FILE
from agents.inference.tagger.labels import to_runs, to_tags
from agents.inference.tagger.model import OVERLAP, WINDOW, Calibration
from agents.inference.tagger.tokens import CONTINUES, MOST_TOKENS, TaggerTokens, rows
from agents.inference.tagger.windows import windows
from agents.inference.text_model import DeviceFailed, PreparedText, TextModel
from schemas.errors import ConfigurationError
from tests.support import tiny_tagger as tiny


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> TextModel:
    path = tmp_path_factory.mktemp("models") / "names"
    write_directory(path, tiny.manifest(), tiny.files())
    return open_text_model(path)


@pytest.fixture(scope="module")
def tokens() -> TaggerTokens:
    return TaggerTokens(tiny.tokenizer_json())


def found(model: TextModel, text: str) -> list[tuple[str, str]]:
    (answer,) = model.answer(model.prepare([text]))
    return [(each.kind, text[each.start : each.end]) for each in answer.extracted]


def test_a_value_goes_from_its_first_word_to_its_last(model: TextModel) -> None:
    assert found(model, "Pay Anna  BERG, in Oslo Bay.") == [("PERSON", "Anna  BERG"), ("LOCATION", "Oslo Bay")]


def test_a_word_of_several_tokens_is_one_word(model: TextModel) -> None:
    assert found(model, "Annason in Oslo") == [("PERSON", "Annason"), ("LOCATION", "Oslo")]


@pytest.mark.parametrize("before", ["😀𝒳\n", "\u200b", "e\u0301 ", "שלום \u202e", "\x00\x00", "\ud800 ", "İ", "ﷺ "])
def test_spans_are_those_of_code_points(model: TextModel, before: str) -> None:
    (answer,) = model.answer(model.prepare([f"{before} Anna Berg"]))
    start = len(before) + 1
    assert [(each.start, each.end) for each in answer.extracted] == [(start, start + 9)]


def test_an_invisible_character_hides_no_name(model: TextModel) -> None:
    assert found(model, "pay An\u200bna Berg") == [("PERSON", "An\u200bna Berg")]


def test_marks_of_the_encoder_in_a_text_are_characters_like_others(model: TextModel) -> None:
    assert found(model, "[SEP] Anna[CLS] [MASK] in [PAD] Oslo") == [("PERSON", "Anna"), ("LOCATION", "Oslo")]


def test_names_far_into_a_long_text_have_their_own_places(model: TextModel) -> None:
    filling = "in pay " * 300
    text = f"{filling}Anna Berg {filling}Oslo Bay {filling}"
    (answer,) = model.answer(model.prepare([text]))
    assert [(each.start, each.end) for each in answer.extracted] == [
        (len(filling), len(filling) + 9),
        (2 * len(filling) + 10, 2 * len(filling) + 18),
    ]


def test_a_text_of_signs_alone_is_read_up_to_a_bound(tokens: TaggerTokens) -> None:
    (prepared,) = tokens.prepare(["." * (MOST_TOKENS + 100)])
    assert (prepared.tokens, rows(prepared).shape) == (MOST_TOKENS, (4, MOST_TOKENS))


def test_a_name_on_the_edge_of_a_window_is_whole(model: TextModel) -> None:
    for words in range(WINDOW - OVERLAP, WINDOW + 2):
        assert found(model, f"{'pay ' * words}Anna Berg{' pay' * 300}") == [("PERSON", "Anna Berg")]


def test_texts_of_a_batch_keep_their_order_whatever_their_lengths(model: TextModel) -> None:
    texts = ["", "Anna", "pay " * 600 + "Oslo", "in", "Oslo Bay"]
    answers = model.answer(model.prepare(texts))
    assert [[each.kind for each in answer.extracted] for answer in answers] == [
        [],
        ["PERSON"],
        ["LOCATION"],
        [],
        ["LOCATION"],
    ]
    assert model.answer([]) == []


def test_threads_that_answer_at_the_same_time_get_their_own_answers(model: TextModel) -> None:
    texts = ["pay " * count + ("Anna Berg" if count % 2 else "Oslo Bay") for count in range(40)]
    with ThreadPoolExecutor(4) as threads:
        given = list(threads.map(lambda text: found(model, text), texts * 5))
    assert given == [found(model, text) for text in texts] * 5


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n ",
        "\x00",
        "\u200b",
        "a" * 10_000,
        "١" * 500,
        "שלום",
        "汇款",
        "\ud800",
        "\udfff\ud800",
        "\u202e\u2066אנה Anna",
    ],
)
def test_odd_texts_have_an_answer(model: TextModel, text: str) -> None:
    (answer,) = model.answer(model.prepare([text]))
    assert all(0 <= each.start < each.end <= len(text) for each in answer.extracted)


@given(st.text(st.characters(), max_size=300))
def test_any_text_is_cut_into_words_in_order_with_places_inside_of_it(text: str) -> None:
    (prepared,) = TaggerTokens(tiny.tokenizer_json()).prepare([text])
    _, shapes, starts, ends = rows(prepared)
    words = np.flatnonzero(shapes != CONTINUES)
    spans = list(zip(starts[words].tolist(), ends[words].tolist(), strict=True))
    assert all(0 <= start <= end <= len(text) for start, end in spans)
    assert all(one[1] <= other[0] for one, other in pairwise(spans))
    assert prepared.tokens == max(1, len(shapes))


def test_how_a_word_is_written_and_what_stands_before_it_is_kept(tokens: TaggerTokens) -> None:
    (plain, *others) = [
        rows(each)[1, -1] for each in tokens.prepare(["in Anna", "in anna", "in ANNA", "in  Anna", "in\nAnna", "(Anna"])
    ]
    assert plain not in others
    assert len(set(others)) == len(others)


def test_confidence_is_the_smallest_probability_of_the_words_calibrated(model: TextModel) -> None:
    (answer,) = model.answer(model.prepare(["pay Anna Berg"]))
    assert 0.5 < answer.extracted[0].confidence < 1.0


@given(st.integers(0, 3000), st.integers(3, 300), st.data())
def test_windows_keep_each_token_once_with_something_on_both_sides(
    tokens: int, longest: int, data: st.DataObject
) -> None:
    overlap = data.draw(st.integers(0, (longest - 1) // 2))
    cuts = list(windows(tokens, longest, overlap))
    assert [at for cut in cuts for at in range(cut.kept_from, cut.kept_to)] == list(range(tokens))
    for cut in cuts:
        assert 0 < cut.end - cut.start <= longest
        assert cut.start == 0 or cut.kept_from - cut.start >= overlap // 2
        assert cut.end == tokens or cut.end - cut.kept_to >= overlap // 2


TAGS = st.lists(st.integers(0, 4), max_size=30)


@given(TAGS)
def test_runs_never_overlap_and_cover_every_word_that_has_a_tag(tags: list[int]) -> None:
    covered = [at for _, start, end in to_runs(tags) for at in range(start, end)]
    assert covered == [at for at, tag in enumerate(tags) if tag]


def test_tags_give_back_the_spans_they_were_made_of() -> None:
    words = [(0, 3), (4, 7), (8, 11), (11, 12), (13, 16), (17, 20)]
    spans = [Label("A", 4, 11), Label("B", 13, 16), Label("B", 17, 20), Label("OTHER", 0, 3)]
    tags = to_tags(words, spans, ("A", "B"))
    assert tags == [0, 1, 2, 0, 3, 3]
    assert [(kind, words[start][0], words[end - 1][1]) for kind, start, end in to_runs(tags)] == [
        (0, 4, 11),
        (1, 13, 16),
        (1, 17, 20),
    ]


def logarithms(*probable: dict[int, float]) -> np.ndarray:
    return np.log(np.array([[each.get(tag, 0.001) for tag in range(5)] for each in probable], dtype=np.float32))


def test_nothing_goes_on_without_a_beginning_and_the_most_probable_way_wins() -> None:
    assert best_tags(logarithms({0: 0.6, 1: 0.4}, {2: 0.9, 0: 0.1})) == [1, 2]
    assert best_tags(logarithms({0: 0.9, 1: 0.01}, {2: 0.5, 1: 0.4})) == [0, 1]
    assert best_tags(logarithms({1: 0.9}, {4: 0.6, 2: 0.3})) == [1, 2]


@given(st.lists(st.lists(st.floats(0.001, 1.0), min_size=5, max_size=5), min_size=1, max_size=12))
def test_the_best_tags_may_follow_each_other(table: list[list[float]]) -> None:
    tags = best_tags(np.log(np.array(table, dtype=np.float32)))
    assert len(tags) == len(table)
    assert all(not tag or tag % 2 or before in (tag, tag - 1) for before, tag in pairwise([0, *tags]))


def test_a_value_is_as_probable_as_its_least_probable_word_and_its_end() -> None:
    (run,) = decode(logarithms({1: 0.9}, {2: 0.7}, {0: 0.9}))
    assert (run.kind, run.start, run.end, round(run.probability, 3)) == (0, 0, 2, 0.7)
    (run,) = decode(logarithms({1: 0.9}, {0: 0.6, 2: 0.4}))
    assert (run.end, round(run.probability, 3)) == (1, 0.6)


def test_a_calibration_keeps_the_order_and_takes_certainty() -> None:
    curve = Calibration(0.5, -1.0)
    values = [curve(each) for each in (0.0, 0.2, 0.5, 0.9, 1.0)]
    assert values == sorted(values)
    assert 0.0 < values[0] < values[-1] < 1.0
    assert round(values[2], 3) == 0.269


def test_what_was_prepared_for_another_model_is_refused(model: TextModel) -> None:
    ids = np.array([9_999, 1, 0, 2], dtype=np.int32)
    for packed in (ids[:3].tobytes(), ids.tobytes()):
        with pytest.raises(InferenceFailed):
            model.answer([PreparedText("in", packed, 1)])


@pytest.mark.parametrize("cut", [slice(0, 0), slice(0, 40), slice(0, -1), slice(1, None)])
@pytest.mark.parametrize("name", ["graph", "tokenizer"])
def test_a_damaged_file_is_refused_even_under_a_manifest_that_names_it(tmp_path: Path, cut: slice, name: str) -> None:
    whole = {"graph": tiny.graph_onnx(), "tokenizer": tiny.tokenizer_json()}[name]
    write_directory(tmp_path, tiny.manifest(), tiny.files(**{name: whole[cut]}))
    with pytest.raises(ConfigurationError, match=r"release|again"):
        open_text_model(tmp_path)


@pytest.mark.parametrize("name", [GRAPH_FILE, TOKENIZER_FILE])
def test_a_model_without_one_of_its_files_is_refused(tmp_path: Path, name: str) -> None:
    files = tiny.files()
    del files[name]
    write_directory(tmp_path, tiny.manifest(), files)
    with pytest.raises(ConfigurationError, match=name):
        open_text_model(tmp_path)


@pytest.mark.parametrize("settings", [{}, {"calibration": None}, {"calibration": {"scale": "a", "shift": 0.0}}])
def test_a_model_without_a_calibration_is_refused(tmp_path: Path, settings: dict[str, object]) -> None:
    write_directory(tmp_path, tiny.manifest(settings=settings), tiny.files())
    with pytest.raises(ConfigurationError, match="calibration"):
        open_text_model(tmp_path)


def test_a_model_of_other_labels_is_refused(tmp_path: Path) -> None:
    write_directory(tmp_path, tiny.manifest(labels=("PERSON", "LOCATION", "TOWN")), tiny.files())
    with pytest.raises(ConfigurationError, match="labels"):
        open_text_model(tmp_path)


@pytest.mark.parametrize("spoiled", [{"spoil": True}, {"drop_rows": True}])
def test_a_graph_that_gives_no_probabilities_is_refused_before_it_works(
    tmp_path: Path, spoiled: dict[str, bool]
) -> None:
    write_directory(tmp_path, tiny.manifest(), tiny.files(graph=tiny.graph_onnx(**spoiled)))
    with pytest.raises(ConfigurationError, match="probabilities"):
        open_text_model(tmp_path)


def test_scores_that_are_no_numbers_are_the_devices_fault(model: TextModel, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def run(self, _names: object, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
            return [np.full((*inputs["input_ids"].shape, 5), np.nan, dtype=np.float32)]

    monkeypatch.setattr(model._graph, "_session", Broken())  # type: ignore[attr-defined]
    with pytest.raises(DeviceFailed):
        model.answer(model.prepare(["Anna"]))
