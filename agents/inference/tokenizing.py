"""Texts to token ids by a `tokenizer.json`, cut at the model's limit. Needs the extra `text`."""

import os
from array import array
from collections.abc import Sequence

from tokenizers import Tokenizer

from agents.inference.cleaning import cleaned
from agents.inference.text_model import PreparedText
from schemas.errors import ConfigurationError

# One process, one core: without this the library starts a thread for each core of the machine.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


class TokenIds:
    """Prepares texts for one encoder."""

    def __init__(self, content: bytes, *, max_tokens: int, text_limit: int) -> None:
        """Load a tokenizer.

        Args:
            content: Of `tokenizer.json`.
            max_tokens: Ids that are kept of a text, marks of begin and end included.
            text_limit: Characters that are read of a text. One word of any length is one token, so that tokens alone
                would not bound the work.

        Raises:
            ConfigurationError: It is no tokenizer, or one that gives no ids for an empty text.
        """
        # The library raises plain exceptions of its own, whose texts quote the file.
        try:
            self._tokenizer = Tokenizer.from_buffer(content)
            self._tokenizer.no_padding()
            self._tokenizer.enable_truncation(max_tokens)
        except Exception as exc:
            raise ConfigurationError("the model's tokenizer.json is not one; restore it from the release") from exc
        self._text_limit = text_limit
        if not self._tokenizer.encode("").ids:
            raise ConfigurationError("the model's tokenizer marks neither begin nor end: an empty text has no tokens")

    def prepare(self, texts: Sequence[str]) -> list[PreparedText]:
        """Cut and tokenize; same length and order."""
        limit = self._text_limit
        cut = [cleaned(text, limit) for text in texts]
        encoded = self._tokenizer.encode_batch_fast(cut)
        return [
            PreparedText(text, array("i", ids).tobytes(), len(ids))
            for text, ids in zip(cut, [each.ids for each in encoded], strict=True)
        ]
