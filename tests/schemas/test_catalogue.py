import dataclasses

import pytest

from schemas.catalogue import (
    ANY_TENANT,
    CLOSING,
    DEFAULT_CATALOGUE,
    DOCUMENT,
    EVIDENCE,
    STATEMENT,
    TRANSACTION,
    Catalogue,
    CatalogueRow,
    FieldSpec,
    SearchKind,
)
from schemas.errors import ConfigurationError, Rejection
from schemas.reasons import Reason
from schemas.transaction import Transaction

RECORD = "https://registry.example/schemas/case/1"


def row(
    field: str,
    tier: int,
    *,
    tenant: str = ANY_TENANT,
    record_type: str = TRANSACTION,
    search: str | None = None,
    domain: str | None = None,
) -> CatalogueRow:
    return CatalogueRow(tenant=tenant, record_type=record_type, field=field, domain=domain, tier=tier, search=search)


DEFAULTS = Catalogue.from_rows(DEFAULT_CATALOGUE)


@pytest.mark.parametrize("record_type", [TRANSACTION, STATEMENT])
def test_every_field_of_a_transaction_and_its_result_has_a_default(record_type: str) -> None:
    fields = DEFAULTS.fields("bank-a", record_type)
    assert set(fields) == {*Transaction.__struct_fields__, "label", "confidence"}


@pytest.mark.parametrize(
    ("field", "tier", "search"),
    [
        ("account", 3, SearchKind.ACCOUNT),
        ("account_servicer", 3, None),
        ("account_servicer_reference", 3, None),
        ("additional_information", 3, None),
        ("amount", 3, None),
        ("bank_transaction_code", 2, None),
        ("booking_date", 2, None),
        ("confidence", 2, None),
        ("counterparty_account", 3, SearchKind.ACCOUNT),
        ("counterparty_agent", 3, None),
        ("counterparty_name", 3, SearchKind.NAME),
        ("credit_debit", 2, None),
        ("currency", 2, None),
        ("end_to_end_id", 3, SearchKind.REFERENCE),
        ("label", 2, None),
        ("purpose", 2, None),
        ("remittance_information", 3, None),
        ("reversal", 2, None),
        ("status", 2, None),
        ("structured_reference", 3, None),
        ("ultimate_counterparty_name", 3, None),
        ("uetr", 3, None),
        ("value_date", 2, None),
    ],
)
def test_default_tiers_follow_jrt_0197(field: str, tier: int, search: SearchKind | None) -> None:
    assert DEFAULTS.fields("bank-a", TRANSACTION)[field] == FieldSpec(field, tier, search, None)


def test_rows_go_through_the_table_and_back() -> None:
    stored = [CatalogueRow(**dataclasses.asdict(line)) for line in reversed(DEFAULT_CATALOGUE)]
    again = Catalogue.from_rows(stored)
    assert again.fields("x", TRANSACTION) == DEFAULTS.fields("x", TRANSACTION)
    assert len({(line.tenant, line.record_type, line.field) for line in stored}) == len(stored)


def test_a_tenants_row_replaces_the_general_one_for_that_tenant_alone() -> None:
    rows = [
        row("account", 4, tenant="bank-a", domain="vault"),
        row("account_alias", 2, tenant="bank-a"),
        *DEFAULT_CATALOGUE,
    ]
    catalogue = Catalogue.from_rows(rows)
    own = catalogue.fields("bank-a", TRANSACTION)
    assert own["account"] == FieldSpec("account", 4, None, "vault")
    assert own["account_alias"].tier == 2
    assert own["amount"] == DEFAULTS.fields("bank-a", TRANSACTION)["amount"]
    assert catalogue.fields("bank-b", TRANSACTION) == DEFAULTS.fields("bank-b", TRANSACTION)


def test_evidence_has_the_tier_of_the_highest_field_and_at_least_three() -> None:
    raised = Catalogue.from_rows([*DEFAULT_CATALOGUE, row("uetr", 5, tenant="bank-a")])
    assert [raised.evidence_tier(tenant, TRANSACTION) for tenant in ("bank-a", "bank-b")] == [5, 3]
    low = Catalogue.from_rows([row("a", 1, record_type=RECORD), row("b", 2, record_type=RECORD)])
    assert low.evidence_tier("bank-a", RECORD) == 3
    assert DEFAULTS.evidence_tier("bank-a", DOCUMENT) == 3


def test_a_statements_evidence_follows_the_transactions_in_it() -> None:
    raised = Catalogue.from_rows([*DEFAULT_CATALOGUE, row("uetr", 4, tenant="bank-a")])
    assert raised.evidence_tier("bank-a", STATEMENT) == 4
    assert raised.fields("bank-a", STATEMENT)["uetr"].tier == 4
    assert raised.evidence_tier("bank-b", STATEMENT) == 3


def test_an_evidence_row_raises_the_tier_and_never_lowers_it() -> None:
    raised = Catalogue.from_rows([*DEFAULT_CATALOGUE, row(EVIDENCE, 4, tenant="bank-a", record_type=DOCUMENT)])
    assert raised.evidence_tier("bank-a", DOCUMENT) == 4
    lowered = Catalogue.from_rows([*DEFAULT_CATALOGUE, row(EVIDENCE, 1, tenant="bank-a")])
    assert lowered.evidence_tier("bank-a", TRANSACTION) == 3


def test_evidence_is_no_field_of_a_record() -> None:
    fields = DEFAULTS.fields("bank-a", TRANSACTION)
    assert EVIDENCE not in fields
    with pytest.raises(Rejection):
        fields[EVIDENCE]


def test_a_type_that_is_not_listed_has_no_fields_and_the_highest_evidence_tier() -> None:
    assert not DEFAULTS.fields("bank-a", RECORD)
    assert DEFAULTS.evidence_tier("bank-a", RECORD) == 5


def test_one_tenants_types_are_not_anothers() -> None:
    catalogue = Catalogue.from_rows([*DEFAULT_CATALOGUE, row("plot", 2, tenant="registry", record_type=RECORD)])
    assert set(catalogue.fields("registry", RECORD)) == {"plot"}
    assert not catalogue.fields("bank-a", RECORD)
    assert catalogue.record_types("bank-a") == sorted([TRANSACTION, STATEMENT, DOCUMENT, CLOSING])
    assert catalogue.record_types("registry") == sorted([TRANSACTION, STATEMENT, DOCUMENT, CLOSING, RECORD])


def test_a_field_without_an_entry_rejects_the_record() -> None:
    catalogue = Catalogue.from_rows([row("amount", 3)])
    with pytest.raises(Rejection, match="'account'") as caught:
        catalogue.fields("bank-a", TRANSACTION)["account"]
    assert caught.value.reason is Reason.SCHEMA_VIOLATION
    with pytest.raises(Rejection) as caught:
        catalogue.fields("bank-a", "unknown")["account"]
    assert caught.value.reason is Reason.SCHEMA_VIOLATION


def test_a_producers_own_member_name_is_not_repeated() -> None:
    with pytest.raises(Rejection) as caught:
        DEFAULTS.fields("bank-a", TRANSACTION)["patient Zhang San"]
    assert "Zhang" not in str(caught.value)


def test_fields_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        DEFAULTS.fields("bank-a", TRANSACTION)["x"] = FieldSpec("x", 1)  # type: ignore[index]


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        pytest.param([row("a", 4, search="name")], "searchable", id="search-at-tier-4"),
        pytest.param([row("a", 5, search="account")], "searchable", id="search-at-tier-5"),
        pytest.param([row(EVIDENCE, 3, search="name")], "searchable", id="search-of-evidence"),
        pytest.param([row("a", 3, search="soundex")], "account, name, reference", id="unknown-search"),
        pytest.param([row("a", 0)], "tier 0", id="tier-0"),
        pytest.param([row("a", 6)], "tier 6", id="tier-6"),
        pytest.param([row("a", 3), row("a", 2)], "twice", id="twice"),
    ],
)
def test_refuses_rows_that_break_the_rules(bad: list[CatalogueRow], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        Catalogue.from_rows([*bad, row("b", 1)])


def test_nothing_above_tier_three_is_searchable_by_default() -> None:
    assert {line.field for line in DEFAULT_CATALOGUE if line.search} == {
        "account",
        "counterparty_account",
        "counterparty_name",
        "end_to_end_id",
    }
    assert all(line.tier <= 3 for line in DEFAULT_CATALOGUE if line.search)
