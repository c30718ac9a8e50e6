"""The model card of a text classifier, and the published figures that stand beside its own."""

from typing import Final

from agents.inference.model_directory import ModelManifest
from agents.inference.model_metrics import ModelMetrics

PUBLISHED: Final = (
    ("USE, fixed, with a head (Casanueva et al. 2020)", "84.23 %", ""),
    ("ConveRT, fixed, with a head (Casanueva et al. 2020)", "83.32 %", ""),
    ("USE and ConveRT, fixed, with a head (Casanueva et al. 2020)", "85.19 %", ""),
    ("RoBERTa, tuned (Zhang et al., EMNLP 2020)", "84.27 %", ""),
    ("BGE-small-en, fixed, with a linear SVM (public model card)", "", "93.08 %"),
    ("BGE-small-en, tuned (public model card)", "", "92.47 %"),
)
"""Accuracy on banking77's test set: trained on ten examples for each label, and on the whole training set. Casanueva et
al., "Efficient Intent Detection with Dual Sentence Encoders", NLP4ConvAI 2020; Zhang et al., "Discriminative Nearest
Neighbor Few-Shot Intent Detection", EMNLP 2020."""


def card(manifest: ModelManifest, metrics: ModelMetrics, few: float, held_out: int, target: float) -> str:
    """The card as Markdown."""
    head = manifest.settings["head"]
    alone = " Examples were English alone: nothing is measured in the others." if len(manifest.languages) > 1 else ""
    published = "\n".join(f"| {' | '.join(row)} |" for row in PUBLISHED)
    return f"""# {manifest.name} {manifest.version}

Tells which of {len(manifest.labels)} things a customer of a bank wants. Family `{manifest.family}`: logistic regression
on the vectors of a sentence encoder that was not changed. Languages: {", ".join(manifest.languages) or "many"}.{alone}

Trained on banking77's training set (Casanueva et al. 2020, CC BY 4.0), temperature and threshold found on
{held_out:,} examples of it that a first head had not seen. Temperature {head["temperature"]:.3f}; it abstains below
{head["threshold"]:.3f}, chosen for an accuracy of {target:.0%} among the others.

## Measured on {metrics.dataset}, {metrics.examples:,} examples

{metrics_table({f"{manifest.name} {manifest.version}": metrics})}

## Beside published figures

Accuracy on the same test set. Ten examples: a mean over draws of our own for this model, and what authors report for
the others.

| | ten examples a label | whole training set |
| --- | ---: | ---: |
| this model | {few:.2%} | {metrics.accuracy:.2%} |
{published}

## Where it fails

It knows no other label than these and nothing outside of banking: such a text gets a label all the same, mostly with
a confidence below the threshold. Labels of banking77 overlap, and some of its examples are labelled wrongly. Texts
are cut after the encoder's limit.
"""


def metrics_table(rows: dict[str, ModelMetrics]) -> str:
    """Metrics side by side, as Markdown; times are CPU times of one run."""
    lines = [
        "| | accuracy | macro-F1 | ECE | coverage | accuracy of covered | MB | µs alone | µs each, together |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {name} | {one.accuracy:.2%} | {one.macro_f1:.4f} | {one.ece:.4f} | {one.coverage:.1%} "
        f"| {one.covered_accuracy:.2%} | {one.size_bytes / 1e6:.1f} | {_number(one.latency_us_median)} "
        f"| {_number(one.throughput_us)} |"
        for name, one in rows.items()
    ]
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"
