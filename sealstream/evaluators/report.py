"""Scores of a classifier as tables: support and F1 of each class, averages beside baselines. No model, no data."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# Below this many examples an F1 is an anecdote: such classes are named with their counts and kept out of averages.
SMALLEST_SUPPORT = 5


@dataclass(frozen=True, slots=True)
class ClassScore:
    """Counts of one class.

    Attributes:
        support: Examples whose gold label it is.
        predicted: Examples that were given this label.
        correct: Examples that are both.
    """

    support: int
    predicted: int
    correct: int

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 0 when nothing was correct."""
        return 2 * self.correct / (self.support + self.predicted) if self.correct else 0.0


@dataclass(frozen=True, slots=True)
class Scores:
    """How predictions compare with gold labels, one score for each label that occurs in either."""

    classes: Mapping[str, ClassScore]

    @property
    def examples(self) -> int:
        """How many examples were scored."""
        return sum(score.support for score in self.classes.values())

    @property
    def accuracy(self) -> float:
        """Share of correct predictions; 0 without examples."""
        return sum(score.correct for score in self.classes.values()) / max(self.examples, 1)

    @property
    def averaged(self) -> tuple[str, ...]:
        """Classes with at least `SMALLEST_SUPPORT` examples, the ones a macro average is taken over."""
        return tuple(name for name, score in self.classes.items() if score.support >= SMALLEST_SUPPORT)

    @property
    def macro_f1(self) -> float:
        """Mean F1 over `averaged`; 0 when it is empty."""
        return sum(self.classes[name].f1 for name in self.averaged) / max(len(self.averaged), 1)


def score(gold: Sequence[str], predicted: Sequence[str]) -> Scores:
    """Compare two sequences of labels of the same length."""
    support, given = Counter(gold), Counter(predicted)
    correct = Counter(g for g, p in zip(gold, predicted, strict=True) if g == p)
    names = sorted(support | given, key=lambda name: (-support[name], name))
    return Scores({name: ClassScore(support[name], given[name], correct[name]) for name in names})


def class_table(scores: Scores) -> str:
    """Support, precision, recall and F1 of every class with enough examples; then the others by name, as Markdown."""
    lines = ["| kind | support | precision | recall | F1 |", "| --- | ---: | ---: | ---: | ---: |"]
    for name in scores.averaged:
        one = scores.classes[name]
        precision = one.correct / one.predicted if one.predicted else 0.0
        lines.append(f"| {name} | {one.support} | {precision:.2f} | {one.correct / one.support:.2f} | {one.f1:.2f} |")
    few = [
        f"{name} {one.correct} of {one.support}"
        for name, one in scores.classes.items()
        if 0 < one.support < SMALLEST_SUPPORT
    ]
    never = [f"{name} {one.predicted}" for name, one in scores.classes.items() if not one.support]
    text = "\n".join(lines)
    if few:
        text += f"\n\nToo few to average (under {SMALLEST_SUPPORT}), correct of support: {', '.join(few)}."
    if never:
        text += f"\n\nGiven although no entry has it: {', '.join(never)}."
    return text


def comparison_table(rows: Mapping[str, Scores]) -> str:
    """Accuracy and macro-F1 of several predictors or parts, one a row, as Markdown."""
    lines = ["| | entries | accuracy | macro-F1 | over kinds |", "| --- | ---: | ---: | ---: | ---: |"]
    lines += [
        f"| {name} | {scores.examples} | {scores.accuracy:.3f} | {scores.macro_f1:.3f} | {len(scores.averaged)} |"
        for name, scores in rows.items()
    ]
    return "\n".join(lines)
