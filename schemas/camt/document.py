"""Finds the ISO 20022 `Document` in whatever a bank wraps around it, and names its type and version.

Wrappers (SWIFT envelope, `BizMsg`, `DataPDU`, a bare `message`, business headers) are not looked at: the namespace of
`Document` is what carries the version. What is in the document is `schemas.camt.statement`'s part.
"""

import re
from dataclasses import dataclass
from itertools import islice

from lxml import etree

from schemas.camt.layout import OLDEST_VERSION
from schemas.errors import Rejection
from schemas.reasons import Reason

_ISO_PREFIX = "urn:iso:std:iso:20022:tech:xsd:"
# A header stands near the top; a foreign document is not searched to its end for the sake of a detail text.
_LOOKED_AT = 100
_TYPE = re.compile(r"[a-z]{4}\.[0-9]{3}\.[0-9]{3}\.[0-9]{2}")
_STATEMENT_TYPE = re.compile(r"camt\.053\.001\.([0-9]{2})")


@dataclass(frozen=True, slots=True)
class StatementDocument:
    """The `Document` element of a camt.053, with the message type its namespace names (`camt.053.001.08`)."""

    element: etree._Element
    namespace: str
    message_type: str
    version: int


def find_statement_document(root: etree._Element) -> StatementDocument:
    """Find the one camt.053 document at or below the root.

    Raises:
        Rejection: `unsupported_type` when there is no ISO 20022 document or it is another message, which is named;
            `schema_violation` when there are several.
    """
    documents = _outermost_documents(root)
    if not documents:
        raise Rejection(Reason.UNSUPPORTED_TYPE, f"no ISO 20022 Document{_other_message(root)}")
    if len(documents) > 1:
        raise Rejection(Reason.SCHEMA_VIOLATION, "more than one ISO 20022 Document in one message")
    element = documents[0]
    namespace = _namespace(element)
    message_type = namespace.removeprefix(_ISO_PREFIX)
    match = _STATEMENT_TYPE.fullmatch(message_type)
    if match is None or int(match[1]) < OLDEST_VERSION:
        name = message_type if _TYPE.fullmatch(message_type) else "a type of another form"
        raise Rejection(Reason.UNSUPPORTED_TYPE, f"ISO 20022 message {name} is not a camt.053 statement")
    return StatementDocument(element, namespace, message_type, int(match[1]))


def _outermost_documents(root: etree._Element) -> list[etree._Element]:
    """ISO documents in document order, without those inside another one (supplementary data may hold anything)."""
    found: list[etree._Element] = []
    for element in root.iter("{*}Document"):
        if _namespace(element).startswith(_ISO_PREFIX) and not any(outer in found for outer in element.iterancestors()):
            found.append(element)
            if len(found) > 1:
                break
    return found


def _other_message(root: etree._Element) -> str:
    """Name of the first ISO message that comes without a `Document`, such as a lone business header."""
    for element in islice(root.iter("{*}*"), _LOOKED_AT):
        name = _namespace(element).removeprefix(_ISO_PREFIX)
        if _TYPE.fullmatch(name):
            return f"; found {name}"
    return ""


def _namespace(element: etree._Element) -> str:
    return etree.QName(element).namespace or ""
