"""Lists of words that the tagger's training texts are made of; they stand in `tagger_words.toml`."""

import tomllib
from functools import cache
from pathlib import Path
from typing import Final

WORDS_FILE: Final = Path(__file__).with_name("tagger_words.toml")


def words(name: str) -> tuple[str, ...]:
    """One of the lists.

    Raises:
        KeyError: There is none of this name.
    """
    return tuple(_lists()[name])


@cache
def _lists() -> dict[str, list[str]]:
    return tomllib.loads(WORDS_FILE.read_text(encoding="utf-8"))
