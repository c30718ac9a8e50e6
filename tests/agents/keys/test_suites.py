"""A tenant that asked for SM4 and SM3, beside what was sealed before, through everything that is done with keys."""

from pathlib import Path
from uuid import UUID

import pytest

from agents.keys.custodian import Custodian, ScopeFilter
from agents.platform.knowledge import load_knowledge
from agents.upkeep.erasing import Eraser
from agents.upkeep.resealing import Resealer
from schemas.errors import ConfigurationError
from security.key_provider import UnwrapFailed
from security.suites import Suite
from tests.support.installation import BANK_A, BANK_B, Installation, Producer, Worker
from tests.support.messages import Inbox, entry, statement, transaction

ALL_OF_A = ScopeFilter("bank-a")
SUITES = """
    SELECT DISTINCT k.suite FROM (SELECT pass_id, tenant FROM results UNION ALL SELECT pass_id, tenant FROM messages
        UNION ALL SELECT pass_id, tenant FROM disclosures) AS sealed
    JOIN data_keys d USING (pass_id) JOIN tier_keys k ON k.key_id = d.tier_key_id WHERE sealed.tenant = $1 ORDER BY 1
"""


@pytest.fixture
def keyring_dir(tmp_path: Path) -> Path:
    return tmp_path / "keys"


def custodian(platform: Installation) -> Custodian:
    return Custodian(platform.database, platform.identity, actor="custodian@example.org")


async def take_in(worker: Worker, inbox: Inbox, name: str) -> None:
    BANK_A.put(inbox, transaction(f"t-{name}"), transaction(f"u-{name}"))
    BANK_A.put(inbox, statement(f"s-{name}", [entry(f"e-{name}")]))
    BANK_A.put(inbox, transaction(f"bad-{name}", currency="no currency"))
    BANK_A.put(inbox, transaction(f"t-{name}"))
    BANK_B.put(inbox, transaction(f"b-{name}"))
    await worker.commit(inbox.take())


async def switched(platform: Installation, worker: Worker) -> Inbox:
    """Some records, then the other suite, then some more."""
    inbox = Inbox()
    await take_in(worker, inbox, "before")
    await custodian(platform).rotate(ALL_OF_A, Suite.SM4)
    await worker.parts.reload()
    await take_in(worker, inbox, "after")
    return inbox


async def suites(platform: Installation, tenant: str = "bank-a") -> list[str]:
    return [row["suite"] for row in await platform.rows(SUITES, tenant)]


async def values(platform: Installation) -> dict[UUID, dict[str, bytes | None]]:
    views = await (await platform.reader(5)).list(tenant="bank-a", limit=1000)
    assert all(field.state == "open" for view in views for field in view.fields.values())
    return {view.stored.record_id: {name: field.value for name, field in view.fields.items()} for view in views}


async def is_verified(platform: Installation) -> None:
    await platform.sequence()
    report = await platform.audit()
    assert report.ok, [str(finding) for finding in report.findings]


async def test_what_came_before_stays_readable_and_each_leaf_says_how_it_commits(
    platform: Installation, worker: Worker
) -> None:
    await switched(platform, worker)
    assert await suites(platform) == ["aes-256-gcm", "sm4-gcm"]
    assert await suites(platform, "bank-b") == ["aes-256-gcm"]
    assert len(await values(platform)) == 6
    leaves = [leaf for leaf in await platform.leaves("bank-a") if "digest" in leaf]
    assert [leaf.get("commitments") for leaf in leaves] == [None] * 6 + ["hmac-sm3"] * 6
    assert {leaf["kind"] for leaf in leaves} == {"result", "accepted", "rejected", "duplicate"}
    changes = [leaf["tier_key"] for leaf in await platform.leaves("bank-a", of_keys=True) if "tier_key" in leaf]
    assert {change.get("suite") for change in changes} == {"sm4-gcm"}
    await is_verified(platform)


async def test_sealing_anew_brings_former_records_under_the_new_suite(platform: Installation, worker: Worker) -> None:
    await switched(platform, worker)
    before = await values(platform)
    await Resealer(platform.database, platform.identity).reseal(ALL_OF_A)
    assert await suites(platform) == ["sm4-gcm"]
    assert await values(platform) == before
    await is_verified(platform)
    await custodian(platform).shred(ScopeFilter("bank-a", BANK_A.domain), 1)
    assert await values(platform) == before
    await custodian(platform).rewrap(ALL_OF_A, retire=True)
    assert await values(platform) == before
    await is_verified(platform)


async def test_records_are_erased_and_epochs_shredded(platform: Installation, worker: Worker) -> None:
    await switched(platform, worker)
    erased = max((await values(platform)).keys())
    knowledge = await load_knowledge(platform.database, platform.identity, max_tier=0)
    await Eraser(platform.database, platform.identity, knowledge).erase(erased, "on request")
    (leaf,) = [leaf for leaf in await platform.leaves("bank-a") if leaf["kind"] == "erase"]
    assert leaf["commitments"] == "hmac-sm3"
    await is_verified(platform)
    await custodian(platform).shred(ScopeFilter("bank-a", BANK_A.domain, 3), 2)
    newest = {each.scope.tier: each.scope for each in await custodian(platform).tier_keys(ALL_OF_A)}
    assert (newest[3].epoch, newest[3].suite) != (2, Suite.AES)
    assert newest[3].suite is Suite.SM4
    await is_verified(platform)


async def test_the_way_back_is_another_epoch(platform: Installation, worker: Worker) -> None:
    inbox = await switched(platform, worker)
    await custodian(platform).rotate(ALL_OF_A, Suite.AES)
    await worker.parts.reload()
    BANK_A.put(inbox, transaction("at last"))
    await worker.commit(inbox.take())
    *_, last = [leaf for leaf in await platform.leaves("bank-a") if "digest" in leaf]
    assert "commitments" not in last
    assert len(await values(platform)) == 7
    await is_verified(platform)


async def test_new_departments_and_later_epochs_have_what_the_tenant_asked_for(platform: Installation) -> None:
    await custodian(platform).rotate(ALL_OF_A, Suite.SM4)
    new = Producer("bank-a", "branch-9")
    await platform.registrar().register(new.new_key())
    await load_knowledge(platform.database, platform.identity)
    await custodian(platform).rotate(ScopeFilter("bank-a", "branch-9", 2))
    stored = await custodian(platform).tier_keys(ScopeFilter("bank-a", "branch-9"))
    assert [(each.scope.tier, each.scope.epoch) for each in stored] == [(1, 1), (2, 1), (2, 2), (3, 1), (4, 1), (5, 1)]
    assert {each.scope.suite for each in stored} == {Suite.SM4}


async def test_a_suite_is_the_whole_tenants(platform: Installation) -> None:
    with pytest.raises(ConfigurationError, match="whole tenant"):
        await custodian(platform).rotate(ScopeFilter("bank-a", BANK_A.domain), Suite.SM4)


async def test_a_suite_that_sql_changed_opens_nothing(platform: Installation) -> None:
    await custodian(platform).rotate(ALL_OF_A, Suite.SM4)
    await platform.execute("UPDATE tier_keys SET suite = 'aes-256-gcm' WHERE tenant = 'bank-a'")
    with pytest.raises(UnwrapFailed):
        await load_knowledge(platform.database, platform.identity)
    await platform.execute("UPDATE tier_keys SET suite = 'rot13' WHERE tenant = 'bank-a'")
    with pytest.raises(ConfigurationError, match="newer"):
        await load_knowledge(platform.database, platform.identity)


async def test_a_leaf_that_does_not_say_how_it_commits_is_found(
    platform: Installation, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    from security.commitment import Commitments

    monkeypatch.setattr(Commitments, "in_leaf", property(lambda self: None))
    inbox = Inbox()
    await custodian(platform).rotate(ALL_OF_A, Suite.SM4)
    await worker.parts.reload()
    BANK_A.put(inbox, transaction("silent"))
    await worker.commit(inbox.take())
    monkeypatch.undo()
    await platform.sequence()
    findings = (await platform.audit()).findings
    assert any("in another way than the leaf says" in str(finding) for finding in findings)
