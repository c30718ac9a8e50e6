"""Tier keys and index keys are changed and records erased by a signature that is seen before anything is done."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from agents.access.registrar import AccessRegistrar
from agents.access.warranting import Unsigned
from agents.keys.custodian import Custodian, ScopeFilter
from agents.platform.knowledge import load_knowledge
from agents.platform.warrant import Warrant
from agents.upkeep.erasing import Eraser
from agents.upkeep.reindexing import Reindexer
from agents.upkeep.resealing import Resealer
from schemas.errors import ConfigurationError, Unavailable
from schemas.identity import message_record_id
from schemas.tenant import PLATFORM_TENANT
from security.access.approval import ApprovalRefused
from security.access.assertion import BadAssertion
from security.access.principal import Role
from streams.storage import resealing
from streams.storage.record_uuid import record_uuid
from streams.storage.resealing import ResealProgress
from tests.support.approving import person, rfc3339
from tests.support.changing import Acts, Forged, Work, acts_by, tried, warranted
from tests.support.exchange import now
from tests.support.installation import BANK_A, Installation, Producer, Worker
from tests.support.messages import Inbox, transaction

OPERATOR = person("custodian", "bank-a", "it", roles=frozenset({Role.OPERATOR}))
STRANGER = person("other-custodian", "bank-b", "it", roles=frozenset({Role.OPERATOR}))
OURS = person("platform-custodian", PLATFORM_TENANT, "it", roles=frozenset({Role.ADMINISTRATOR}))
READER = person("reader-of-a", "bank-a", "it")

SCOPE = ScopeFilter("bank-a", BANK_A.domain, 3)
SEED = bytes(range(32))
LATE = Producer("bank-late")
NAME = record_uuid(message_record_id(BANK_A.source, "a"))
Doing = Callable[[Installation], Work]


@pytest.fixture
def keyring_dir(tmp_path: Path) -> Path:
    """Of this test's own: what is destroyed here is destroyed for all."""
    return tmp_path / "keys"


@pytest.fixture
async def site(platform: Installation, worker: Worker) -> Installation:
    """A bank with two records, and people who may change its keys, or may not."""
    registrar = AccessRegistrar(platform.database, platform.identity, actor="registrar@example.org")
    for each in (OPERATOR, STRANGER, OURS, READER):
        await registrar.grant(each)
    inbox = Inbox()
    BANK_A.put(inbox, transaction("a"), transaction("b"))
    await worker.commit(inbox.take())
    return platform


def custodian(site: Installation, warrant: Warrant | None) -> Custodian:
    return Custodian(site.database, site.identity, actor=OPERATOR.person, warrant=warrant)


def rotating(site: Installation) -> Work:
    return lambda warrant: custodian(site, warrant).rotate(SCOPE)


def rewrapping(site: Installation) -> Work:
    return lambda warrant: custodian(site, warrant).rewrap(SCOPE, retire=True)


def shredding(site: Installation) -> Work:
    return lambda warrant: custodian(site, warrant).shred(SCOPE, 1)


def resealing_all(site: Installation) -> Work:
    async def work(warrant: Warrant) -> object:
        if await site.one("SELECT max(epoch) FROM tier_keys") == 1:
            await custodian(site, None).rotate(SCOPE)
        resealer = Resealer(site.database, site.identity, actor=OPERATOR.person, warrant=warrant)
        return await resealer.reseal(ScopeFilter("bank-a"))

    return work


def reindexing(site: Installation) -> Work:
    return lambda warrant: Reindexer(site.database, site.identity, actor=OPERATOR.person, warrant=warrant).rotate(
        "bank-a", "account"
    )


def erasing(site: Installation, name: UUID = NAME) -> Work:
    async def work(warrant: Warrant) -> object:
        knowledge = await load_knowledge(site.database, site.identity, max_tier=0)
        eraser = Eraser(site.database, site.identity, knowledge, actor=OPERATOR.person, warrant=warrant, seed=SEED)
        return await eraser.erase(name, "request 7 of a customer")

    return work


EACH = pytest.mark.parametrize(
    "doing", [rotating, rewrapping, shredding, resealing_all, reindexing, erasing], ids=lambda doing: doing.__name__
)
BOTH_KINDS = pytest.mark.parametrize("doing", [shredding, erasing], ids=lambda doing: doing.__name__)
KEYS = pytest.mark.parametrize("doing", [rotating, rewrapping, shredding], ids=lambda doing: doing.__name__)


def by(site: Installation, acts: Acts) -> Warrant:
    return warranted(acts, site.identity)


async def leaves(site: Installation, tenant: str = "bank-a") -> list[dict[str, Any]]:
    """About tier keys, index keys and erasures, in order."""
    keys = [leaf for leaf in await site.leaves(tenant, of_keys=True) if {"tier_key", "index_key"} & leaf.keys()]
    return keys + [leaf for leaf in await site.leaves(tenant) if leaf["kind"] == "erase"]


async def findings(site: Installation) -> list[str]:
    await site.sequence()
    return [str(each) for each in (await site.audit()).findings]


async def changed(site: Installation) -> list[object]:
    """All that a change might change."""
    tables = "tier_keys ORDER BY key_id", "index_keys", "reseals", "erasures", "results WHERE sealed IS NULL"
    return [await leaves(site), *[await site.rows(f"SELECT * FROM {each}") for each in tables]]


def unasked(site: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on the key provider makes and destroys nothing."""

    def away(*_: object) -> None:
        raise AssertionError("the key provider was asked for a change")

    for name in ("wrap", "renew", "retire", "destroy"):
        monkeypatch.setattr(site.identity.keyring, name, away)


@EACH
async def test_what_is_done_by_a_signature_has_it_in_its_leaf(site: Installation, doing: Doing) -> None:
    acts = await acts_by(OPERATOR, doing(site))
    await doing(site)(by(site, acts))
    signed = [leaf for leaf in await leaves(site) if leaf["basis"] == "signed"]
    change = acts["bank-a"].change
    assert signed
    for leaf in signed:
        assert leaf["access"] == {
            "assertion": change.assertion,
            "at": change.at,
            "change": "erase_records" if doing is erasing else "change_keys",
            "digest": change.digest,
            "key": OPERATOR.key,
        }
    assert await findings(site) == []


async def test_what_is_signed_of_a_new_epoch_names_it_and_the_one_before(site: Installation) -> None:
    (former,) = await custodian(site, None).tier_keys(SCOPE)
    (asked,) = (await tried(rotating(site))).change
    assert asked.text == (
        f'{{"change":"rotate","domain":"{BANK_A.domain}","epoch":2,"follows":"{former.key_id}","tier":3}}\n'
    )


async def test_what_is_signed_of_another_wrapping_names_the_former_key_and_what_becomes_of_it(
    site: Installation,
) -> None:
    (former,) = await custodian(site, None).tier_keys(SCOPE)
    (asked,) = (await tried(rewrapping(site))).change
    assert asked.text == (
        f'{{"change":"rewrap","domain":"{BANK_A.domain}","epoch":1,"follows":"{former.wrapped.kek_id}",'
        f'"id":"{former.key_id}","retire":true,"tier":3}}\n'
    )


async def test_what_is_signed_of_a_shredding_names_the_provider_s_key_and_the_epoch_that_begins(
    site: Installation,
) -> None:
    (former,) = await custodian(site, None).tier_keys(SCOPE)
    (asked,) = (await tried(shredding(site))).change
    begun, shredded = asked.text.splitlines()
    assert '"change":"rotate"' in begun
    assert '"epoch":2' in begun
    assert shredded == (
        f'{{"change":"shred","domain":"{BANK_A.domain}","epoch":1,"id":"{former.key_id}",'
        f'"kek":"{former.wrapped.kek_id}","tier":3}}'
    )


async def test_what_is_signed_of_an_erasure_commits_to_its_reason_and_gives_nothing_of_it_away(
    site: Installation,
) -> None:
    (asked,) = (await tried(erasing(site))).change
    await erasing(site)(by(site, await acts_by(OPERATOR, erasing(site))))
    leaf = (await leaves(site))[-1]
    assert asked.text == f'{{"message":"{NAME}","purpose":"{leaf["purpose"]}","record":"{NAME}"}}\n'
    assert "customer" not in asked.text


@EACH
async def test_finding_out_what_would_be_signed_does_nothing(
    site: Installation, monkeypatch: pytest.MonkeyPatch, doing: Doing
) -> None:
    if doing is resealing_all:
        await custodian(site, None).rotate(SCOPE)
    before = await changed(site)
    unasked(site, monkeypatch)
    assert [(each.kind, each.tenant) for each in (await tried(doing(site))).change] == [
        ("erase" if doing is erasing else "key", "bank-a")
    ]
    assert await changed(site) == before


@EACH
async def test_nothing_is_done_by_who_may_not_sign_it_and_nobody_is_asked_for_it(
    site: Installation, monkeypatch: pytest.MonkeyPatch, doing: Doing
) -> None:
    other = erasing if doing is reindexing else reindexing
    acts = [
        (await acts_by(READER, doing(site)), ApprovalRefused),
        (await acts_by(STRANGER, doing(site)), ApprovalRefused),
        (await acts_by(OPERATOR, doing(site), log="bank-b"), BadAssertion),
        (await acts_by(OPERATOR, doing(site), "2026-03-02T09:00:00Z"), ApprovalRefused),
        (await acts_by(OPERATOR, other(site)), ApprovalRefused),
    ]
    before = await changed(site)
    unasked(site, monkeypatch)
    for signed, error in acts:
        with pytest.raises(error):
            await doing(site)(by(site, signed))
    assert await changed(site) == before


@EACH
async def test_in_production_nobody_does_it_unsigned_where_somebody_could_sign(
    site: Installation, monkeypatch: pytest.MonkeyPatch, doing: Doing
) -> None:
    if doing is resealing_all:
        await custodian(site, None).rotate(SCOPE)
    before = await changed(site)
    unasked(site, monkeypatch)
    with pytest.raises(ConfigurationError, match="--as"):
        await doing(site)(Unsigned(site.identity.voucher()))
    assert await changed(site) == before


@BOTH_KINDS
async def test_before_anybody_is_registered_it_is_done_unsigned(
    platform: Installation, worker: Worker, doing: Doing
) -> None:
    inbox = Inbox()
    BANK_A.put(inbox, transaction("a"))
    await worker.commit(inbox.take())
    await doing(platform)(Unsigned(platform.identity.voucher()))
    assert {leaf["basis"] for leaf in await leaves(platform)} == {"alone"}


@pytest.mark.parametrize("doing", [rotating, rewrapping, shredding, reindexing], ids=lambda doing: doing.__name__)
async def test_a_signature_does_once_what_it_says(site: Installation, doing: Doing) -> None:
    acts = await acts_by(OPERATOR, doing(site))
    await doing(site)(by(site, acts))
    before = await changed(site)
    if doing is shredding:  # what is left of it is to see that the provider's key is gone, which takes no signature
        await doing(site)(by(site, acts))
    else:
        with pytest.raises(ApprovalRefused, match="came in between"):
            await doing(site)(by(site, acts))
    assert await changed(site) == before


@KEYS
async def test_nothing_is_done_where_keys_changed_in_between(site: Installation, doing: Doing) -> None:
    acts = await acts_by(OPERATOR, doing(site))
    await custodian(site, None).rewrap(SCOPE, retire=False)
    await custodian(site, None).rotate(SCOPE)
    before = await changed(site)
    with pytest.raises(ApprovalRefused, match="came in between"):
        await doing(site)(by(site, acts))
    assert await changed(site) == before


async def test_a_shredding_is_in_the_log_before_the_provider_destroys_and_is_finished_without_another_signature(
    site: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    acts = await acts_by(OPERATOR, shredding(site))

    def away(_: object) -> None:
        raise Unavailable("the key provider does not answer")

    with monkeypatch.context() as patch:
        patch.setattr(site.identity.keyring, "destroy", away)
        with pytest.raises(Unavailable):
            await shredding(site)(by(site, acts))
    said = [(leaf["tier_key"]["change"], leaf["basis"]) for leaf in await leaves(site)]
    assert said == [("rotate", "signed"), ("shred", "signed")]
    (finding,) = await findings(site)
    assert "run `sealstream keys shred` again" in finding
    revision = await site.one("SELECT max(revision) FROM registry_changes")
    assert (await tried(shredding(site))).change == ()
    await shredding(site)(Unsigned(site.identity.voucher()))
    assert await site.one("SELECT max(revision) FROM registry_changes") == revision  # no worker has to look again
    assert await findings(site) == []
    assert len(await leaves(site)) == 2


async def test_a_resealing_goes_on_by_the_signature_under_which_it_began(
    site: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resealing, "ROWS_PER_PAGE", 1)
    acts = await acts_by(OPERATOR, resealing_all(site))

    class Killed(Exception):
        pass

    def killed(_: ResealProgress) -> None:
        raise Killed

    resealer = Resealer(
        site.database, site.identity, actor=OPERATOR.person, warrant=by(site, acts), tell=killed
    )  # fmt: skip
    with pytest.raises(Killed):
        await resealer.reseal(ScopeFilter("bank-a"))
    assert await findings(site) == []
    await resealing_all(site)(Unsigned(site.identity.voucher()))
    said = [(leaf["tier_key"]["change"], leaf["basis"], leaf.get("count")) for leaf in await leaves(site)]
    assert set(said[1:]) == {("begin_reseal", "signed", None), ("reseal", "alone", 4)}
    assert await findings(site) == []


async def test_a_resealing_is_not_done_under_other_keys_than_it_was_signed_for(site: Installation) -> None:
    acts = await acts_by(OPERATOR, resealing_all(site))
    await custodian(site, None).rotate(SCOPE)
    before = await changed(site)
    with pytest.raises(ApprovalRefused, match="came in between"):
        await resealing_all(site)(by(site, acts))
    assert await changed(site) == before


async def test_each_log_that_says_of_an_erasure_has_a_signature_of_its_own(site: Installation, worker: Worker) -> None:
    inbox = Inbox(partition=7)
    LATE.put(inbox, transaction("late"))
    await worker.commit(inbox.take())
    await site.registrar().register(LATE.new_key())
    await site.sequence()
    (replayed,) = await site.replay()
    assert replayed.record is not None
    work = erasing(site, replayed.record)
    acts = await acts_by(OURS, work)
    assert acts.keys() == {LATE.tenant, PLATFORM_TENANT}
    with pytest.raises(ApprovalRefused, match="other logs"):
        await work(by(site, {LATE.tenant: acts[LATE.tenant]}))
    await work(by(site, acts))
    for tenant, act in acts.items():
        (leaf,) = [leaf for leaf in await leaves(site, tenant) if leaf["kind"] == "erase"]
        assert (leaf["basis"], leaf["access"]["assertion"]) == ("signed", act.change.assertion)
    assert await findings(site) == []


@BOTH_KINDS
async def test_an_audit_names_what_was_signed_by_who_might_not(site: Installation, doing: Doing) -> None:
    acts = await acts_by(READER, doing(site))
    await doing(site)(Forged(acts["bank-a"].change))
    assert any("neither operator nor administrator" in each for each in await findings(site))


@EACH
async def test_an_audit_names_what_is_not_what_was_signed(site: Installation, doing: Doing) -> None:
    other = erasing if doing is reindexing else reindexing
    acts = await acts_by(OPERATOR, other(site))
    await doing(site)(Forged(acts["bank-a"].change))
    assert any("another change was signed" in each for each in await findings(site))


@BOTH_KINDS
async def test_an_audit_names_what_was_signed_at_another_time(site: Installation, doing: Doing) -> None:
    acts = await acts_by(OPERATOR, doing(site), rfc3339(now().replace(year=2025)))
    await doing(site)(Forged(acts["bank-a"].change))
    assert any("at another time" in each for each in await findings(site))


async def test_an_audit_names_a_signature_that_is_used_again(site: Installation) -> None:
    acts = await acts_by(OPERATOR, shredding(site))
    await shredding(site)(by(site, acts))
    await custodian(site, Forged(acts["bank-a"].change)).rotate(ScopeFilter("bank-a", BANK_A.domain, 2))
    assert any("stands under an earlier change already" in each for each in await findings(site))


async def test_an_audit_names_an_erasure_under_the_signature_of_another_one(site: Installation) -> None:
    acts = await acts_by(OPERATOR, erasing(site))
    await erasing(site)(by(site, acts))
    await erasing(site)(Forged(acts["bank-a"].change))
    assert any("stands under an earlier change already" in each for each in await findings(site))


async def test_an_audit_names_a_shredding_for_which_another_epoch_s_was_signed(site: Installation) -> None:
    await custodian(site, None).rotate(SCOPE)
    acts = await acts_by(OPERATOR, shredding(site))
    await custodian(site, Forged(acts["bank-a"].change)).shred(SCOPE, 2)
    assert any("another change was signed" in each for each in await findings(site))


async def test_an_end_that_says_it_was_signed_is_named(site: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    acts = await acts_by(OPERATOR, reindexing(site))
    monkeypatch.setattr("agents.platform.signatory.ALONE", "signed")
    await reindexing(site)(by(site, acts))
    assert any("don't agree" in each for each in await findings(site))
