"""Sentences to learn names from: Presidio's with other values in their places, and our own frames filled.

Presidio's conventions are kept: a title is no part of a name, a nationality is no place. An address in a sentence or a
signature is one value with its town and country. One that stands in lines beside a name, or alone, is labelled part by
part: number, street, part of the house and code are an address each, and town and country are places.
"""

import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from agents.inference.extraction_scores import Label, LabelledText
from sealstream.training.tagger_fillers import fillers
from sealstream.training.tagger_values import Values
from sealstream.training.tagger_words import words

FRAMES_FILE: Final = Path(__file__).with_name("tagger_frames.txt")
_PLACE: Final = re.compile(r"\{(\w+)\}")
_PARTS: Final = re.compile(r"\{parts\}")
_IN_PARTS: Final = words("addresses_in_parts")
_KINDS: Final = {
    **dict.fromkeys(("person", "first", "last", "one"), "PERSON"),
    "org": "ORGANIZATION",
    **dict.fromkeys(("loc", "city", "country", "state"), "LOCATION"),
    **dict.fromkeys(("address", "street", "house", "unit", "zip"), "ADDRESS"),
}
_JOINTS: Final = (" ", " ", "\n", "\n\n", " - ")
_REPLACED: Final = 0.75
_FILLED: Final = re.compile(r"(?i)(apt|suite|unit|flat)\b")


def frames() -> list[str]:
    """Our own sentences with their places."""
    lines = FRAMES_FILE.read_text(encoding="utf-8").splitlines()
    return [line.replace("\\n", "\n") for line in lines if line and not line.startswith("#")]


class Texts:
    """Makes labelled texts.

    Args:
        chance: Which ones.
        presidio: Labelled sentences; their values are replaced, and what they say stays.
    """

    def __init__(self, chance: random.Random, presidio: Sequence[LabelledText]) -> None:
        self._chance = chance
        self._values = Values(chance)
        self._frames = frames()
        self._groups: dict[str, list[LabelledText]] = {}
        for each in presidio:
            self._groups.setdefault(each.group, []).append(each)
        self._fill: Mapping[str, Callable[[], str]] = fillers(self._values, chance)

    def draw(self, count: int, own: float = 0.5) -> Iterator[LabelledText]:
        """So many texts.

        Args:
            own: Share of our own.
        """
        groups = list(self._groups.values())
        # A template that fills many sentences counts for more, but not for as many.
        weights = [len(each) ** 0.5 for each in groups]
        for _ in range(count):
            if not groups or self._chance.random() < own:
                text = self._framed()
            else:
                (group,) = self._chance.choices(groups, weights)
                text = self._replaced(self._chance.choice(group))
            yield _recased(text, self._chance)

    def fill(self, frame: str) -> LabelledText:
        """A frame with values in its places."""
        frame = _PARTS.sub(lambda _: self._chance.choice(_IN_PARTS), frame)
        text, last = "", 0
        labels: list[Label] = []
        for place in _PLACE.finditer(frame):
            text += frame[last : place.start()]
            value = self._fill[place[1]]().strip()
            if (kind := _KINDS.get(place[1])) is not None:
                labels.append(Label(kind, len(text), len(text) + len(value)))
            text += value
            last = place.end()
        return LabelledText(text + frame[last:], tuple(labels))

    def _framed(self) -> LabelledText:
        count = self._chance.choices((1, 2, 3, 5), (0.7, 0.18, 0.08, 0.04))[0]
        text = ""
        labels: list[Label] = []
        for frame in self._chance.sample(self._frames, count):
            text += self._chance.choice(_JOINTS) if text else ""
            filled = self.fill(frame)
            labels += [Label(each.kind, len(text) + each.start, len(text) + each.end) for each in filled.labels]
            text += filled.text
        return LabelledText(text, tuple(labels))

    def _replaced(self, source: LabelledText) -> LabelledText:
        text, last = "", 0
        labels: list[Label] = []
        for label in source.labels:
            text += source.text[last : label.start]
            value = source.text[label.start : label.end]
            if self._chance.random() < _REPLACED:
                value = self._other(label.kind, value).strip()
            labels.append(Label(label.kind, len(text), len(text) + len(value)))
            text += value
            last = label.end
        return LabelledText(text + source.text[last:], tuple(labels), source.group)

    def _other(self, kind: str, value: str) -> str:
        """Another value of the same form."""
        values = self._values
        if kind == "PERSON":
            if value.rstrip(".").lower() in ("mr", "mrs", "ms", "dr", "miss"):
                return value
            return values.person() if " " in value else values.one_name()
        if kind == "ORGANIZATION":
            return values.organization()
        if kind == "LOCATION":
            return value if len(value) < 4 else self._like(value, values.location())
        if kind != "ADDRESS":
            return value
        if value.isdigit():
            return values.digits(len(value), len(value))
        if _FILLED.match(value) and len(value) < 12:
            return values.secondary()
        if " and " in value:
            return values.corner()
        whole = "\n" in value or "," in value or len(value) > 32
        return values.address() if whole else self._like(value, values.street())

    @staticmethod
    def _like(value: str, other: str) -> str:
        return other.upper() if value.isupper() else other


def _recased(text: LabelledText, chance: random.Random) -> LabelledText:
    """Now and then all in small letters or all in capitals, where that keeps every place."""
    kind = chance.random()
    change = str.lower if kind < 0.1 else str.upper if kind < 0.14 else partial(str)
    changed = change(text.text)
    return LabelledText(changed, text.labels, text.group) if len(changed) == len(text.text) else text
