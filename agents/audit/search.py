"""Compare the blind terms that searches go by with those that the opened fields give: none hidden, none planted."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from struct import Struct
from typing import Final
from uuid import UUID

import asyncpg
import msgspec

from agents.audit.difference import MultisetDifference
from agents.audit.findings import LogReport, VerifyReport
from agents.interpretation import TRANSACTION
from agents.sealing_stage import json_text
from schemas.catalogue import Catalogue, SearchKind
from security.blind_terms import TERM_BYTES, BlindIndex
from security.sealing import OpenedField

MAX_PASSED_OVER: Final = 100_000
"""Records whose terms can't be known; each is remembered, and beyond that many nothing is compared."""

_Item = Struct(f">q16s{TERM_BYTES}sI")  # log, record, term, number of the field

_MISSING: Final = "its blind term is gone: no search finds the record by this field"
_SURPLUS: Final = "a blind term that the field does not give: searches find the record by another value"
_ERASED: Final = "a blind term of an erased record"
_OTHER: Final = "its blind term is not that of its value"

_Searchable = tuple[tuple[str, SearchKind, int], ...]


class TermCheck:
    """Collects the terms of all results, then those that are stored, and names the difference.

    Args:
        catalogue: Says which fields are searchable now; records were indexed by what it said then.
        key: Fresh and secret; see `MultisetDifference`.
    """

    def __init__(self, report: VerifyReport, catalogue: Catalogue, blind: BlindIndex, key: bytes) -> None:
        self._report = report
        self._catalogue = catalogue
        self._blind = blind
        self._difference = MultisetDifference(_Item.size, key)
        self._searchable: dict[tuple[str, str], _Searchable] = {}
        self._fields: dict[str, int] = {}
        self._logs: dict[int, str] = {}
        self._passed_over: set[bytes] = set()
        self._erased: Collection[bytes] = frozenset()

    def open_log(self, log: LogReport) -> None:
        """Know a log by its name."""
        self._logs[log.log_id] = log.origin

    def expect(
        self, log: LogReport, record: bytes, record_type: str, catalogue_type: str, opened: Mapping[str, OpenedField]
    ) -> None:
        """Take in the terms of a result.

        Args:
            catalogue_type: What the catalogue lists its fields under: the type, or a registered record's schema.
        """
        terms = self._terms(log.tenant, record_type, catalogue_type, opened)
        if terms is None:
            self.pass_over(record)
            return
        for term, number in terms:
            self._difference.expect(_Item.pack(log.log_id, record, term, number))
        self._report.terms += len(terms)

    def pass_over(self, record: bytes) -> None:
        """A record's terms can't be known: whatever is stored for it is not compared."""
        if len(self._passed_over) <= MAX_PASSED_OVER:
            self._passed_over.add(record)

    def forbid(self, records: Collection[bytes]) -> None:
        """These records were erased: they have no terms."""
        self._erased = records
        self._passed_over.difference_update(records)

    def find(self, rows: Iterable[asyncpg.Record]) -> None:
        """Take in stored terms, after all results."""
        passed_over, fields, found = self._passed_over, self._fields, self._difference.find
        for log_id, field, token, record_id in rows:
            record = record_id.bytes
            if record in passed_over:
                continue
            number = fields.get(field)
            if record in self._erased:
                self._report.add(self._where(log_id, record, field), _ERASED)
            elif number is None or len(token) != TERM_BYTES:
                self._report.add(self._where(log_id, record, field), _SURPLUS)
            else:
                found(_Item.pack(log_id, record, token, number))

    def finish(self) -> None:
        """Name what differs."""
        if len(self._passed_over) > MAX_PASSED_OVER:
            return
        remainder, whole = self._difference.remainder()
        names = {number: field for field, number in self._fields.items()}
        places: defaultdict[tuple[int, bytes, int], list[int]] = defaultdict(list)
        for item, count in remainder.items():
            log_id, record, _, number = _Item.unpack(item)
            places[log_id, record, number].append(count)
        for (log_id, record, number), counts in sorted(places.items()):
            what = _MISSING if min(counts) > 0 else _SURPLUS if max(counts) < 0 else _OTHER
            self._report.add(self._where(log_id, record, names[number]), what)
        if not whole:
            self._report.add("table terms", "more blind terms are gone, altered or added than can be named")

    def _terms(
        self, tenant: str, record_type: str, catalogue_type: str, opened: Mapping[str, OpenedField]
    ) -> list[tuple[bytes, int]] | None:
        """Terms with the numbers of their fields; None when a value can't be read."""
        terms = []
        for name, kind, number in self._specs(tenant, catalogue_type):
            field = opened.get(name)
            if field is None:
                continue
            text = None if field.value is None else _text(field.value, record_type)
            if text is None:
                return None
            term = self._blind.term(tenant, name, kind, text)
            if term is not None:
                terms.append((term, number))
        return terms

    def _specs(self, tenant: str, catalogue_type: str) -> _Searchable:
        known = self._searchable.get((tenant, catalogue_type))
        if known is None:
            specs = self._catalogue.fields(tenant, catalogue_type).values()
            known = self._searchable[tenant, catalogue_type] = tuple(
                (spec.name, spec.search, self._number(spec.name)) for spec in specs if spec.search is not None
            )
        return known

    def _number(self, field: str) -> int:
        return self._fields.setdefault(field, len(self._fields))

    def _where(self, log_id: int, record: bytes, field: str) -> str:
        log = f"log {self._logs[log_id]}" if log_id in self._logs else f"log number {log_id}"
        return f"{log}, record {UUID(bytes=record)}, field {field}"


def _text(value: bytes, record_type: str) -> str | None:
    """What a search would be given, as the sealing stage takes it from a value."""
    try:
        return value.decode() if record_type == TRANSACTION else json_text(value)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
