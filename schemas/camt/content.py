"""Elements become checked dictionaries, by the layout of their version: names, order, number and values.

Structure and value faults are told apart, because they end differently: a wrong structure is raised, a bad value is
noted and reading goes on, so that the caller knows both. What the parts mean is not known here.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from lxml import etree

from schemas.camt.layout import LAYOUT, NEWEST_VERSION
from schemas.camt.values import BadValueError, Reader, reader_of
from schemas.errors import Rejection
from schemas.reasons import Reason

# What an element held, by local names: leaves as values, elements as further Parts, repeatable ones as lists.
# Never leaves this package: entries become `Transaction`s.
Parts = dict[str, Any]


class StructureViolation(Rejection):
    """An element is missing, unknown, out of order or repeated where the standard does not have it so."""

    def __init__(self, detail: str) -> None:
        super().__init__(Reason.SCHEMA_VIOLATION, detail)


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """One child an element may have.

    Attributes:
        position: Place in the sequence; the alternatives of a choice share it.
        name: Local name.
        repeats: Whether it may come more than once.
        layout: Key of the layout of its content; None for leaves.
        read: Reader of a leaf; None when the content is looked at later or never.
        keep: The element itself is the value, read later by its own layout.
    """

    position: int
    name: str
    repeats: bool
    layout: str | None = None
    read: Reader | None = None
    keep: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Content:
    """Compiled layout of one element in one version; `required` has a bit for each position that must be filled."""

    rules: dict[str, Rule]
    required: int
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Layouts:
    """All compiled layouts of one version, keyed as in `schemas.camt.layout`."""

    contents: dict[str, Content]

    def read(self, element: etree._Element, layout: str, faults: list[str]) -> Parts:
        """Read one element.

        Args:
            element: Its children are read; its own name was the caller's to check.
            layout: Which layout applies.
            faults: Bad values found are appended, as `Name: what is wrong`.

        Raises:
            StructureViolation: The children are not those of the layout.
        """
        content = self.contents[layout]
        rules = content.rules
        parts: Parts = {}
        last = -1
        seen = 0
        if (text := element.text) is not None and not text.isspace():
            raise StructureViolation(f"text between the elements of {_name(element)}")
        for child in element:
            rule = rules.get(child.tag)
            if rule is None:
                raise StructureViolation(f"an element that {_name(element)} does not have")
            position = rule.position
            if position <= last and (position < last or not rule.repeats):
                raise StructureViolation(f"{rule.name} out of order or repeated in {_name(element)}")
            if (tail := child.tail) is not None and not tail.isspace():
                raise StructureViolation(f"text between the elements of {_name(element)}")
            last = position
            seen |= 1 << position
            value = self._value(child, rule, faults)
            if rule.repeats:
                parts.setdefault(rule.name, []).append(value)
            else:
                parts[rule.name] = value
        if missing := content.required & ~seen:
            name = content.names[(missing & -missing).bit_length() - 1]
            raise StructureViolation(f"{name} is missing in {_name(element)}")
        return parts

    def _value(self, child: etree._Element, rule: Rule, faults: list[str]) -> object:
        if rule.layout is not None:
            return self.read(child, rule.layout, faults)
        if rule.read is not None:
            if len(child):
                raise StructureViolation(f"{rule.name} holds elements instead of a text")
            try:
                return rule.read(child)
            except BadValueError as exc:
                faults.append(f"{rule.name}: {exc}")
                return None
        return child if rule.keep else None


def _name(element: etree._Element) -> str:
    """Local name of an element that the layout knows; never a name of the record's own making."""
    return etree.QName(element).localname


@lru_cache(maxsize=32)
def layouts_of(namespace: str, version: int) -> Layouts:
    """Compile the layouts for a version; later versions than the newest known are read as the newest."""
    effective = min(version, NEWEST_VERSION)
    return Layouts({key: _compile(text, namespace, effective) for key, text in LAYOUT.items()})


def _compile(text: str, namespace: str, version: int) -> Content:
    rules: dict[str, Rule] = {}
    names: list[str] = []
    required = 0
    for item in text.split():
        body, _, versions = item.partition("@")
        if versions and not _applies(versions, version):
            continue
        occurs = body[-1] if body[-1] in "?*+" else ""
        alternatives = body.removesuffix(occurs).strip("()").split("|")
        for alternative in alternatives:
            name, _, kind = alternative.partition(":")
            rules[f"{{{namespace}}}{name}"] = _rule(len(names), name, kind, repeats=occurs in ("*", "+"))
        if occurs in ("", "+"):
            required |= 1 << len(names)
        names.append(" or ".join(alternative.partition(":")[0] for alternative in alternatives))
    return Content(rules, required, tuple(names))


def _applies(versions: str, version: int) -> bool:
    first, _, last = versions.partition("-")
    return int(first or 0) <= version <= int(last or NEWEST_VERSION)


def _rule(position: int, name: str, kind: str, *, repeats: bool) -> Rule:
    if kind in LAYOUT:
        return Rule(position, name, repeats, layout=kind)
    if kind in ("any", "element"):
        return Rule(position, name, repeats, keep=kind == "element")
    return Rule(position, name, repeats, read=reader_of(kind))
