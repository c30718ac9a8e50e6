"""`python -m bench.inference`: what an encoder costs through our engine, beside plain calls of the same model.

Needs the extra `text`; rows of transformers, and exporting the encoder unless `--encoder` names it, the extra `torch`
too. It is no part of `make bench`, which must run without either. Every way has its turn in every round, with one
thread; a figure is the median of the rounds' own ratios, because others use the machine as well.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from random import Random
from statistics import median
from typing import Any, Final

import numpy as np

from agents.inference.onnx_encoder import INPUTS, OUTPUT, OnnxEncoder
from agents.inference.onnx_session import CPU, open_session
from agents.inference.text_model import PreparedText
from bench.findings import Found, Table
from bench.parts import Options, Part, option, say
from sealstream.evaluators.evaluation import read_labelled
from sealstream.training.encoder_export import ExportedEncoder, export_encoder, read_encoder, wheel_directory

USUAL: Final = 32
"""Texts of a batch as in the examples of the libraries."""

SMALL: Final = 8
"""Texts of a batch that suits caches better: plain calls at their best."""

SEED: Final = 7
SENTENCES: Final = (8, 25)
"""Of a long document."""

NAIVE: Final = "plain ONNX Runtime, batches as they come"
OURS: Final = "ours"


@dataclass(frozen=True, slots=True)
class InferenceOptions(Options):
    """How much to measure."""

    encoder: str = option("", "folder of the exported encoder; default: it is exported anew")
    data: str = option("../shared/data/text_labels/banking77", "folder with banking77's test.csv")
    short: int = option(60, "texts of banking77")
    long: int = option(6, "long documents, put together of texts of banking77")
    rounds: int = option(5, "times everything is measured; the median counts")


@dataclass(frozen=True, slots=True)
class Way:
    """One way to embed the same texts.

    Attributes:
        once: It is far behind and would take most of the run: only the first round has it.
    """

    run: Callable[[], object]
    once: bool = False


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds of one turn."""

    cpu: float
    wall: float


async def measure_inference(options: InferenceOptions) -> Found:
    """Time every way on the same texts, in turns."""
    exported = read_encoder(Path(options.encoder)) if options.encoder else export_encoder()
    peer = _Transformers() if find_spec("torch") is not None else None
    figures: dict[str, float] = {}
    tables = []
    for name, texts in _loads(options).items():
        say(name)
        encoder = OnnxEncoder(exported.files, exported.settings, CPU)
        prepared = encoder.prepare(texts)
        turns = _measured(_ways(exported, encoder, prepared, peer), options.rounds)
        if NAIVE in turns:
            figures[f"naive/ours {name}"] = _ratio(turns[NAIVE], turns[OURS])
        figures[f"best/ours {name}"] = min(_ratio(turns[way], turns[OURS]) for way in turns if way != OURS)
        figures[f"padding {name}"] = encoder.padding.waste
        tokens = sum(each.tokens for each in prepared)
        tables.append(_table(f"{name}: {len(texts)} texts, {tokens:,} tokens", turns, tokens))
    return Found(
        broker="no broker",
        setting=[
            f"Encoder all-MiniLM-L6-v2 in float32, one thread; {options.short} texts of banking77 and {options.long} "
            f"documents of {SENTENCES[0]} to {SENTENCES[1]} such texts, cut at {exported.settings.max_tokens} tokens. "
            "Ids are made before the clock starts. Plain ONNX Runtime has the same graph, transformers the "
            "weights that it was exported from, in its default attention.",
            f"CPU time, the median of {options.rounds} rounds in which every way has its turn; batches as they come "
            "are only in the first round. `wall` is the same ratio by wall clock.",
        ],
        figures=figures,
        tables=tables,
    )


def long_documents(texts: Sequence[str], count: int, random: Random) -> list[str]:
    """Documents put together of short texts."""
    return [" ".join(random.sample(list(texts), random.randint(*SENTENCES))) for _ in range(count)]


def _loads(options: InferenceOptions) -> dict[str, list[str]]:
    texts = read_labelled(Path(options.data) / "test.csv", "banking77 test").texts
    random = Random(SEED)
    short = random.sample(texts, options.short)
    long = long_documents(texts, options.long, random)
    mixed = [*short, *long]
    random.shuffle(mixed)
    return {"mixed": mixed, "short": short, "long": long}


def _ways(
    exported: ExportedEncoder, encoder: OnnxEncoder, prepared: Sequence[PreparedText], peer: "_Transformers | None"
) -> Mapping[str, Way]:
    session = open_session(exported.files["encoder.onnx"])
    longest = sorted(prepared, key=lambda each: each.tokens, reverse=True)

    def onnx(texts: Sequence[PreparedText], size: int) -> Callable[[], object]:
        return lambda: [session.run([OUTPUT], _padded(part)) for part in _parts(texts, size)]

    ways = {
        OURS: Way(lambda: encoder.embed(prepared)),
        "plain ONNX Runtime, one by one": Way(onnx(prepared, 1)),
        f"plain ONNX Runtime, {SMALL} of similar length": Way(onnx(longest, SMALL)),
        NAIVE: Way(onnx(prepared, USUAL), once=True),
    }
    if peer is not None:
        ways[f"plain transformers, {SMALL} of similar length"] = Way(lambda: peer(_parts(longest, SMALL)))
    return ways


class _Transformers:
    """The library as its examples use it."""

    def __init__(self) -> None:
        import torch
        from transformers import AutoModel

        torch.set_num_threads(1)
        self._torch = torch
        self._model = AutoModel.from_pretrained(wheel_directory()).eval()

    def __call__(self, batches: Sequence[Sequence[PreparedText]]) -> None:
        with self._torch.inference_mode():
            for part in batches:
                self._model(**{name: self._torch.from_numpy(value) for name, value in _padded(part).items()})


def _parts(texts: Sequence[PreparedText], size: int) -> Sequence[Sequence[PreparedText]]:
    return [texts[i : i + size] for i in range(0, len(texts), size)]


def _padded(texts: Sequence[PreparedText]) -> dict[str, Any]:
    ids = np.zeros((len(texts), max(each.tokens for each in texts)), dtype=np.int64)
    mask = np.zeros_like(ids)
    for row, text in enumerate(texts):
        ids[row, : text.tokens] = np.frombuffer(text.ids, dtype=np.int32)
        mask[row, : text.tokens] = 1
    return dict(zip(INPUTS, (ids, mask), strict=True))


def _measured(ways: Mapping[str, Way], rounds: int) -> dict[str, list[Spent]]:
    """What each way took, round by round."""
    found: dict[str, list[Spent]] = {name: [] for name in ways}
    for number in range(rounds):
        for name, way in ways.items():
            if way.once and number:
                continue
            cpu, wall = time.process_time(), time.perf_counter()
            way.run()
            found[name].append(Spent(time.process_time() - cpu, time.perf_counter() - wall))
    return found


def _ratio(others: Sequence[Spent], ours: Sequence[Spent], what: str = "cpu") -> float:
    """Of the rounds that both were in."""
    ratios: list[float] = [getattr(each, what) / getattr(mine, what) for each, mine in zip(others, ours, strict=False)]
    return median(ratios)


def _table(title: str, turns: Mapping[str, Sequence[Spent]], tokens: int) -> Table:
    rows = []
    for name, spent in turns.items():
        seconds = median(each.cpu for each in spent)
        over = [f"{_ratio(spent, turns[OURS], what):.2f}x" for what in ("cpu", "wall")]
        rows.append((name, f"{seconds:.2f}", f"{tokens / seconds:,.0f}", *over))
    return Table(title, ("way", "CPU seconds", "tokens/s", "over ours", "wall"), rows)


PART: Final = Part(
    name="inference",
    what="An encoder through our engine beside plain calls of ONNX Runtime and transformers.",
    measure=measure_inference,
    full=InferenceOptions(),
    quick=InferenceOptions(short=24, long=2, rounds=1),
)

if __name__ == "__main__":
    PART.main()
