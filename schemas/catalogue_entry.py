"""What is registered of a kind of record: its provider, the legal basis, and how each field is kept and shared.

An entry is agreed on as one text, whose digest people sign; what is in force is schemas.catalogue's to look up.
"""

import hashlib
import re
from typing import Annotated, Final, Literal, Self

import msgspec

from schemas.catalogue import ANY_TENANT, Catalogue, CatalogueRow
from schemas.errors import ConfigurationError

MAX_ENTRY: Final = 262_144
CONTEXT: Final = b"sealstream/catalogue/v1\n"
"""Hashed before an entry's text."""
_UNIT: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_Word = Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=r"^[^\s\x00-\x1f\x7f]+$")]


class CatalogueField(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A field. Members are declared in sorted order.

    Attributes:
        name: As records have it; `evidence` is the least tier of the message's own bytes.
        search: How its values are searched; None when they are not.
        sharing: Whether other units get it: `unconditional`, `conditional` (for a purpose, by an approval: policies
            say), or `not_shared`.
        tier: JR/T 0197 level, 1 to 5.
    """

    name: _Word
    search: str | None = None
    sharing: Literal["unconditional", "conditional", "not_shared"] = "not_shared"
    tier: Annotated[int, msgspec.Meta(ge=1, le=5)]


class CatalogueEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A kind of record. Members are declared in sorted order.

    Attributes:
        kind: A CloudEvents type, or the `dataschema` of registered records.
        legal_basis: By which it is collected and shared.
        provider: The department that answers for the data.
        tenant: Whose records these are; `*` for everybody who has no entry of their own.
    """

    fields: Annotated[tuple[CatalogueField, ...], msgspec.Meta(min_length=1, max_length=1_000)]
    kind: _Word
    legal_basis: Annotated[str, msgspec.Meta(min_length=1, max_length=2_000, pattern=r"\S")]
    provider: str
    tenant: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an entry, as JSON.

        Raises:
            ConfigurationError: It has not its form, names a field twice, or a tier or search that can't be.
        """
        if len(text) > MAX_ENTRY:
            raise ConfigurationError(f"an entry of the catalogue has at most {MAX_ENTRY} characters")
        try:
            entry = msgspec.json.decode(text, type=cls)
        except msgspec.DecodeError as exc:
            raise ConfigurationError(f"that is no entry of the catalogue: {exc}") from exc
        if entry.tenant != ANY_TENANT and not _UNIT.fullmatch(entry.tenant):
            raise ConfigurationError("an entry's tenant is small letters, digits and -, or * for everybody")
        if not _UNIT.fullmatch(entry.provider):
            raise ConfigurationError("an entry's provider is a department: small letters, digits and -")
        Catalogue.from_rows(entry.rows())
        return msgspec.structs.replace(entry, fields=tuple(sorted(entry.fields, key=lambda each: each.name)))

    def text(self) -> str:
        """The entry in its one form: JSON with sorted members and fields."""
        return msgspec.json.encode(self, order="deterministic").decode()

    def digest(self) -> str:
        """SHA-256 of that form, hex: what is signed."""
        return hashlib.sha256(CONTEXT + self.text().encode()).hexdigest()

    def rows(self) -> list[CatalogueRow]:
        """Its fields, as the catalogue looks them up."""
        return [
            CatalogueRow(self.tenant, self.kind, each.name, None, each.tier, each.search, each.sharing)
            for each in self.fields
        ]
