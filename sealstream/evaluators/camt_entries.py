"""Coded entries of real camt.052, 053 and 054 messages, read for evaluation only.

The platform's own reader of statements is `schemas.camt`; this one also reads reports and notifications, keeps only
what the model may see, and skips what it cannot read: it never decides anything about a record.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import cast

from lxml import etree

from schemas.errors import Rejection
from schemas.safe_xml import parse_xml
from schemas.transaction import CreditDebit, Transaction
from sealstream.evaluators.bank_transaction_kinds import kind_of_code


@dataclass(frozen=True, slots=True)
class CodedEntry:
    """One entry, or one transaction of an entry that has several, whose code says its kind."""

    kind: str
    code: str
    transaction: Transaction
    file: Path


def coded_entries(folder: Path) -> list[CodedEntry]:
    """Every coded entry of the messages below a folder, in the order of paths, each different one once.

    Message collections hold the same example under several names; copies would count some answers twice.
    """
    entries: dict[tuple[object, ...], CodedEntry] = {}
    for path in sorted(folder.rglob("*.xml")):
        for code, transaction in _read(path):
            kind = kind_of_code(code)
            if kind is not None:
                key = (kind, transaction.amount, transaction.credit_debit, *_texts(transaction))
                entries.setdefault(key, CodedEntry(kind, code, transaction, path))
    return list(entries.values())


def _texts(transaction: Transaction) -> tuple[str | None, ...]:
    return (
        transaction.additional_information,
        transaction.remittance_information,
        transaction.counterparty_name,
        transaction.purpose,
    )


def _read(path: Path) -> Iterator[tuple[str, Transaction]]:
    try:
        root = parse_xml(path.read_bytes())
    except Rejection:
        return
    for entry in root.iter("{*}Ntry"):
        namespace = etree.QName(entry).namespace or ""
        if namespace and ":camt.05" not in namespace:
            continue
        details = entry.findall("{*}NtryDtls/{*}TxDtls")
        for detail in cast("list[etree._Element | None]", details) or [None]:
            code = _code(detail) or _code(entry)
            transaction = _transaction(entry, detail)
            if code and transaction:
                yield code, transaction


def _code(element: etree._Element | None) -> str | None:
    if element is None:
        return None
    domain = element.find("{*}BkTxCd/{*}Domn")
    if domain is not None:
        return "-".join(_text(domain, path) or "" for path in ("Cd", "Fmly/Cd", "Fmly/SubFmlyCd"))
    proprietary = _text(element, "BkTxCd/Prtry/Cd")
    return f"PRTRY:{proprietary}" if proprietary else None


def _transaction(entry: etree._Element, detail: etree._Element | None) -> Transaction | None:
    sources = [source for source in (detail, entry) if source is not None]
    amounts = [
        _text(source, path) for source in sources for path in ("Amt", "AmtDtls/TxAmt/Amt", "AmtDtls/InstdAmt/Amt")
    ]
    try:
        amount = abs(Decimal(next(text for text in amounts if text)))
    except (StopIteration, InvalidOperation):
        return None
    sign = next((text for source in sources if (text := _text(source, "CdtDbtInd")) in ("CRDT", "DBIT")), None)
    party = "Dbtr" if sign == "CRDT" else "Cdtr"
    names = (f"RltdPties/{party}/Nm", f"RltdPties/{party}/Pty/Nm")
    return Transaction(
        amount=amount,
        credit_debit=cast("CreditDebit | None", sign),
        additional_information=_joined(entry, detail, "AddtlNtryInf", "AddtlTxInf"),
        remittance_information=_lines(detail, "RmtInf/Ustrd"),
        counterparty_name=next((text for name in names if (text := _text(detail, name))), None),
        purpose=_text(detail, "Purp/Cd") or _text(detail, "Purp/Prtry"),
    )


def _text(element: etree._Element | None, path: str) -> str | None:
    if element is None:
        return None
    text = element.findtext("/".join("{*}" + step for step in path.split("/")))
    return text.strip() or None if text else None


def _lines(element: etree._Element | None, path: str) -> str | None:
    if element is None:
        return None
    found = element.findall("/".join("{*}" + step for step in path.split("/")))
    return " ".join(text for line in found if (text := (line.text or "").strip())) or None


def _joined(entry: etree._Element, detail: etree._Element | None, of_entry: str, of_detail: str) -> str | None:
    return " ".join(text for text in (_text(entry, of_entry), _text(detail, of_detail)) if text) or None
