"""The console's pages of what decides, without a browser: policies, the catalogue, models; signed with key files."""

import html
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from agents.inference.evaluation import Evaluation, LabelScore, encode_evaluations
from agents.inference.model_store import ModelStore
from agents.inference.transaction_kind import MODEL_DIRECTORY
from agents.models.model_offer import read_offered
from schemas.catalogue_entry import CatalogueEntry
from sealstream.console.pages import policy_effects
from sealstream.console.rendering import exact
from security.access.person import Person
from security.access.policy_set import default_policies
from security.access.principal import Role
from streams.storage.models import ModelRow, add_comparisons, insert_model
from tests.support.api import AUDITOR, OPERATOR, READER, Site, served
from tests.support.approving import COLLEAGUE, OFFICIAL, PROVIDER, key_of, person
from tests.support.console import Caller, caller, known
from tests.support.exchange import ADMINS, POLICIES, RESIDENT, Exchange
from tests.support.installation import BANK_A, Installation
from tests.support.models import other_version

FIRST, SECOND = map(known, ADMINS)
NEIGHBOUR = known(person("neighbour", "exchange", "council", roles=frozenset({Role.ADMINISTRATOR})))
KEYLESS = replace(known(person("keyless", "exchange", "depot", roles=frozenset({Role.ADMINISTRATOR}))), jwk=None)
XSS = '<img src=x onerror="alert(1)">'
DISTRICT = f"""
@id("district<script>alert(1)</script>") permit (
  principal in Department::"gov/social-security", action == Action::"read", resource in RecordKind::"{RESIDENT}"
) when {{ context.purpose == "casework" && resource.name == "district" }};
"""
ENTRY: dict[str, Any] = {
    "kind": RESIDENT,
    "tenant": "registry",
    "provider": "population",
    "legal_basis": f"Law {XSS}",
    "fields": [
        {"name": "id_number", "tier": 5},
        {"name": "insurance_status", "tier": 3, "search": "reference"},
        {"name": "income", "tier": 4, "sharing": "conditional"},
        {"name": "tax_paid", "tier": 4},
        {"name": "district", "tier": 1},
    ],
}


@pytest.fixture
async def visit(bureaus: Exchange) -> AsyncIterator[Caller]:
    people = [FIRST, SECOND, NEIGHBOUR, KEYLESS, AUDITOR, READER, *map(known, (OFFICIAL, PROVIDER, COLLEAGUE))]
    async with served(bureaus.platform, people=people) as site, caller(site) as made:
        yield made


async def sign(visit: Caller, page: httpx.Response, who: Person, **changed: str) -> httpx.Response:
    """Sign what a page asks for, with a key file, and send it on as its form would."""
    assert page.status_code == 200, page.text
    form = page.text[page.text.index('id="sign"') - 200 :]
    action = re.findall(r'action="/console([^"]*)" class="card" id="sign"', page.text)[0]
    fields = {name: html.unescape(value) for name, value in re.findall(r'name="([a-z]+)" value="([^"]*)"', form)}
    statement = html.unescape(re.findall(r'<pre id="statement"[^>]*>([^<]*)</pre>', page.text)[0])
    signature = key_of(who.person).sign(statement.encode())
    fields |= {"assertion": msgspec.json.encode(signature).decode().strip('"')} | changed
    return await visit.post(action, **fields)


async def propose(visit: Caller, policies: str, /, who: Person = FIRST, **changed: str) -> httpx.Response:
    await visit.log_in(who)
    # Browsers send lines with carriage returns.
    return await sign(visit, await visit.post("/policies/new", text=policies.replace("\n", "\r\n")), who, **changed)


async def test_policies_are_proposed_compared_and_adopted_by_another_unit(visit: Caller) -> None:
    answer = await propose(visit, default_policies() + POLICIES + DISTRICT)
    assert answer.headers["location"] == "/console/policies/2"
    assert "Proposed" in (await visit.get("/policies/2")).text
    page = (await visit.get("/policies/2/changes")).text
    gains = re.findall(r"<h2>(\S+) gains: ([^<]*)</h2>", page)
    assert set(gains) == {(name, "district") for name in ("official", "head", "es-deputy")}
    assert " loses" not in page
    assert "<script>alert" not in page
    for who in (FIRST, NEIGHBOUR):
        await visit.log_in(who)
        refused = await sign(visit, await visit.post("/policies/2/adopt"), who)
        assert refused.status_code == 409
        assert "another unit" in refused.text
    await visit.log_in(SECOND)
    assert (await sign(visit, await visit.post("/policies/2/adopt"), SECOND)).status_code == 303
    assert "In force" in (await visit.get("/policies/2")).text
    assert "Former" in (await visit.get("/policies/1")).text
    assert (await visit.post("/policies/2/adopt")).status_code == 409
    assert (await visit.site.platform.audit()).findings == []


async def test_what_is_signed_is_what_is_taken(visit: Caller) -> None:
    text = default_policies() + POLICIES + DISTRICT
    assert (await propose(visit, text, text=default_policies())).status_code == 409
    assert (await propose(visit, text, act="{}")).status_code == 422
    assert (await propose(visit, text, assertion="AAAA")).status_code == 409
    page = await visit.post("/policies/new", text="permit (")
    assert page.status_code == 422
    assert "can&#39;t be read" in page.text
    # An act that was signed over something else is good for nothing here.
    signed = await visit.post("/policies/new", text=text)
    act = html.unescape(re.findall(r'name="act" value="([^"]*)"', signed.text)[0])
    for change in ("adopt_entry", "approve", "person"):
        other = msgspec.json.encode(msgspec.json.decode(act) | {"change": change}).decode()
        assert (await sign(visit, signed, FIRST, act=other)).status_code == 422
    more = msgspec.json.encode(msgspec.json.decode(act) | {"roles": ["auditor"]}).decode()
    assert (await sign(visit, signed, FIRST, act=more)).status_code == 422
    assert await visit.site.platform.one("SELECT count(*) FROM access_policies") == 1


async def test_who_may_not_change_policies_looks_or_is_turned_away(visit: Caller) -> None:
    await propose(visit, default_policies() + POLICIES + DISTRICT)
    await visit.log_in(AUDITOR)
    assert (await visit.get("/policies")).status_code == 200
    assert "Adopt version" not in (await visit.get("/policies/2/changes")).text
    assert (await visit.post("/policies/2/adopt")).status_code == 403
    assert (await visit.get("/policies/new")).status_code == 403
    for missing in ("/policies/9", "/policies/9/changes", f"/policies/{2**40}/changes"):
        assert (await visit.get(missing)).status_code == 404
    await visit.log_in(KEYLESS)
    answer = await visit.post("/policies/new", text=default_policies())
    assert (answer.status_code, "register an authenticator first" in answer.text) == (422, True)
    assert (await visit.post("/policies/2/adopt")).status_code == 409
    await visit.log_in(READER)
    for path in ("/policies", "/policies/explain", "/policies/2"):
        assert (await visit.get(path)).status_code == 403


async def test_too_much_to_compare_is_said_and_not_cut_short(visit: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy_effects, "COMPARED_AT_MOST", 10)
    await propose(visit, default_policies() + POLICIES + DISTRICT)
    page = (await visit.get("/policies/2/changes")).text
    assert "too much to compare" in page
    assert "Nobody gains" not in page


async def test_a_decision_is_explained_by_the_policies_that_made_it(visit: Caller) -> None:
    await visit.log_in(AUDITOR)
    asked = {
        "person": "official",
        "owner": "registry/population",
        "kind": RESIDENT,
        "source": XSS,
        "purpose": "casework",
    }
    page = (await visit.get("/policies/explain", params=asked | {"level": "2"})).text
    rows = re.findall(r'<tr data-field="(\w+)">.*?class="state (\w+)".*?</td><td>(.*?)</td><td>(.*?)</td>', page, re.S)
    states = {name: (state, why) for name, state, why, _ in rows}
    assert states["id_number"] == ("open", "social-security-level-2")
    assert states["income"][0] == "sealed"
    assert "nothing permits it" in states["income"][1]
    assert XSS not in page
    for wrong in ({"person": "nobody"}, {"owner": "registry"}, {"kind": "urn:none"}, {"purpose": ""}):
        assert (await visit.get("/policies/explain", params=asked | wrong)).status_code == 422


async def test_an_entry_is_proposed_by_an_administrator_and_adopted_by_its_provider(visit: Caller) -> None:
    await visit.log_in(FIRST)
    text = msgspec.json.encode(ENTRY).decode()
    answer = await sign(visit, await visit.post("/catalogue/new", entry=text), FIRST)
    assert answer.status_code == 303, answer.text
    address = answer.headers["location"].removeprefix("/console")
    asked = {"tenant": "registry", "kind": RESIDENT, "version": "1"}
    for who, status in ((COLLEAGUE, 409), (FIRST, 409), (OFFICIAL, 404)):
        await visit.log_in(known(who))
        page = await visit.post("/catalogue/adopt", **asked)
        assert (await sign(visit, page, who) if status == 409 else page).status_code == status
    await visit.log_in(known(PROVIDER))
    page = (await visit.get(address)).text
    assert XSS not in page
    assert "<del>4</del> → <ins>5</ins>" in page
    assert "<ins>Conditionally</ins>" in page
    assert "Adopt version 1" in page
    assert (await sign(visit, await visit.post("/catalogue/adopt", **asked), PROVIDER)).status_code == 303
    assert "In force" in (await visit.get(address)).text
    assert (await visit.post("/catalogue/adopt", **asked)).status_code == 409
    assert (
        "Version 1"
        in (
            await visit.get(
                "/catalogue",
            )
        ).text
    )
    assert (await visit.site.platform.audit()).findings == []


async def test_an_entry_that_is_none_or_was_changed_after_signing_is_refused(visit: Caller) -> None:
    await visit.log_in(FIRST)
    other = CatalogueEntry.parse(msgspec.json.encode(ENTRY | {"legal_basis": "another"}).decode()).text()
    page = await visit.post("/catalogue/new", entry=msgspec.json.encode(ENTRY).decode())
    assert (await sign(visit, page, FIRST, entry=other)).status_code == 409
    assert (await sign(visit, page, FIRST, entry="{}")).status_code == 422
    for wrong in ("", "[]", XSS, msgspec.json.encode(ENTRY | {"tenant": "Registry"}).decode()):
        answer = await visit.post("/catalogue/new", entry=wrong)
        assert answer.status_code == 422
        assert XSS not in answer.text
    await visit.log_in(AUDITOR)
    assert (await visit.post("/catalogue/new", entry="{}")).status_code == 403
    assert (await visit.get("/catalogue/kind?tenant=registry&kind=a%00b")).status_code == 422
    assert (await visit.get("/catalogue/kind?tenant=registry&kind=urn:none")).status_code == 404


async def test_a_form_begins_with_what_holds(visit: Caller) -> None:
    await visit.log_in(FIRST)
    page = (await visit.get("/catalogue/new", params={"tenant": "registry", "kind": RESIDENT})).text
    begun = msgspec.json.decode(html.unescape(re.findall(r"<textarea[^>]*>([^<]*)</textarea>", page)[0]))
    assert {each["name"]: each["tier"] for each in begun["fields"]}["id_number"] == 4
    assert default_policies().splitlines()[0] in html.unescape((await visit.get("/policies/new")).text)


async def test_other_organisations_see_no_entry_that_is_not_theirs(visit: Caller) -> None:
    await visit.site.platform.execute(
        "INSERT INTO catalogue_fields (tenant, record_type, field, tier) VALUES ('registry', 'urn:theirs', 'x', 2)"
    )
    for who, sees in ((READER, False), (known(PROVIDER), True), (AUDITOR, True), (FIRST, True)):
        await visit.log_in(who)
        assert ("urn:theirs" in (await visit.get("/catalogue")).text) is sees, who.person
        status = 200 if sees else 404
        assert (await visit.get("/catalogue/kind?tenant=registry&kind=urn:theirs")).status_code == status


async def test_models_are_shown_with_scores_cards_and_trials(platform: Installation) -> None:
    async with served(platform) as site, caller(site) as visit:
        row = await registered_model(site)
        await visit.log_in(OPERATOR)
        assert "0.9100" in (await visit.get("/models")).text
        page = (await visit.get(f"/models/{row.name}/{row.version}")).text
        assert "30 records compared; another label on 4, no answer on 1." in page
        assert "&lt;img" in page
        assert XSS not in page
        assert (await visit.get(f"/models/{row.name}/none")).status_code == 404
        await visit.log_in(READER)
        assert (await visit.get("/models")).status_code == 403


async def test_models_are_put_in_force_and_back_by_a_signature(platform: Installation, tmp_path: Path) -> None:
    settings = {"model_store": tmp_path / "store"}
    store = ModelStore(settings["model_store"])
    row = await platform.curator(store=store).add(other_version(tmp_path / "second"))
    place = f"/models/{row.name}/{row.version}"
    changer = known(person("model-operator", "bank-a", "it", roles=frozenset({Role.OPERATOR})))
    async with served(platform, people=[changer, AUDITOR], **settings) as site, caller(site) as visit:
        await visit.log_in(AUDITOR)
        assert 'id="activate"' not in (await visit.get(place)).text
        assert (await visit.post(f"{place}/change", what="activate", share="100")).status_code == 403
        await visit.log_in(changer)
        assert 'id="activate"' in (await visit.get(place)).text
        refused = await visit.post(f"{place}/change", what="activate", share="100")
        assert refused.status_code == 409
        assert "evaluat" in refused.text
        for what, share in (("other", "100"), *(("activate", each) for each in ("101", "ten", "0", "010000"))):
            assert (await visit.post(f"{place}/change", what=what, share=share)).status_code == 422
        page = await visit.post(f"{place}/change", what="activate", share="100", reason="a test")
        assert "&#34;stage&#34;:&#34;active&#34;" in page.text
        for changed in ({"share": "50"}, {"reason": "another"}, {"what": "shadow"}):
            assert (await sign(visit, page, changer, **changed)).status_code == 409
        assert (await sign(visit, page, changer)).status_code == 303
        assert "In force" in (await visit.get(place)).text or "Active" in (await visit.get(place)).text
        assert (await sign(visit, page, changer)).status_code == 409
        back = await visit.post(f"{place}/change", what="rollback")
        assert (await sign(visit, back, changer)).status_code == 303
    assert [each.version for each in await platform.curator(store=store).models() if each.stage == "active"] == [
        "1.0.0"
    ]
    await platform.sequence()
    assert (await platform.audit()).findings == []
    said = [leaf for leaf in await platform.leaves(BANK_A.tenant) if leaf["kind"] == "model"]
    assert [leaf["basis"] for leaf in said].count("signed") == 4


async def registered_model(site: Site) -> ModelRow:
    """A version as the registry has it, with a card and labels that are hostile, and a trial beside another one."""
    labels = {XSS: LabelScore(support=100, precision=0.9, recall=0.92, f1=0.91)}
    did = Evaluation(dataset=XSS, digest="00" * 32, items=100, score=0.91, macro_f1=0.9, labels=labels)
    offered = read_offered(MODEL_DIRECTORY).row
    row = replace(offered, card=f"# Card {XSS}", metrics=encode_evaluations({XSS: did}), share=10)
    async with site.platform.database.session() as connection:
        await insert_model(connection, row)
        said = {("food", "food"): 25, ("food", XSS): 4, ("food", ""): 1}
        await add_comparisons(connection, {(row.name, "0", row.version, *pair): n for pair, n in said.items()})
    return row


def test_a_text_that_is_signed_keeps_its_carriage_returns_and_is_still_escaped() -> None:
    assert str(exact("a\r\n<b>")) == "a&#13;\n&lt;b&gt;"
