"""`python -m bench.inference`: what an encoder costs through our engine, beside plain calls of the same model.

Needs the extra `text` and an exported encoder (`--encoder`); rows of transformers where the extra `torch` is. It is no
part of `make bench`, which must run without either. CPU times of one run with one thread each.
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
from sealstream.training.encoder_export import ExportedEncoder, read_encoder, wheel_directory
from sealstream.training.evaluation import read_labelled

BATCH: Final = 32
"""Texts of a plain batch, as in the examples of the libraries."""

SEED: Final = 7
SENTENCES: Final = (8, 25)
"""Of a long document."""

Run = Callable[[], object]


@dataclass(frozen=True, slots=True)
class InferenceOptions(Options):
    """How much to measure."""

    encoder: str = option("encoder", "folder of the exported encoder")
    data: str = option("../shared/data/text_labels/banking77", "folder with banking77's test.csv")
    short: int = option(450, "texts of banking77")
    long: int = option(50, "long documents, put together of texts of banking77")
    rounds: int = option(3, "times everything is measured; the median counts")


async def measure_inference(options: InferenceOptions) -> Found:
    """Time every way on the same texts, in turns."""
    exported = read_encoder(Path(options.encoder))
    texts = read_labelled(Path(options.data) / "test.csv", "banking77 test").texts
    random = Random(SEED)
    short = random.sample(texts, options.short)
    long = [" ".join(random.sample(texts, random.randint(*SENTENCES))) for _ in range(options.long)]
    mixed = [*short, *long]
    random.shuffle(mixed)
    figures: dict[str, float] = {}
    tables = []
    for name, given in (("mixed", mixed), ("short", short)):
        encoder = OnnxEncoder(exported.files, exported.settings, CPU)
        prepared = encoder.prepare(given)
        ways = _ways(exported, encoder, prepared)
        seconds = _measured(ways, options.rounds)
        ours, naive = seconds["ours"], seconds["plain ONNX Runtime, batches as they come"]
        figures[f"naive/ours {name}"] = naive / ours
        figures[f"best/ours {name}"] = min(value for way, value in seconds.items() if way != "ours") / ours
        figures[f"padding {name}"] = encoder.padding.waste
        tokens = sum(each.tokens for each in prepared)
        tables.append(_table(f"{len(given)} texts, {tokens:,} tokens, {name}", seconds, tokens))
    return Found(
        broker="no broker",
        setting=[
            f"Encoder all-MiniLM-L6-v2 in float32, one thread; {options.short} texts of banking77 and {options.long} "
            f"documents of {SENTENCES[0]} to {SENTENCES[1]} such texts, cut at {exported.settings.max_tokens} tokens. "
            f"Ids are made before the clock starts; plain batches have {BATCH} texts.",
            f"CPU time, the median of {options.rounds} rounds in which every way has its turn.",
        ],
        figures=figures,
        tables=tables,
    )


def _ways(exported: ExportedEncoder, encoder: OnnxEncoder, prepared: Sequence[PreparedText]) -> Mapping[str, Run]:
    session = open_session(exported.files["encoder.onnx"])
    in_order = list(prepared)
    sorted_ = sorted(prepared, key=lambda each: each.tokens, reverse=True)

    def onnx(texts: Sequence[PreparedText], size: int) -> Run:
        def work() -> None:
            for part in _parts(texts, size):
                session.run([OUTPUT], _padded(part))

        return work

    ways: dict[str, Run] = {
        "ours": lambda: encoder.embed(prepared),
        "plain ONNX Runtime, batches as they come": onnx(in_order, BATCH),
        "plain ONNX Runtime, batches sorted by length": onnx(sorted_, BATCH),
        "plain ONNX Runtime, one by one": onnx(in_order, 1),
    }
    if find_spec("torch") is not None:
        ways |= _torch_ways(in_order, sorted_)
    return ways


def _torch_ways(in_order: Sequence[PreparedText], sorted_: Sequence[PreparedText]) -> Mapping[str, Run]:
    import torch
    from transformers import AutoModel

    torch.set_num_threads(1)
    model = AutoModel.from_pretrained(wheel_directory()).eval()

    def run(texts: Sequence[PreparedText], size: int) -> Run:
        def work() -> None:
            with torch.inference_mode():
                for part in _parts(texts, size):
                    model(**{name: torch.from_numpy(value) for name, value in _padded(part).items()})

        return work

    return {
        "plain transformers, batches as they come": run(in_order, BATCH),
        "plain transformers, batches sorted by length": run(sorted_, BATCH),
    }


def _parts(texts: Sequence[PreparedText], size: int) -> Sequence[Sequence[PreparedText]]:
    return [texts[i : i + size] for i in range(0, len(texts), size)]


def _padded(texts: Sequence[PreparedText]) -> dict[str, Any]:
    ids = np.zeros((len(texts), max(each.tokens for each in texts)), dtype=np.int64)
    mask = np.zeros_like(ids)
    for row, text in enumerate(texts):
        ids[row, : text.tokens] = np.frombuffer(text.ids, dtype=np.int32)
        mask[row, : text.tokens] = 1
    return dict(zip(INPUTS, (ids, mask), strict=True))


def _measured(ways: Mapping[str, Run], rounds: int) -> dict[str, float]:
    """CPU seconds of each way."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds):
        say(f"round {number + 1} of {rounds}")
        for name, run in ways.items():
            started = time.process_time()
            run()
            found[name].append(time.process_time() - started)
    return {name: median(values) for name, values in found.items()}


def _table(title: str, seconds: Mapping[str, float], tokens: int) -> Table:
    ours = seconds["ours"]
    rows = [(name, f"{value:.2f}", f"{tokens / value:,.0f}", f"{value / ours:.2f}x") for name, value in seconds.items()]
    return Table(title, ("way", "CPU seconds", "tokens/s", "over ours"), rows)


PART: Final = Part(
    name="inference",
    what="An encoder through our engine beside plain calls of ONNX Runtime and transformers.",
    measure=measure_inference,
    full=InferenceOptions(),
    quick=InferenceOptions(short=30, long=3, rounds=1),
)

if __name__ == "__main__":
    PART.main()
