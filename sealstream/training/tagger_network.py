"""The tagger's network and its training: the sentence encoder all-MiniLM-L6-v2, fine-tuned, with a head on every token.

The encoder knows small letters alone and no spaces: a token's shape (`agents.inference.tagger.tokens`) is embedded in
the place of the segment, which the encoder has no use for. Word vectors stay as they are: they are what is known of
words that no training text holds. Needs the extra `torch`.
"""

import io
import json
import random
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from safetensors.torch import load_file
from transformers import BertConfig, BertModel

from agents.inference.extraction_scores import LabelledText
from agents.inference.onnx_encoder import TOKENIZER_FILE
from agents.inference.tagger.graph import GRAPH_FILE, INPUTS, OPSET, OUTPUT
from agents.inference.tagger.labels import OUTSIDE, tag_count, to_tags
from agents.inference.tagger.tokens import CONTINUES, SHAPES, TaggerTokens, rows

if TYPE_CHECKING:
    import numpy.typing as npt

    from agents.inference.tagger.tokens import IntArray

    Tags = npt.NDArray[np.int64]

SEED: Final = 20_260
_IGNORED: Final = -100
_BUCKETS: Final = 16


@dataclass(frozen=True, slots=True)
class Settings:
    """How the network is trained.

    Attributes:
        layers: Of the encoder's, from below.
        batch: Texts in a step.
        rate: Highest learning rate of the encoder; it rises for a tenth of the steps and then falls.
        new_rate: That of the parts that are new.
        hidden: Share of the tokens outside of values that are hidden, so that no single word decides.
        longest: Tokens of a text; longer ones are left out.
    """

    layers: int = 4
    batch: int = 16
    rate: float = 4e-4
    new_rate: float = 1e-3
    hidden: float = 0.08
    longest: int = 126


class TaggerNetwork(torch.nn.Module):
    """The encoder with embedded shapes and a head."""

    def __init__(self, encoder: Any, tags: int) -> None:
        super().__init__()
        embeddings = encoder.embeddings
        segment = embeddings.token_type_embeddings.weight.data[0]
        shapes = torch.nn.Embedding(SHAPES, len(segment))
        shapes.weight.data[:] = segment + 0.01 * torch.randn(SHAPES, len(segment))
        embeddings.token_type_embeddings = shapes
        embeddings.word_embeddings.weight.requires_grad = False
        embeddings.position_embeddings.weight.requires_grad = False
        self.encoder = encoder
        self.dropout = torch.nn.Dropout(0.1)
        self.head = torch.nn.Linear(len(segment), tags)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor, shapes: torch.Tensor) -> torch.Tensor:
        """Each int64 [batch, length]; logarithms of probabilities float32 [batch, length, tags]."""
        hidden = self.encoder(
            input_ids=input_ids, attention_mask=attention_mask, token_type_ids=shapes, return_dict=True
        )[0]
        return torch.log_softmax(self.head(self.dropout(hidden)), dim=-1)

    def new_weights(self) -> list[Any]:
        """Those that no encoder brought along."""
        return [*self.head.parameters(), *self.encoder.embeddings.token_type_embeddings.parameters()]


def train(texts: Iterable[LabelledText], kinds: Sequence[str], folder: Path, settings: Settings) -> dict[str, bytes]:
    """The model's files.

    Args:
        texts: Each is learnt once.
        kinds: What is learnt.
        folder: The encoder's files, see `encoder_export.wheel_directory`.
    """
    torch.manual_seed(SEED)
    chance = random.Random(SEED)  # noqa: S311  no secret
    tokenizer = (folder / TOKENIZER_FILE).read_bytes()
    tokens = TaggerTokens(tokenizer)
    network = TaggerNetwork(_encoder(folder, settings.layers), tag_count(kinds))
    steps = _steps(
        [each for each in _examples(tokens, texts, kinds) if len(each[1]) <= settings.longest], settings, chance
    )
    new = network.new_weights()
    known = {id(each) for each in new}
    old = [each for each in network.parameters() if each.requires_grad and id(each) not in known]
    groups = [{"params": new, "lr": settings.new_rate}, {"params": old, "lr": settings.rate}]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _share_of_rate(step, len(steps)))
    network.train()
    for step in steps:
        ids, mask, shapes, tags = _padded(step, tokens)
        hidden = (torch.rand(ids.shape) < settings.hidden) & (tags == OUTSIDE)
        scores = network(ids.masked_fill(hidden, tokens.mask), mask, shapes)
        loss = torch.nn.functional.nll_loss(scores.flatten(0, 1), tags.flatten(), ignore_index=_IGNORED)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    return {GRAPH_FILE: exported(network), TOKENIZER_FILE: tokenizer}


def exported(network: TaggerNetwork) -> bytes:
    """The graph that `agents.inference.tagger.graph` loads."""
    network.eval()
    ids = torch.tensor([[1, 2, 3], [2, 3, 0]])
    mask = torch.tensor([[1, 1, 1], [1, 1, 0]])
    axes = {0: "batch", 1: "length"}
    target = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        # The tracer warns of every constant that it finds; the tests compare graph and network on other shapes.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (ids, mask, mask),
            target,
            input_names=list(INPUTS),
            output_names=[OUTPUT],
            dynamic_axes=dict.fromkeys((*INPUTS, OUTPUT), axes),
            opset_version=OPSET,
            dynamo=False,
        )
    return target.getvalue()


def _encoder(folder: Path, layers: int) -> Any:
    config = {**json.loads((folder / "config.json").read_bytes()), "num_hidden_layers": layers}
    # Written out, so that it can be traced.
    encoder = BertModel(BertConfig(**config, attn_implementation="eager"), add_pooling_layer=False)
    wanted, tensors = encoder.state_dict(), load_file(folder / "model.safetensors")
    encoder.load_state_dict({name: tensors[name] for name in wanted if name in tensors}, strict=False)
    return encoder


def _share_of_rate(step: int, steps: int) -> float:
    return min(1.0, (step + 1) / (0.1 * steps)) * max(0.02, 1 - step / steps)


def _examples(
    tokens: TaggerTokens, texts: Iterable[LabelledText], kinds: Sequence[str]
) -> "list[tuple[IntArray, Tags]]":
    """Ids and shapes of each text, and the tags of its tokens; only a word's first has one."""
    labelled = list(texts)
    found = []
    for text, prepared in zip(labelled, tokens.prepare([each.text for each in labelled]), strict=True):
        packed = rows(prepared)
        first = packed[1] != CONTINUES
        tags = np.full(packed.shape[1], _IGNORED, dtype=np.int64)
        tags[first] = to_tags([(int(start), int(end)) for start, end in packed[2:, first].T], text.labels, kinds)
        found.append((packed[:2], tags))
    return found


def _steps(
    examples: "list[tuple[IntArray, Tags]]", settings: Settings, chance: random.Random
) -> "list[list[tuple[IntArray, Tags]]]":
    """Batches of similar lengths in a random order."""
    chance.shuffle(examples)
    steps = []
    share = settings.batch * _BUCKETS
    for start in range(0, len(examples), share):
        part = sorted(examples[start : start + share], key=lambda each: len(each[1]))
        batches = [part[first : first + settings.batch] for first in range(0, len(part), settings.batch)]
        chance.shuffle(batches)
        steps += batches
    return steps


def _padded(batch: "Sequence[tuple[IntArray, Tags]]", tokens: TaggerTokens) -> "tuple[Any, Any, Any, Any]":
    width = max(len(tags) for _, tags in batch) + 2
    ids, mask, shapes = np.zeros((3, len(batch), width), dtype=np.int64)
    wanted = np.full((len(batch), width), _IGNORED, dtype=np.int64)
    for row, (packed, tags) in enumerate(batch):
        end = len(tags) + 1
        ids[row, 0], ids[row, 1:end], ids[row, end] = tokens.begin, packed[0], tokens.end
        mask[row, : end + 1] = 1
        shapes[row, 1:end], wanted[row, 1:end] = packed[1], tags
    return (*map(torch.from_numpy, (ids, mask, shapes)), torch.from_numpy(wanted))
