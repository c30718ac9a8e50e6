"""Registering kinds of records: two people sign, records are kept by it from then on, and an audit sees tampering."""

import json
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from agents.access.catalogue_keeper import ADOPT, PROPOSE, CatalogueKeeper, entry_act
from agents.platform.knowledge import load_knowledge
from schemas.catalogue_entry import CatalogueEntry
from schemas.errors import ConfigurationError
from security.access.approval import ApprovalRefused, SignedAct
from security.access.assertion import BadAssertion, signed
from security.access.person import Person
from security.access.policy_set import default_policies
from security.access.principal import Role
from security.sealed_blob import field_tiers
from streams.storage.catalogue import EntryRow
from tests.support.approving import COLLEAGUE, OFFICIAL, PROVIDER, TAX_OFFICIAL, key_of, person, rfc3339
from tests.support.exchange import ADMINS, MEMBERS, REGISTRY, RESIDENT, SEARCHED, Exchange, acting, now
from tests.support.installation import LOG_ORIGIN
from tests.support.messages import Inbox
from tests.support.records import registered_record

FIELDS = {"id_number": (5, "not_shared"), "insurance_status": (3, "conditional"), "income": (4, "not_shared"),
          "tax_paid": (4, "not_shared"), "district": (2, "unconditional")}  # fmt: skip
SHARED = """
@id("shared-with-all") permit (principal in Role::"reader", action == Action::"read", resource)
when { resource.sharing == "unconditional" && context.purpose == "casework" };
"""
FIRST, SECOND = ADMINS


def entry(tenant: str = "registry", **changes: Any) -> CatalogueEntry:
    fields = [
        {"name": name, "tier": tier, "sharing": sharing, "search": SEARCHED.get(name)}
        for name, (tier, sharing) in (FIELDS | changes).items()
    ]
    text = {"tenant": tenant, "kind": RESIDENT, "provider": "population", "legal_basis": "art. 3", "fields": fields}
    return CatalogueEntry.parse(json.dumps(text))


def act(by: Person, change: str, version: int, about: CatalogueEntry, log: str = "registry") -> SignedAct:
    said = entry_act(change, version, about, rfc3339(now()))
    return SignedAct(by.person, signed(f"{LOG_ORIGIN}/{log}", said, key_of(by.person)))


def keeper(bureaus: Exchange) -> CatalogueKeeper:
    return CatalogueKeeper(bureaus.platform.database, bureaus.platform.identity)


async def adopted(bureaus: Exchange, about: CatalogueEntry, version: int = 1) -> EntryRow:
    await keeper(bureaus).propose(about, act(FIRST, PROPOSE, version, about))
    row = await keeper(bureaus).adopt(about, act(PROVIDER, ADOPT, version, about))
    bureaus.platform.knowledge = await load_knowledge(bureaus.platform.database, bureaus.platform.identity)
    return row


async def tiers(bureaus: Exchange, n: int) -> dict[str, int]:
    """Of a new record."""
    inbox = Inbox(topic="records", partition=n)
    registered_record(inbox, f"resident-{n}", RESIDENT, MEMBERS, producer=REGISTRY)
    await (await bureaus.platform.worker()).commit(inbox.take())
    return await newest(bureaus)


async def newest(bureaus: Exchange) -> dict[str, int]:
    """Tiers of the newest record, as it is sealed."""
    (row,) = await bureaus.platform.rows("SELECT record_id, sealed FROM results ORDER BY created_at DESC LIMIT 1")
    return {field: tier for field, tier in field_tiers(row["record_id"].bytes, row["sealed"]) if field in FIELDS}


async def findings(bureaus: Exchange) -> list[str]:
    await bureaus.platform.sequence()
    return [str(each) for each in (await bureaus.platform.audit()).findings]


async def test_records_are_kept_by_the_entry_from_its_adoption_on(bureaus: Exchange) -> None:
    before = await tiers(bureaus, 0)
    await keeper(bureaus).propose(entry(), act(FIRST, PROPOSE, 1, entry()))
    assert await tiers(bureaus, 1) == before
    await keeper(bureaus).adopt(entry(), act(PROVIDER, ADOPT, 1, entry()))
    bureaus.platform.knowledge = await load_knowledge(bureaus.platform.database, bureaus.platform.identity)
    assert await tiers(bureaus, 2) == {name: tier for name, (tier, _) in FIELDS.items()} != before
    assert await findings(bureaus) == []


async def test_what_was_processed_by_the_former_version_is_processed_again(bureaus: Exchange) -> None:
    worker, inbox = await bureaus.platform.worker(), Inbox(topic="records")
    registered_record(inbox, "r1", RESIDENT, MEMBERS, producer=REGISTRY)
    outcomes = await worker.process(inbox.take())
    await adopted(bureaus, entry())
    await worker.parts.committer.commit(outcomes)
    assert await bureaus.platform.one("SELECT count(*) FROM results") == 0
    await (await bureaus.platform.worker()).commit(inbox.batch(0, 1))
    assert await newest(bureaus) == {name: tier for name, (tier, _) in FIELDS.items()}


async def test_each_version_is_a_leaf_that_names_it(bureaus: Exchange) -> None:
    await adopted(bureaus, entry())
    leaves = [leaf for leaf in await bureaus.platform.leaves("registry") if leaf["kind"] == "catalogue"]
    assert [(leaf["access"]["change"], leaf["access"]["id"], leaf["access"]["version"]) for leaf in leaves] == [
        (PROPOSE, RESIDENT, 1),
        (ADOPT, RESIDENT, 1),
    ]
    assert {leaf["access"]["digest"] for leaf in leaves} == {entry().digest()}


async def test_policies_decide_by_how_a_field_is_shared(bureaus: Exchange) -> None:
    (name,) = await bureaus.residents()
    await bureaus.adopt(default_policies() + SHARED)

    async def seen() -> dict[str, str | None]:
        found = await bureaus.desk().show(acting(TAX_OFFICIAL), "casework", name)
        return {field: each.value for one in found for field, each in one.fields.items() if each.value is not None}

    assert await seen() == {}
    await adopted(bureaus, entry())
    assert await seen() == {"district": '"east"'}
    await adopted(bureaus, entry(district=(2, "conditional")), 2)
    assert await seen() == {}
    assert await findings(bureaus) == []


@pytest.mark.parametrize(
    ("by", "error"),
    [
        pytest.param(FIRST, ApprovalRefused, id="proposer"),
        pytest.param(SECOND, ApprovalRefused, id="another-administrator"),
        pytest.param(COLLEAGUE, ApprovalRefused, id="colleague-without-the-duty"),
        pytest.param(OFFICIAL, ApprovalRefused, id="somebody-else"),
        pytest.param(replace(PROVIDER, person="head"), BadAssertion, id="forged"),
    ],
)
async def test_only_who_answers_for_the_data_adopts(bureaus: Exchange, by: Person, error: type[Exception]) -> None:
    await keeper(bureaus).propose(entry(), act(FIRST, PROPOSE, 1, entry()))
    signing = act(by, ADOPT, 1, entry())
    if error is BadAssertion:
        signing = SignedAct("head", act(OFFICIAL, ADOPT, 1, entry()).change)
    with pytest.raises(error):
        await keeper(bureaus).adopt(entry(), signing)
    assert await bureaus.platform.one("SELECT count(*) FROM catalogue_versions WHERE adopter IS NOT NULL") == 0


async def test_only_administrators_propose(bureaus: Exchange) -> None:
    with pytest.raises(ApprovalRefused):
        await keeper(bureaus).propose(entry(), act(PROVIDER, PROPOSE, 1, entry()))


async def test_what_is_adopted_is_what_was_signed_and_stands_on_what_is_in_force(bureaus: Exchange) -> None:
    kept, other = keeper(bureaus), entry(district=(1, "not_shared"))
    await kept.propose(entry(), act(FIRST, PROPOSE, 1, entry()))
    await kept.propose(other, act(FIRST, PROPOSE, 2, other))
    with pytest.raises(ApprovalRefused):
        await kept.adopt(entry(), act(PROVIDER, ADOPT, 1, other))
    with pytest.raises(ConfigurationError, match="no such proposal"):
        await kept.adopt(other, act(PROVIDER, ADOPT, 1, other))
    with pytest.raises(ConfigurationError, match="no such proposal"):
        await kept.adopt(entry(), act(PROVIDER, ADOPT, 9, entry()))
    with pytest.raises(ConfigurationError, match="next version is 3"):
        await kept.propose(entry(), act(FIRST, PROPOSE, 2, entry()))
    await kept.adopt(entry(), act(PROVIDER, ADOPT, 1, entry()))
    with pytest.raises(ConfigurationError, match="another version"):
        await kept.adopt(other, act(PROVIDER, ADOPT, 2, other))
    with pytest.raises(ConfigurationError, match="no such proposal"):
        await kept.adopt(entry(), act(PROVIDER, ADOPT, 1, entry()))


@pytest.mark.parametrize("field", [{"name": "insurance_status", "tier": 3}, None], ids=["not-searchable", "gone"])
async def test_what_stored_records_are_found_by_stays_as_it_is(bureaus: Exchange, field: dict[str, Any] | None) -> None:
    others = [msgspec.to_builtins(each) for each in entry().fields if each.name != "insurance_status"]
    changed = CatalogueEntry.parse(
        json.dumps(msgspec.to_builtins(entry()) | {"fields": others + ([field] if field else [])})
    )
    with pytest.raises(ConfigurationError, match="insurance_status"):
        await keeper(bureaus).propose(changed, act(FIRST, PROPOSE, 1, changed))


async def test_an_entry_for_everybody_is_two_administrators(bureaus: Exchange) -> None:
    nearby = person("nearby", "exchange", "council", roles=frozenset({Role.ADMINISTRATOR}))
    await bureaus.register(nearby)
    every = entry("*")
    await keeper(bureaus).propose(every, act(FIRST, PROPOSE, 1, every, "platform"))
    for by in (FIRST, nearby, PROVIDER):
        with pytest.raises(ApprovalRefused):
            await keeper(bureaus).adopt(every, act(by, ADOPT, 1, every, "platform"))
    await keeper(bureaus).adopt(every, act(SECOND, ADOPT, 1, every, "platform"))
    assert await findings(bureaus) == []


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        pytest.param(
            "UPDATE catalogue_versions SET text = replace(text, '\"tier\":5', '\"tier\":1')",
            "does not carry the platform's MAC",
            id="tier-lowered",
        ),
        pytest.param("DELETE FROM catalogue_versions", "says that it is in force, and no row does", id="deleted"),
        pytest.param(
            "UPDATE catalogue_versions SET version = 2, based_on = 1", "no leaf has the signature", id="another-version"
        ),
        pytest.param(
            "INSERT INTO catalogue_versions SELECT 'gov', record_type, 1, 0, text, digest, proposer, adopter, mac "
            "FROM catalogue_versions",
            "no leaf has the signature",
            id="moved-to-another-tenant",
        ),
    ],
)
async def test_an_audit_sees_what_sql_changed(bureaus: Exchange, statement: str, words: str) -> None:
    await adopted(bureaus, entry())
    assert await findings(bureaus) == []
    await bureaus.platform.execute(statement)
    assert any(words in each for each in await findings(bureaus))


async def test_an_audit_counts_rows_that_nobody_signed_for(bureaus: Exchange) -> None:
    assert (await bureaus.platform.audit()).catalogue_unregistered == len(FIELDS)
    await bureaus.platform.execute("DELETE FROM catalogue_fields WHERE record_type = $1", RESIDENT)
    assert (await bureaus.platform.audit()).catalogue_unregistered == 0
    await bureaus.platform.execute("UPDATE catalogue_fields SET tier = 1 WHERE field = 'amount'")
    assert (await bureaus.platform.audit()).catalogue_unregistered == 1


async def test_no_record_is_kept_by_an_entry_that_sql_changed(bureaus: Exchange) -> None:
    await adopted(bureaus, entry())
    await bureaus.platform.execute("UPDATE catalogue_versions SET text = replace(text, '\"tier\":5', '\"tier\":1')")
    with pytest.raises(ConfigurationError, match="platform's MAC"):
        await load_knowledge(bureaus.platform.database, bureaus.platform.identity)
