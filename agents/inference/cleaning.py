"""Making any text one that a tokenizer takes. What the tokenizer makes of it is its own affair."""

import re
from typing import Final

_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def cleaned(text: str, limit: int) -> str:
    """At most so many characters of a text, each lone surrogate replaced by U+FFFD: places stay the same."""
    text = text[:limit]
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)
