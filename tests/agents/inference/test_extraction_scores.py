"""Precision, recall and F1 of extractors, against counts made by hand."""

from collections.abc import Sequence

from agents.inference.engine import ModelIdentity
from agents.inference.extraction_scores import ExtractionDataset, Label, LabelledText, compare, evaluate_extraction
from agents.inference.text_model import Extracted, PreparedText, TextAnswer


class Fixed:
    """A model that finds what it was told to, by text."""

    def __init__(self, finds: dict[str, tuple[Extracted, ...]]) -> None:
        self._finds = finds
        self.model = ModelIdentity("fixed", "1", "", ("A", "B", "C"))

    def prepare(self, texts: Sequence[str]) -> list[PreparedText]:
        return [PreparedText(text, b"", 1) for text in texts]

    def answer(self, texts: Sequence[PreparedText]) -> list[TextAnswer]:
        return [TextAnswer(extracted=self._finds.get(each.text, ())) for each in texts]


def test_strict_needs_the_exact_span_and_overlap_a_common_code_point() -> None:
    gold = [[Label("A", 0, 4), Label("A", 10, 14), Label("A", 20, 24)]]
    found = [[Extracted("A", 0, 4, 1.0), Extracted("A", 12, 16, 1.0), Extracted("A", 24, 28, 1.0)]]
    ((score,), _) = compare(gold, found, ["A"])
    assert (score.strict.right, score.strict.found, score.strict.support) == (1, 3, 3)
    assert (score.overlap.right, score.overlap.met) == (2, 2)
    assert round(score.strict.f1, 3) == 0.333
    assert round(score.overlap.f1, 3) == 0.667


def test_a_value_of_another_kind_is_wrong_for_one_and_missing_for_the_other() -> None:
    (a, b), overall = compare([[Label("A", 0, 4)]], [[Extracted("B", 0, 4, 1.0)]], ["A", "B"])
    assert (a.strict.recall, b.strict.precision, overall.strict.f1) == (0.0, 0.0, 0.0)
    assert (overall.strict.found, overall.strict.support) == (1, 1)


def test_one_long_find_meets_two_labels_and_is_right_once() -> None:
    ((score,), _) = compare([[Label("A", 0, 2), Label("A", 3, 5)]], [[Extracted("A", 0, 5, 1.0)]], ["A"])
    assert (score.overlap.precision, score.overlap.recall) == (1.0, 1.0)
    assert (score.overlap.right, score.overlap.met) == (1, 2)


def test_kinds_that_the_data_do_not_label_are_counted_apart() -> None:
    dataset = ExtractionDataset("d", frozenset({"A", "Z"}), [LabelledText("x", (Label("A", 0, 1),))] * 65)
    model = Fixed({"x": (Extracted("A", 0, 1, 1.0), Extracted("C", 1, 2, 1.0))})
    report = evaluate_extraction(model, dataset)
    assert [each.kind for each in report.kinds] == ["A"]
    assert (report.texts, report.unlabelled, report.overall.strict.f1) == (65, 65, 1.0)
    assert report.table().splitlines()[2].startswith("| A | 65 | 65 | 1.000 |")
