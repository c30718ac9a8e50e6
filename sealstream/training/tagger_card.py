"""The tagger's model card: scores, values that were never learnt, confidence against precision."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from agents.inference.extraction_scores import ExtractionDataset, ExtractionReport, LabelledText, compare
from agents.inference.text_model import TextAnswer, TextModel

_BATCH: Final = 64


def finds(model: TextModel, texts: Sequence[LabelledText]) -> list[tuple[float, bool]]:
    """Confidence of each find, and whether it is right."""
    found: list[tuple[float, bool]] = []
    for each, answer in zip(texts, answers(model, texts), strict=True):
        labels = {(label.kind, label.start, label.end) for label in each.labels}
        found += [(one.confidence, (one.kind, one.start, one.end) in labels) for one in answer.extracted]
    return found


def answers(model: TextModel, texts: Sequence[LabelledText]) -> list[TextAnswer]:
    """What a model finds in each text."""
    given: list[TextAnswer] = []
    for start in range(0, len(texts), _BATCH):
        given += model.answer(model.prepare([each.text for each in texts[start : start + _BATCH]]))
    return given


def reliability(model: TextModel, dataset: ExtractionDataset) -> Iterator[tuple[float, float, int]]:
    """Mean confidence, strict precision and number of finds, for each fifth of the finds by confidence."""
    found = sorted(finds(model, dataset.texts))
    share = -(-len(found) // 5)
    for first in range(0, len(found), max(share, 1)):
        part = found[first : first + share]
        yield sum(sure for sure, _ in part) / len(part), sum(right for _, right in part) / len(part), len(part)


def unseen_recall(model: TextModel, known: Iterable[LabelledText], dataset: ExtractionDataset) -> dict[str, str]:
    """Strict recall by kind of values that no known text holds, as `met/support`."""
    values = {each.text[label.start : label.end].lower() for each in known for label in each.labels}
    gold = [
        [label for label in each.labels if each.text[label.start : label.end].lower() not in values]
        for each in dataset.texts
    ]
    scores, _ = compare(gold, [each.extracted for each in answers(model, dataset.texts)], model.model.labels)
    return {each.kind: f"{each.strict.met}/{each.strict.support}" for each in scores}


def card(
    model: TextModel,
    report: ExtractionReport,
    training: ExtractionDataset,
    learnt: Sequence[LabelledText],
    testing: ExtractionDataset,
) -> str:
    """The card.

    Args:
        training: Presidio's sentences that it was trained on.
        learnt: All texts that it was trained on, made of those and of frames.
        testing: What `report` was measured on.
    """
    known = [*training.texts, *learnt]
    return _CARD.format(
        learnt=len(learnt),
        train_templates=len({each.group for each in training.texts}),
        test=len(testing.texts),
        test_templates=len({each.group for each in testing.texts}),
        table=report.table(),
        unseen=", ".join([f"{kind} {share}" for kind, share in unseen_recall(model, known, testing).items()]),
        reliability="\n".join(
            [f"| {sure:.2f} | {right:.2f} | {count} |" for sure, right, count in reliability(model, testing)]
        ),
    )


_CARD: Final = """# names_en: English names of persons, organisations and places, and addresses

The sentence encoder all-MiniLM-L6-v2 (Apache-2.0), fine-tuned with a head that tags each word; what is written in
capitals and where lines end goes in beside the words. Trained on {learnt} texts: {train_templates} templates of
Presidio's synthetic sentences (presidio-research, MIT) with most values replaced, and frames of our own (payments,
letters, news, forms, sentences without any name). Values are drawn from Faker (MIT), GeoNames' cities and countries
(geonames.org, CC BY 4.0) and rules. Measured on {test} sentences of {test_templates} other templates; no sentence's
frame is on both sides.

{table}

Strict recall of values that no training text holds: {unseen}.

The confidence is the smallest of the probabilities of a value's words and of its end, mapped by a logistic curve that
was fitted on a quarter of the training templates, with a model that was trained on the others. Confidence against
precision, by fifths of the finds on the test templates:

| mean confidence | precision (strict) | finds |
|---:|---:|---:|
{reliability}

**Synthetic data.** Templates are short and few, names are of many nations. The data labels an address in a sentence as
one value with its town and country, and one in lines beside a name part by part (number, street, part of the house and
code are each an ADDRESS, town and country LOCATIONs). The model does the same; which of the two is a guess from the
form of the text, and a wrong one spoils all parts at once. Organisations of one word and titles of films are mistaken
for persons and for each other. Expect less on real documents, and measure on your own before you rely on it.
NRP (nationalities) and job titles are not among its kinds, and a title (Mr, Dr) is no part of a name.
"""
