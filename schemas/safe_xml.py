"""The one way bytes become an XML tree: bounded, offline, without document types.

What the elements mean is the format modules' part (`schemas.camt`). Comments and processing instructions are dropped
while parsing and the text around them is joined, as XML Schema reads it: `<Amt>12<!-- x -->3</Amt>` holds `123`.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from lxml import etree

from schemas.errors import Rejection
from schemas.reasons import Reason


@dataclass(frozen=True, slots=True)
class XmlLimits:
    """What one document may cost. libxml2 adds its own: 10 MB for one text, 256 levels, entity amplification.

    Attributes:
        max_bytes: Size of the document as received.
        max_depth: Levels of nested elements, the root being the first.
        max_elements: Bound on elements; counted by `<` before parsing, because a tree costs 30 times its smallest tags.
    """

    max_bytes: int = 16 * 1024 * 1024
    max_depth: int = 64
    max_elements: int = 500_000


DEFAULT_LIMITS = XmlLimits()

# Atomic groups keep this linear on hostile prologs: what was skipped is never looked at twice.
_PROLOG_BYTES = re.compile(rb"(?:\xef\xbb\xbf)?(?>(?:<\?.*?\?>|<!--.*?-->|[ \t\r\n]+)*)<!DOCTYPE", re.DOTALL)
_PROLOG_TEXT = re.compile(r"\ufeff?(?>(?:<\?.*?\?>|<!--.*?-->|[ \t\r\n]+)*)<!DOCTYPE", re.DOTALL)


def parse_xml(data: bytes, *, limits: XmlLimits = DEFAULT_LIMITS) -> etree._Element:
    """Parse one document and return its root element.

    Raises:
        Rejection: `malformed` for anything that is not well-formed, has a document type or is nested too deep;
            `oversized` for too many bytes or elements. Details hold a line number at most.
    """
    if len(data) > limits.max_bytes:
        raise Rejection(Reason.OVERSIZED, f"XML document of more than {limits.max_bytes} bytes")
    if data.count(b"<") > 2 * limits.max_elements:
        raise Rejection(Reason.OVERSIZED, f"XML document of more than {limits.max_elements} elements")
    if _declares_document_type(data):
        raise Rejection(Reason.MALFORMED, "XML document type (DOCTYPE) is refused")
    root = _parse(data)
    # The scan before parsing reads the usual encodings; this check holds for every one that libxml2 knows.
    if root.getroottree().docinfo.internalDTD is not None:
        raise Rejection(Reason.MALFORMED, "XML document type (DOCTYPE) is refused")
    if _deeper_than(limits.max_depth)(root):
        raise Rejection(Reason.MALFORMED, f"XML elements nested deeper than {limits.max_depth} levels")
    return root


def _declares_document_type(data: bytes) -> bool:
    """Whether the prolog holds a DOCTYPE, which can then be refused before anything in it is read."""
    if data[:2] in (b"\xff\xfe", b"<\0"):
        return _PROLOG_TEXT.match(data.decode("utf-16-le", "replace")) is not None
    if data[:2] in (b"\xfe\xff", b"\0<"):
        return _PROLOG_TEXT.match(data.decode("utf-16-be", "replace")) is not None
    return _PROLOG_BYTES.match(data) is not None


def _parse(data: bytes) -> etree._Element:
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        attribute_defaults=False,
        huge_tree=False,
        recover=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        return etree.fromstring(data, parser)
    except etree.XMLSyntaxError as exc:
        # libxml2's text quotes names and characters of the document; only the place is ours to tell.
        raise Rejection(Reason.MALFORMED, f"not well-formed XML at line {exc.lineno or 1}") from exc
    except (etree.LxmlError, ValueError) as exc:
        raise Rejection(Reason.MALFORMED, "not readable as XML") from exc


@lru_cache(maxsize=8)
def _deeper_than(depth: int) -> etree.XPath:
    """A compiled test for an element below `depth` levels; libxml2 walks the tree, not Python."""
    return etree.XPath("boolean(" + "/*" * (depth + 1) + ")")
