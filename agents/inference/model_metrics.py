"""What was measured of a model: `metrics.json` in its directory, under its digest. `sealstream.training` measures."""

from typing import Final

import msgspec

METRICS_NAME: Final = "metrics.json"


class ModelMetrics(msgspec.Struct, frozen=True, kw_only=True):
    """Figures of a classifier on a test set. What was not measured is None.

    Attributes:
        dataset: Its name and part, for example `banking77 test`.
        examples: How many.
        accuracy: Share of right labels, abstentions counted by their most probable label.
        macro_f1: Mean F1 over the labels.
        ece: Expected calibration error over 15 bins.
        coverage: Share of examples that it did not abstain on.
        covered_accuracy: Accuracy among those.
        size_bytes: Of the model's files.
        latency_us_median: CPU time of one text alone, prepared and answered.
        throughput_us: CPU time for each text when all are given together.
    """

    dataset: str
    examples: int
    accuracy: float
    macro_f1: float
    ece: float
    coverage: float
    covered_accuracy: float
    size_bytes: int
    latency_us_median: float | None = None
    throughput_us: float | None = None
