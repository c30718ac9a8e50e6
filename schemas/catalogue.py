"""The field catalogue: tier, domain and searchability of every field of every record type.

The defaults are here; tenants' own rows come from the table `catalogue_fields`. Taking the fields' values out of a
record is schemas.field_values; sealing them is security.sealing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final, Self

from schemas.errors import ConfigurationError, Rejection
from schemas.reasons import Reason
from schemas.transaction import Transaction

TRANSACTION: Final = "io.sealstream.transaction.v1"
STATEMENT: Final = "io.sealstream.statement.v1"
DOCUMENT: Final = "io.sealstream.document.v1"
CLOSING: Final = "io.sealstream.closing.v1"

ANY_TENANT: Final = "*"
EVIDENCE: Final = "evidence"
"""A row of this name sets the lowest tier for the bytes of a type's messages; it is no field of a record."""

NOT_SHARED: Final = "not_shared"

MAX_TIER: Final = 5
MAX_SEARCHABLE_TIER: Final = 3
REJECTED_EVIDENCE_TIER: Final = 4
"""Nobody vouches for what a rejected message holds."""

_MIN_EVIDENCE_TIER: Final = 3
_RESULT_TIERS: Final = {"label": 2, "confidence": 2}
_DOCUMENT_TIERS: Final = {"entities": 3}
"""What was found in a document is as sensitive as the document, so never below the tier of its bytes."""
_CLOSING_TIERS: Final = {"from": 2, "to": 2, "replaces": 2, "count": 3, "totals": 3, "root": 3}


class SearchKind(StrEnum):
    """How a searchable field's values are normalised before they become blind terms (security.blind_terms).

    An amount is found by its bucket alone: the power of ten below it, or that with its first digit.
    """

    ACCOUNT = "account"
    NAME = "name"
    REFERENCE = "reference"
    MAGNITUDE = "magnitude"
    LEADING_DIGIT = "leading_digit"


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """How one field is kept.

    Attributes:
        name: The field.
        tier: JR/T 0197 level, 1 to 5.
        search: How its values are searched; None when they are not. Never set above tier 3.
        domain: The department that owns it; None: the one the record's signing key is bound to.
        sharing: `unconditional`, `conditional` or `not_shared`; what that means, policies say.
    """

    name: str
    tier: int
    search: SearchKind | None = None
    domain: str | None = None
    sharing: str = NOT_SHARED


@dataclass(frozen=True, slots=True)
class CatalogueRow:
    """One row as stored.

    Attributes:
        tenant: Whose row it is; `*` for everybody who has no row of their own for the field.
        record_type: A CloudEvents type, or the `dataschema` of registered records.
        field: The field's name.
        domain: See `FieldSpec`.
        tier: See `FieldSpec`.
        search: A `SearchKind`, as text.
        sharing: See `FieldSpec`.
    """

    tenant: str
    record_type: str
    field: str
    domain: str | None
    tier: int
    search: str | None
    sharing: str = NOT_SHARED


class Catalogue:
    """Looks up how fields are kept; what it does not name, no record may hold. Statements have transactions' fields."""

    def __init__(self, fields: Mapping[tuple[str, str], Mapping[str, FieldSpec]]) -> None:
        self._fields = {place: MappingProxyType(_fail_closed(specs)) for place, specs in fields.items()}
        self._shared = {place: _shared(specs) for place, specs in self._fields.items()}
        self._evidence_tiers = {place: _evidence_tier(specs) for place, specs in fields.items()}

    @classmethod
    def from_rows(cls, rows: Iterable[CatalogueRow]) -> Self:
        """Build the catalogue: a tenant's row replaces the general one for the same field.

        Raises:
            ConfigurationError: A field is listed twice, has no valid tier, or is searchable where it may not be.
        """
        own: dict[tuple[str, str], dict[str, FieldSpec]] = {}
        for row in rows:
            specs = own.setdefault((row.tenant, row.record_type), {})
            if row.field in specs:
                raise ConfigurationError(f"{_place(row)} is in the catalogue twice; delete one of the rows")
            specs[row.field] = _checked_spec(row)
        tenants = {ANY_TENANT} | {tenant for tenant, _ in own}
        types = {record_type for _, record_type in own}
        merged = {
            (tenant, record_type): _merged(own, tenant, record_type) for tenant in tenants for record_type in types
        }
        return cls({place: specs for place, specs in merged.items() if specs})

    def fields(self, tenant: str, record_type: str) -> Mapping[str, FieldSpec]:
        """The fields of a record type, in no order; empty for a type that is not in the catalogue.

        Indexing it with a field that the catalogue does not name raises `Rejection` (schema_violation), so that no
        value is ever kept without a tier.
        """
        return self._fields.get((tenant, record_type)) or self._fields.get((ANY_TENANT, record_type)) or _NO_FIELDS

    def shared(self, tenant: str, record_type: str) -> tuple[tuple[str, str], ...]:
        """The fields of a record type that are shared at all, sorted, each with how."""
        found = self._shared.get((tenant, record_type))
        return found if found is not None else self._shared.get((ANY_TENANT, record_type), ())

    def evidence_tier(self, tenant: str, record_type: str) -> int:
        """Tier of an accepted message's own bytes: that of its highest field, at least 3; 5 for a type not in here."""
        tiers = self._evidence_tiers
        return tiers.get((tenant, record_type)) or tiers.get((ANY_TENANT, record_type)) or MAX_TIER

    def record_types(self, tenant: str) -> list[str]:
        """The record types that a tenant's records can have, sorted."""
        return sorted({kind for owner, kind in self._fields if owner in (tenant, ANY_TENANT)})

    def searchable(self, tenant: str, tier: int) -> list[str]:
        """The names of a tenant's searchable fields of one tier, in any type, sorted."""
        specs = [spec for kind in self.record_types(tenant) for spec in self.fields(tenant, kind).values()]
        return sorted({spec.name for spec in specs if spec.search is not None and spec.tier == tier})


class _FailClosed(dict[str, FieldSpec]):
    """Specs by field; a missing one rejects the record."""

    def __missing__(self, name: str) -> FieldSpec:
        # Other names may come from a producer's JSON, and then they are a value of the record.
        known = f"field {name!r}" if name in _OUR_NAMES else "a field"
        raise Rejection(Reason.SCHEMA_VIOLATION, f"{known} of the record has no entry in the catalogue of its type")


def _fail_closed(specs: Mapping[str, FieldSpec]) -> _FailClosed:
    return _FailClosed((name, spec) for name, spec in specs.items() if name != EVIDENCE)


def _shared(specs: Mapping[str, FieldSpec]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted([(spec.name, spec.sharing) for spec in specs.values() if spec.sharing != NOT_SHARED]))


def _evidence_tier(specs: Mapping[str, FieldSpec]) -> int:
    return max([_MIN_EVIDENCE_TIER, *(spec.tier for spec in specs.values())])


def _merged(
    own: Mapping[tuple[str, str], Mapping[str, FieldSpec]], tenant: str, record_type: str
) -> dict[str, FieldSpec]:
    specs: dict[str, FieldSpec] = {}
    # A statement's items are transactions: whoever raises a field's tier raises that of the statements that hold it.
    for kind in (TRANSACTION, STATEMENT) if record_type == STATEMENT else (record_type,):
        for owner in (ANY_TENANT, tenant):
            specs |= own.get((owner, kind), {})
    return specs


def _checked_spec(row: CatalogueRow) -> FieldSpec:
    if not 1 <= row.tier <= MAX_TIER:
        raise ConfigurationError(f"{_place(row)} has tier {row.tier} in the catalogue; tiers are 1 to {MAX_TIER}")
    if row.search is None:
        return FieldSpec(row.field, row.tier, None, row.domain, row.sharing)
    if row.tier > MAX_SEARCHABLE_TIER or row.field == EVIDENCE:
        raise ConfigurationError(
            f"{_place(row)} may not be searchable; only fields up to tier {MAX_SEARCHABLE_TIER} may, and evidence never"
        )
    try:
        kind = SearchKind(row.search)
    except ValueError as exc:
        kinds = ", ".join(SearchKind)
        raise ConfigurationError(f"{_place(row)} has an unknown kind of search; there are {kinds}") from exc
    return FieldSpec(row.field, row.tier, kind, row.domain, row.sharing)


def _place(row: CatalogueRow) -> str:
    return f"field {row.field!r} of {row.record_type!r} for tenant {row.tenant!r}"


# JR/T 0197 level 2: internal facts that identify nobody. What names a party, tells a sum or is free text is level 3.
_TIER_2: Final = frozenset(
    {
        "bank_transaction_code",
        "booking_date",
        "credit_debit",
        "currency",
        "purpose",
        "reversal",
        "status",
        "value_date",
    }
)
_SEARCHABLE: Final = {
    "account": SearchKind.ACCOUNT,
    "counterparty_account": SearchKind.ACCOUNT,
    "counterparty_name": SearchKind.NAME,
    "end_to_end_id": SearchKind.REFERENCE,
}
_OUR_NAMES: Final = frozenset(Transaction.__struct_fields__) | (
    _RESULT_TIERS.keys() | _DOCUMENT_TIERS.keys() | _CLOSING_TIERS.keys()
)
_NO_FIELDS: Final = MappingProxyType(_FailClosed())


def _default_rows() -> Iterable[CatalogueRow]:
    for name in Transaction.__struct_fields__:
        yield CatalogueRow(ANY_TENANT, TRANSACTION, name, None, 2 if name in _TIER_2 else 3, _SEARCHABLE.get(name))
    for record_type in (TRANSACTION, STATEMENT, DOCUMENT):
        for name, tier in _RESULT_TIERS.items():
            yield CatalogueRow(ANY_TENANT, record_type, name, None, tier, None)
        yield CatalogueRow(ANY_TENANT, record_type, EVIDENCE, None, _MIN_EVIDENCE_TIER, None)
    for name, tier in _DOCUMENT_TIERS.items():
        yield CatalogueRow(ANY_TENANT, DOCUMENT, name, None, tier, None)
    for name, tier in _CLOSING_TIERS.items():
        yield CatalogueRow(ANY_TENANT, CLOSING, name, None, tier, None)
    yield CatalogueRow(ANY_TENANT, CLOSING, EVIDENCE, None, _MIN_EVIDENCE_TIER, None)


DEFAULT_CATALOGUE: Final = tuple(_default_rows())
"""What every installation starts with; rows of the database may add to it and replace it."""
