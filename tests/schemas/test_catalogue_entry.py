"""Entries of the catalogue: one form, one digest, and what is refused."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.catalogue_entry import MAX_ENTRY, CatalogueEntry
from schemas.errors import ConfigurationError

ENTRY: dict[str, Any] = {
    "tenant": "registry",
    "kind": "urn:schema:resident",
    "provider": "population",
    "legal_basis": "Resident Registration Act, art. 3",
    "fields": [{"name": "id_number", "tier": 4}, {"name": "district", "tier": 1, "sharing": "unconditional"}],
}


def entry(**changes: Any) -> CatalogueEntry:
    return CatalogueEntry.parse(json.dumps({k: v for k, v in (ENTRY | changes).items() if v is not ...}))


@given(st.permutations(ENTRY["fields"]), st.permutations(list(ENTRY)), st.sampled_from([None, 1]))
def test_the_same_entry_has_one_text_and_one_digest(fields: Any, order: Any, indent: int | None) -> None:
    written = json.dumps({name: (ENTRY | {"fields": fields})[name] for name in order}, indent=indent)
    found = CatalogueEntry.parse(written)
    assert (found.text(), found.digest()) == (entry().text(), entry().digest())
    assert CatalogueEntry.parse(found.text()) == found


def test_what_is_not_said_is_not_shared() -> None:
    assert {row.field: (row.tier, row.sharing) for row in entry().rows()} == {
        "id_number": (4, "not_shared"),
        "district": (1, "unconditional"),
    }


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"tenant": "Registry!"}, id="tenant"),
        pytest.param({"provider": "*"}, id="provider"),
        pytest.param({"provider": ...}, id="no-provider"),
        pytest.param({"legal_basis": " "}, id="no-legal-basis"),
        pytest.param({"legal_basis": ...}, id="legal-basis-missing"),
        pytest.param({"kind": "a kind"}, id="kind"),
        pytest.param({"owner": "me"}, id="unknown-member"),
        pytest.param({"fields": []}, id="no-fields"),
        pytest.param({"fields": [{"name": "a", "tier": 1}, {"name": "a", "tier": 2}]}, id="field-twice"),
        pytest.param({"fields": [{"name": "a", "tier": 6}]}, id="tier"),
        pytest.param({"fields": [{"name": "a", "tier": True}]}, id="tier-that-is-no-number"),
        pytest.param({"fields": [{"name": "a", "tier": 4, "search": "name"}]}, id="searchable-at-tier-4"),
        pytest.param({"fields": [{"name": "a", "tier": 1, "search": "magic"}]}, id="search"),
        pytest.param({"fields": [{"name": "a", "tier": 1, "sharing": "sometimes"}]}, id="sharing"),
        pytest.param({"fields": [{"name": "a\u0000", "tier": 1}]}, id="control-character"),
        pytest.param({"fields": [{"name": "a", "tier": 1, "domain": "b"}]}, id="unknown-member-of-a-field"),
    ],
)
def test_what_is_no_entry_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        entry(**changes)


@pytest.mark.parametrize("text", ["", "[]", "null", "{" * 1_000, "x" * (MAX_ENTRY + 1)], ids=range(5))
def test_what_is_no_json_object_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError):
        CatalogueEntry.parse(text)
