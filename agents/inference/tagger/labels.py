"""Words' labels (IOB2) and the spans that they mean."""

from collections.abc import Iterator, Sequence
from typing import Final

from agents.inference.extraction_scores import Label
from agents.inference.tagger.tokens import Word

OUTSIDE: Final = "O"


def to_labels(words: Sequence[Word], spans: Sequence[Label]) -> list[str]:
    """The label of each word; one that a span covers in part belongs to it."""
    labels = [OUTSIDE] * len(words)
    for span in spans:
        begun = False
        for at, word in enumerate(words):
            if word.start < span.end and span.start < word.end:
                labels[at] = f"{'I' if begun else 'B'}-{span.kind}"
                begun = True
    return labels


def to_runs(labels: Sequence[str]) -> Iterator[tuple[str, int, int]]:
    """Kind, first word, and one after the last word, of each value; an `I` that nothing began begins one."""
    start, kind = 0, ""
    for at, label in enumerate([*labels, OUTSIDE]):
        name = label[2:]
        if kind and (label[0] != "I" or name != kind):
            yield kind, start, at
            kind = ""
        if name and not kind:
            start, kind = at, name
