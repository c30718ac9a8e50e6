"""Policies, the catalogue, models, reviews and dead letters in a real browser: signing, both languages, widths, axe."""

from pathlib import Path

import msgspec
import pytest
from playwright.async_api import Browser

from agents.inference.evaluation import Evaluation, encode_evaluations
from agents.inference.model_store import ModelStore
from agents.inference.transaction_kind import MODEL_DIRECTORY
from agents.models.model_offer import read_offered
from streams.storage.models import add_comparisons, insert_model
from tests.support.api import READER, READING_OPERATOR
from tests.support.approving import PROVIDER
from tests.support.console import CONSOLE, Opened, keyless, shown
from tests.support.exchange import ADMINS, RESIDENT
from tests.support.installation import BANK_A, Installation, Worker
from tests.support.messages import Inbox, transaction
from tests.support.models import other_version
from tests.support.reviews import left_open, name_of
from tests.support.seeing import choose, see

HOSTILE = "<img src=x onerror='document.title=1+1'><script>document.title='owned'</script>"
INCOME = f"""
@id("income") permit (
  principal in Department::"gov/social-security", action == Action::"read", resource in RecordKind::"{RESIDENT}"
) when {{ context.purpose == "casework" && resource.name == "income" }};
"""
LANGUAGES = (("en", "en"), ("zh-Hans", "zh"))


@pytest.fixture
async def opened(opened: Opened) -> Opened:
    for each in ADMINS:
        await opened.site.registrar.grant(keyless(each))
    return opened


async def test_policies_are_proposed_and_adopted_with_authenticators(opened: Opened) -> None:
    first, second = [await opened.person(keyless(each)) for each in ADMINS]
    for page in (first, second):
        await opened.enrol(page)
    await first.goto(f"{opened.url}{CONSOLE}/policies/new")
    await first.fill("#text", await first.input_value("#text") + INCOME)
    await see(first, "policy-new")
    await first.click("main button")
    await see(first, "policy-sign")
    await opened.sign(first, ".state.proposed")
    await see(first, "policy")
    await second.goto(first.url)
    await second.click("main a.button")
    for language, short in LANGUAGES:
        await choose(second, language)
        await see(second, "policy-changes", short)
    await second.click("main form button")
    await opened.sign(second, ".state.in_force")
    for language, short in LANGUAGES:
        await choose(second, language)
        for name, path in (
            ("policies", "/policies"),
            ("policy-new", "/policies/new"),
            (
                "policy-explain",
                f"/policies/explain?person=official&owner=registry/population&kind={RESIDENT}&source=&purpose=casework",
            ),
        ):
            await second.goto(f"{opened.url}{CONSOLE}{path}")
            await see(second, name, short)
    assert await second.locator("tr[data-field=income] .state.open").count() == 1
    assert (await opened.exchange.platform.audit()).findings == []


async def test_a_policy_text_that_is_not_the_one_that_is_signed_is_noticed(opened: Opened) -> None:
    first = await opened.person(keyless(ADMINS[0]))
    await opened.enrol(first)
    await first.goto(f"{opened.url}{CONSOLE}/policies/new")
    await first.click("main button")
    await first.wait_for_selector("#sign")
    await first.evaluate("document.getElementById('subject-text').textContent += ' '")
    await first.click("#start:enabled")
    await first.wait_for_selector("#failed:not([hidden])")
    assert "not what is shown" in await first.inner_text("#failed")


async def test_an_entry_is_proposed_and_adopted_with_authenticators(opened: Opened) -> None:
    first, provider = await opened.person(keyless(ADMINS[0])), await opened.person(keyless(PROVIDER))
    await opened.enrol(first)
    await opened.with_duty(provider, PROVIDER)
    await first.goto(f"{opened.url}{CONSOLE}/catalogue/new?tenant=registry&kind={RESIDENT}")
    entry = msgspec.json.decode(await first.input_value("#entry"))
    entry |= {"provider": "population", "legal_basis": f"Population Register Law {HOSTILE}"}
    entry["fields"][0] |= {"tier": 2, "sharing": "conditional"}
    await first.fill("#entry", msgspec.json.encode(entry).decode())
    await see(first, "catalogue-new")
    await first.click("main button")
    await opened.sign(first, ".state.proposed")
    await provider.goto(first.url)
    for language, short in LANGUAGES:
        await choose(provider, language)
        await see(provider, "catalogue-version", short)
    await provider.click("main form button")
    await see(provider, "catalogue-sign", "zh", contrast=True)
    await opened.sign(provider, ".state.in_force")
    assert HOSTILE in await provider.inner_text("main")
    for language, short in LANGUAGES:
        await choose(provider, language)
        for name, path in (("catalogue", "/catalogue"), ("kind", f"/catalogue/kind?tenant=registry&kind={RESIDENT}")):
            await provider.goto(f"{opened.url}{CONSOLE}{path}")
            await see(provider, name, short)
    assert (await opened.exchange.platform.audit()).findings == []


async def test_reviews_dead_letters_and_models_are_clean_in_both_languages(
    browser: Browser, platform: Installation, worker: Worker
) -> None:
    await left_open(worker, "open-1", "open-2")
    inbox = Inbox(partition=1)
    BANK_A.put(inbox, transaction("bad", amount="twelve", counterparty_name=HOSTILE))
    await worker.commit(inbox.take())
    await platform.sequence()
    row = read_offered(MODEL_DIRECTORY).row
    did = Evaluation(dataset=f"held-out {HOSTILE}", digest="00" * 32, items=100, score=0.91, macro_f1=0.9)
    async with platform.database.session() as connection:
        await insert_model(connection, row)
        await connection.execute("UPDATE models SET metrics = $1", encode_evaluations({did.dataset: did}))
        await add_comparisons(connection, {(row.name, "0", row.version, "food", HOSTILE): 4})
    async with shown(browser, platform, [READER, READING_OPERATOR]) as opened:
        reader, operator = await opened.person(READER), await opened.person(READING_OPERATOR)
        await reader.goto(f"{opened.url}{CONSOLE}/reviews/{name_of('open-1')}?purpose=operations")
        await reader.select_option("#label", index=1)
        await reader.fill("#reason", HOSTILE)
        await reader.focus("main form button")
        await reader.keyboard.press("Enter")
        await reader.wait_for_selector("table >> nth=1")
        assert HOSTILE in await reader.inner_text("main")
        letter = await platform.one("SELECT dead_letter_id FROM dead_letters")
        for language, short in LANGUAGES:
            for page in (reader, operator):
                await page.goto(f"{opened.url}{CONSOLE}/")
                await choose(page, language)
            for page, name, path in (
                (reader, "reviews", "/reviews?purpose=operations"),
                (reader, "review", f"/reviews/{name_of('open-1')}?purpose=operations"),
                (operator, "dead-letters", "/dead-letters"),
                (operator, "dead-letter", f"/dead-letters/{letter}?purpose=operations"),
                (operator, "models", "/models"),
                (operator, "model", f"/models/{row.name}/{row.version}"),
            ):
                await page.goto(f"{opened.url}{CONSOLE}{path}")
                await see(page, name, short)
            await operator.goto(f"{opened.url}{CONSOLE}/dead-letters")
            await operator.check("input[name=letter]")
            await operator.click("#letters ~ button")
            await operator.wait_for_selector("#outcomes")
            await see(operator, "replayed", short)


async def test_a_model_is_put_in_force_with_an_authenticator(
    browser: Browser, platform: Installation, tmp_path: Path
) -> None:
    place = tmp_path / "store"
    row = await platform.curator(store=ModelStore(place)).add(other_version(tmp_path / "second"))
    async with shown(browser, platform, [keyless(READING_OPERATOR)], model_store=place) as opened:
        page = await opened.person(READING_OPERATOR)
        await opened.enrol(page)
        await page.goto(f"{opened.url}{CONSOLE}/models/{row.name}/{row.version}")
        await page.fill("#reason", "a test")
        await page.click("#activate button[value=activate]")
        await see(page, "model-sign")
        await opened.sign(page, ".state.active")
        await see(page, "model-in-force")
    await platform.sequence()
    said = [leaf for leaf in await platform.leaves(BANK_A.tenant) if leaf["kind"] == "model"][-2:]
    assert [(leaf["basis"], leaf["access"]["assertion"][0]) for leaf in said] == [("signed", "{")] * 2
    assert (await platform.audit()).findings == []
