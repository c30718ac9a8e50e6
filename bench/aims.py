"""What the measurements should come to, figure by figure. The parts measure; whether it is enough is said here."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal


@dataclass(frozen=True, slots=True)
class Aim:
    """A bound for one figure.

    Attributes:
        figure: Its name in `Findings.figures`.
        part: Which part measures it.
        what: For the report.
        unit: Follows the number, such as `x` or ` ms`.
    """

    figure: str
    part: str
    what: str
    bound: Literal["at least", "at most"]
    value: float
    unit: str = "x"

    def met(self, measured: float) -> bool:
        """Whether a measured value is good enough."""
        return measured >= self.value if self.bound == "at least" else measured <= self.value


AIMS: Final = (
    Aim("ours/reference", "throughput", "this pipeline over the reference loop, 2 processes", "at least", 0.8),
    Aim("ours/faust_documented", "throughput", "… over stock Faust as documented", "at least", 8),
    Aim("ours/faust_take", "throughput", "… over stock Faust at its best, `take` batches", "at least", 1.5),
    Aim("ours/quix", "throughput", "… over hand-tuned Quix Streams", "at least", 1),
    Aim("ours", "throughput", "individually signed transactions, 2 processes", "at least", 7_000, "/s"),
    Aim("batches", "throughput", "… attested in batches of 256", "at least", 10_000, "/s"),
    Aim("batches/single", "throughput", "… over individually signed ones, end to end", "at least", 1.4),
    Aim("encryption", "throughput", "share of encryption in the whole pipeline's CPU", "at most", 0.2, ""),
    Aim("frames/faust", "transport", "frames over stock Faust, signed records", "at least", 20),
    Aim("frames/faust bare", "transport", "… payloads without headers", "at least", 20),
    Aim("frames/quix", "transport", "frames over Quix Streams, signed records", "at least", 3),
    Aim("frames/quix bare", "transport", "… payloads without headers", "at least", 3),
    Aim("frames_p99/aiokafka_p99", "transport", "p99 of frames over raw aiokafka's, 5,000/s", "at most", 1.5),
    Aim("half_p50", "latency", "append to commit at half of capacity, p50", "at most", 8, " ms"),
    Aim("half_p99", "latency", "append to commit at half of capacity, p99", "at most", 20, " ms"),
    Aim("new_p99", "latency", "append to commit at 1 record a second, p99 of the first minute", "at most", 12, " ms"),
    Aim("one_p99", "latency", "… after it", "at most", 12, " ms"),
    Aim("last/first", "backlog", "rate of the last tenth of a backlog over the first", "at least", 0.9),
    Aim("rss", "backlog", "largest worker RSS over the whole backlog", "at most", 400, " MB"),
    Aim("classify", "steps", "deciding a transaction's kind inline", "at most", 15, " µs"),
    Aim("aes-256-gcm four fields", "trust", "sealing four fields with commitments", "at most", 25, " µs"),
    Aim("aes-256-gcm evidence", "trust", "sealing 1,000 bytes of evidence", "at most", 5, " µs"),
    Aim("one_p99", "search", "search by blind term, one record, p99", "at most", 20, " ms"),
    Aim("shared_p99", "search", "… a value that many share, newest 20, p99", "at most", 20, " ms"),
    Aim("leaves", "log", "leaves committed by two processes and sequenced, durable", "at least", 30_000, "/s"),
    Aim("lag_p99", "log", "from a commit to its place in the log, p99", "at most", 100, " ms"),
    Aim("look_p99", "log", "a look by one of 50 readers at a time, durable, p99", "at most", 10, " ms"),
    Aim("log_share", "log", "the log's share of the pipeline's CPU", "at most", 0.12, ""),
    Aim("proof_10000128", "log", "inclusion proof among 10,000,128 leaves", "at most", 1, " ms"),
    Aim("verify_tree", "log", "leaves verified, `audit verify --depth tree`", "at least", 100_000, "/s"),
    Aim("verify_rows", "log", "leaves verified with all that is stored, `--depth rows`", "at least", 100_000, "/s"),
    Aim("rss_growth", "backlog", "worker RSS at the end over that after a fifth", "at most", 1.1),
    Aim("step_us", "scheduling", "a step of the scheduler, 1,000 items queued, CPU", "at most", 50, " µs"),
    Aim("high_p99_ratio", "scheduling", "high urgency p99, round robin's over ours, 8 devices", "at least", 5),
    Aim("rate_ratio", "scheduling", "… total throughput over round robin's", "at least", 0.95),
    Aim("high_p99_ratio_two", "scheduling", "high urgency p99, round robin's over ours, 2 devices", "at least", 5),
    Aim("rate_ratio_two", "scheduling", "… total throughput over round robin's", "at least", 0.95),
    Aim("high_p99_ratio", "engines", "high urgency p99, round robin's over ours, real engines", "at least", 5),
    Aim("rate_ratio", "engines", "… total throughput over round robin's", "at least", 0.95),
    Aim("naive/ours mixed", "inference", "length-aware batches over naive ones, short and long texts", "at least", 2),
    Aim("padding mixed", "inference", "… padding, share of computed tokens", "at most", 0.05, ""),
    Aim("padding short", "inference", "… padding, short texts alone", "at most", 0.05, ""),
    Aim("padding long", "inference", "… padding, long documents alone", "at most", 0.05, ""),
    Aim("best/ours mixed", "inference", "encoder over the best plain call, short and long texts", "at least", 1),
    Aim("best/ours short", "inference", "… short texts alone", "at least", 1),
    Aim("best/ours long", "inference", "… long documents alone", "at least", 1),
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """An aim beside what was measured; None when its part did not run or could not tell."""

    aim: Aim
    measured: float | None

    def cells(self) -> tuple[str, str, str, str]:
        """What, measured, aim, and whether it is met."""
        aim = self.aim
        wanted = f"{aim.bound} {aim.value:,g}{aim.unit}"
        if self.measured is None:
            return aim.what, "not measured", wanted, ""
        return aim.what, f"{_digits(self.measured)}{aim.unit}", wanted, "yes" if aim.met(self.measured) else "NO"


def verdicts(figures: Mapping[str, Mapping[str, float]]) -> Iterator[Verdict]:
    """Every aim of these parts, in the order of this module.

    Args:
        figures: Part to its figures.
    """
    for aim in AIMS:
        if aim.part in figures:
            yield Verdict(aim, figures[aim.part].get(aim.figure))


def _digits(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
