"""Compare the blind terms that searches go by with those that the opened fields give: none hidden, none planted."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from struct import Struct
from typing import Final
from uuid import UUID

import asyncpg

from agents.audit.difference import MultisetDifference
from agents.audit.findings import LogReport, VerifyReport
from agents.intake.sealing_stage import searched_text
from schemas.catalogue import Catalogue, SearchKind
from security.blind_terms import TERM_BYTES, BlindIndex
from security.key_provider import KeyProvider
from security.opening import OpenedField
from streams.storage.database import Connection
from streams.storage.index_keys import IndexRotation, current_versions, former_versions, present_terms

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
        provider: Gives the keys.
        rotations: Which versions of the keys count: the newest, and the one before while a rotation is under way.
        key: Fresh and secret; see `MultisetDifference`.
    """

    def __init__(
        self,
        report: VerifyReport,
        catalogue: Catalogue,
        provider: KeyProvider,
        rotations: Sequence[IndexRotation],
        key: bytes,
    ) -> None:
        self._report = report
        self._catalogue = catalogue
        self._blind = BlindIndex(provider, current_versions(rotations))
        self._exchanging = former_versions(rotations)
        self._former = BlindIndex(provider, self._exchanging)
        self._either: list[tuple[int, UUID, str, tuple[bytes, bytes]]] = []
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
        for term, former, number, name in terms:
            if former is None:
                self._difference.expect(_Item.pack(log.log_id, record, term, number))
            else:
                self._either.append((log.log_id, UUID(bytes=record), name, (term, former)))
        self._report.terms += len(terms)

    async def settle(self, connection: Connection) -> None:
        """Of the terms whose exchange is under way, expect the one that is stored: after each batch of results."""
        if not self._either:
            return
        present = await present_terms(connection, {term for *_, pair in self._either for term in pair})
        for log_id, record, name, (term, former) in self._either:
            places = [(log_id, name, each, record) in present for each in (term, former)]
            expected = former if places == [False, True] else term
            self._difference.expect(_Item.pack(log_id, record.bytes, expected, self._number(name)))
        self._either.clear()

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
    ) -> list[tuple[bytes, bytes | None, int, str]] | None:
        """Terms, former ones whose exchange is under way, and their fields; None when a value can't be read."""
        terms = []
        for name, kind, number in self._specs(tenant, catalogue_type):
            field = opened.get(name)
            if field is None:
                continue
            text = None if field.value is None else searched_text(field.value, record_type)
            if text is None:
                return None
            term = self._blind.term(tenant, name, kind, text)
            if term is not None:
                exchanging = (tenant, name) in self._exchanging
                terms.append((term, self._former.term(tenant, name, kind, text) if exchanging else None, number, name))
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
