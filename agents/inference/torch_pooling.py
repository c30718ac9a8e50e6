"""The original of an exported encoder: transformers' BERT in PyTorch, with mean pooling. Needs the extra `torch`.

`torch_encoder` runs it; `sealstream.training.encoder_export` turns it into a graph.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from transformers import BertConfig, BertModel

from schemas.errors import ConfigurationError

CONFIG_FILE: Final = "config.json"
WEIGHTS_FILE: Final = "model.safetensors"
_SMALLEST: Final = 1e-9


class PooledEncoder(torch.nn.Module):
    """BERT, the mean over the tokens of a text, divided by its length."""

    def __init__(self, model: BertModel) -> None:
        super().__init__()
        self.model = model
        self.dims: int = model.config.hidden_size
        self.vocabulary: int = model.config.vocab_size

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Ids and mask int64 [batch, length]; vectors float32 [batch, dims]."""
        hidden = self.model(input_ids=input_ids, attention_mask=attention_mask, return_dict=True)[0]
        wide = attention_mask.unsqueeze(-1).to(hidden.dtype)
        mean = (hidden * wide).sum(1) / wide.sum(1).clamp(min=_SMALLEST)
        return torch.nn.functional.normalize(mean, p=2.0, dim=1)


def pooled_encoder(files: Mapping[str, bytes]) -> PooledEncoder:
    """Build it, in evaluation mode, on the CPU.

    Args:
        files: `config.json` and `model.safetensors`, which can't run code as a pickle can.

    Raises:
        ConfigurationError: A file is missing, or they don't fit together.
    """
    try:
        config: dict[str, Any] = json.loads(files[CONFIG_FILE])
        # Written out, so that it can be traced, and so that both say the same on every version.
        model = BertModel(BertConfig(**config, attn_implementation="eager"), add_pooling_layer=False)
        tensors = load_tensors(files[WEIGHTS_FILE])
        wanted = model.state_dict()
        # Old checkpoints hold positions and the pooling layer as well.
        missing = set(wanted) - set(tensors) - {"embeddings.position_ids", "embeddings.token_type_ids"}
        if missing:
            raise ConfigurationError(f"{WEIGHTS_FILE} lacks {len(missing)} weights of {CONFIG_FILE}")
        model.load_state_dict({name: tensors[name] for name in wanted if name in tensors}, strict=False)
    except KeyError as exc:
        raise ConfigurationError(f"the model has no {exc.args[0]}; restore its release") from exc
    # The libraries raise plain exceptions of many kinds.
    except (SafetensorError, ValueError, RuntimeError, TypeError, OSError) as exc:
        raise ConfigurationError(f"{WEIGHTS_FILE} and {CONFIG_FILE} are no BERT model; restore the release") from exc
    encoder = PooledEncoder(model)
    encoder.eval()
    return encoder
