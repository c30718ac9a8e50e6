"""How well an extractor does on labelled texts: precision, recall and F1 of each kind. No data set is read here.

Two ways of matching stand beside each other. Strict: kind, start and end are those of the label. Overlap: the kind is,
and at least one code point is common; it says whether a value would have been noticed.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from agents.inference.text_model import Extracted, TextModel

_BATCH: Final = 64


@dataclass(frozen=True, slots=True)
class Label:
    """A value that is in a text, by its code points."""

    kind: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class LabelledText:
    """A text and all the values of the data set's kinds that are in it.

    Attributes:
        group: What it was made from: texts of one group belong on one side of a split.
    """

    text: str
    labels: tuple[Label, ...]
    group: str = ""


@dataclass(frozen=True, slots=True)
class ExtractionDataset:
    """Labelled texts.

    Attributes:
        kinds: What is labelled throughout; what a model finds of other kinds is neither right nor wrong.
    """

    name: str
    kinds: frozenset[str]
    texts: Sequence[LabelledText]


class Score(msgspec.Struct, frozen=True):
    """Counts of one way of matching.

    Attributes:
        right: Values found that are labels.
        found: Values found.
        met: Labels that were found.
        support: Labels.
    """

    right: int
    found: int
    met: int
    support: int

    @property
    def precision(self) -> float:
        """Share of what was found that is right; 0 when nothing was found."""
        return self.right / self.found if self.found else 0.0

    @property
    def recall(self) -> float:
        """Share of the labels that was found; 0 when there are none."""
        return self.met / self.support if self.support else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of both."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


class KindScore(msgspec.Struct, frozen=True):
    """How one kind was found, matched in both ways."""

    kind: str
    strict: Score
    overlap: Score


class ExtractionReport(msgspec.Struct, frozen=True):
    """An evaluation's outcome.

    Attributes:
        model: `name@version`.
        texts: How many there were.
        kinds: Those that are labelled and that the model knows, by name.
        overall: All of them together, kind `*`.
        unlabelled: How many values the model found of kinds that the data set has no labels for.
    """

    model: str
    dataset: str
    texts: int
    kinds: tuple[KindScore, ...]
    overall: KindScore
    unlabelled: int

    def of(self, kind: str) -> KindScore:
        """The scores of a kind.

        Raises:
            KeyError: The data set or the model does not have it.
        """
        return {each.kind: each for each in self.kinds}[kind]

    def table(self) -> str:
        """A Markdown table; the overlap columns are the last three."""
        head = "| kind | support | found | precision | recall | F1 | overlap P | overlap R | overlap F1 |"
        return "\n".join([head, "|---|" + "---:|" * 8, *map(_row, self.kinds), _row(self.overall)])


def evaluate_extraction(model: TextModel, dataset: ExtractionDataset) -> ExtractionReport:
    """Have a model read every text and compare.

    Raises:
        InferenceFailed: The model failed on a batch.
    """
    answers: list[Sequence[Extracted]] = []
    for start in range(0, len(dataset.texts), _BATCH):
        batch = [each.text for each in dataset.texts[start : start + _BATCH]]
        answers += [each.extracted for each in model.answer(model.prepare(batch))]
    gold = [each.labels for each in dataset.texts]
    identity = model.model
    compared = dataset.kinds & set(identity.labels)
    unlabelled = sum(each.kind not in dataset.kinds for found in answers for each in found)
    kinds, overall = compare(gold, answers, compared)
    return ExtractionReport(f"{identity.name}@{identity.version}", dataset.name, len(gold), kinds, overall, unlabelled)


def compare(
    gold: Iterable[Sequence[Label]], found: Iterable[Sequence[Extracted]], kinds: Iterable[str]
) -> tuple[tuple[KindScore, ...], KindScore]:
    """Scores by kind, and of all kinds together.

    Args:
        gold: The labels of each text.
        found: What was found in each text, same order.
    """
    names = sorted(kinds)
    counts: Counter[tuple[str, str]] = Counter()
    for labels, values in zip(gold, found, strict=True):
        for kind in names:
            _count(
                counts,
                kind,
                [(each.start, each.end) for each in labels if each.kind == kind],
                [(each.start, each.end) for each in values if each.kind == kind],
            )
    scores = tuple(
        KindScore(kind, _score(counts, kind, "strict", "strict"), _score(counts, kind, "right", "met"))
        for kind in names
    )
    return scores, KindScore("*", _sum([each.strict for each in scores]), _sum([each.overlap for each in scores]))


def _count(
    counts: Counter[tuple[str, str]], kind: str, gold: Sequence[tuple[int, int]], found: Sequence[tuple[int, int]]
) -> None:
    counts[kind, "support"] += len(gold)
    counts[kind, "found"] += len(found)
    counts[kind, "strict"] += len(set(gold) & set(found))
    counts[kind, "right"] += sum(any(_overlap(each, other) for other in gold) for each in found)
    counts[kind, "met"] += sum(any(_overlap(each, other) for other in found) for each in gold)


def _overlap(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[0] < other[1] and other[0] < one[1]


def _score(counts: Counter[tuple[str, str]], kind: str, right: str, met: str) -> Score:
    return Score(counts[kind, right], counts[kind, "found"], counts[kind, met], counts[kind, "support"])


def _sum(scores: Sequence[Score]) -> Score:
    return Score(
        sum(each.right for each in scores),
        sum(each.found for each in scores),
        sum(each.met for each in scores),
        sum(each.support for each in scores),
    )


def _row(each: KindScore) -> str:
    strict, overlap = each.strict, each.overlap
    figures = (
        strict.precision, strict.recall, strict.f1, overlap.precision, overlap.recall, overlap.f1
    )  # fmt: skip
    shown = " | ".join([f"{figure:.3f}" for figure in figures])
    return f"| {each.kind} | {strict.support} | {strict.found} | {shown} |"
