"""Which language a page is in, and its texts: English stands in templates, Chinese in `sealstream.console.chinese`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

COOKIE: Final = "sealstream-language"
ENGLISH: Final = "en"
CHINESE: Final = "zh-Hans"
LANGUAGES: Final[Mapping[str, str]] = {ENGLISH: "English", CHINESE: "中文"}


@dataclass(frozen=True, slots=True)
class Language:
    """A language.

    Attributes:
        code: For `lang`.
        texts: From English; empty for English itself.
    """

    code: str
    texts: Mapping[str, str]

    def text(self, english: str, **values: object) -> str:
        """A text in this language.

        Args:
            values: Of what stands in braces.
        """
        found = self.texts.get(english, english)
        return found.format_map(values) if values else found


def chosen_language(cookie: str | None, accepted: str) -> str:
    """The language that somebody chose, or else what their browser prefers.

    Args:
        accepted: The header `Accept-Language`.
    """
    if cookie is not None and cookie in LANGUAGES:
        return cookie
    ranked = []
    for place, each in enumerate(accepted[:512].split(",")):
        name, _, weight = each.strip().partition(";")
        try:
            ranked.append((-float(weight.partition("=")[2] or 1), place, name.lower()))
        except ValueError:
            continue
    for _, _, name in sorted(ranked):
        if name.startswith("zh"):
            return CHINESE
        if name.startswith("en"):
            return ENGLISH
    return ENGLISH
