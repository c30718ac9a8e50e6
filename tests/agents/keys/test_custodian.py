"""Tier keys in the hands of an operator: epochs, wrapping, each change with its leaf."""

from pathlib import Path

import pytest

from agents.intake.worker import beside
from agents.keys.custodian import Custodian, ScopeFilter
from agents.platform.knowledge import load_knowledge
from schemas.errors import ConfigurationError, Unavailable
from security.key_provider import KeyUnavailable
from tests.support.installation import BANK_A, BANK_B, Installation, Worker
from tests.support.messages import Inbox, transaction

ALL_OF_A = ScopeFilter("bank-a")
EPOCHS = """
    SELECT t.epoch, count(DISTINCT r.record_id) AS records FROM results r JOIN data_keys d USING (pass_id)
    JOIN tier_keys t ON t.key_id = d.tier_key_id WHERE r.tenant = 'bank-a' GROUP BY t.epoch ORDER BY t.epoch
"""


@pytest.fixture
def keyring_dir(tmp_path: Path) -> Path:
    """Of this test's own: what is destroyed here is destroyed for all."""
    return tmp_path / "keys"


def custodian(platform: Installation) -> Custodian:
    return Custodian(platform.database, platform.identity, actor="custodian@example.org")


async def readable(platform: Installation) -> int:
    """How many records of the first bank open whole."""
    views = await (await platform.reader(5)).list(tenant="bank-a", limit=1000)
    assert all(field.state == "open" for view in views for field in view.fields.values())
    return len(views)


async def test_a_new_epoch_seals_what_comes_later(platform: Installation, worker: Worker) -> None:
    inbox = Inbox()
    BANK_A.put(inbox, transaction("before"))
    await worker.commit(inbox.take())
    made = await custodian(platform).rotate(ALL_OF_A)
    assert {(record.scope.domain, record.scope.tier, record.scope.epoch) for record in made} == {
        *((BANK_A.domain, tier, 2) for tier in range(1, 6)),
        ("_access", 3, 2),
    }
    await worker.parts.reload()
    BANK_A.put(inbox, transaction("after"))
    await worker.commit(inbox.take())
    assert [tuple(row) for row in await platform.rows(EPOCHS)] == [(1, 1), (2, 1)]
    assert await readable(platform) == 2
    leaves = [leaf for leaf in await platform.leaves("bank-a", of_keys=True) if "tier_key" in leaf]
    assert len(leaves) == len(made)
    assert all(leaf["tier_key"]["change"] == "rotate" and leaf["actor"] and leaf["basis"] == "alone" for leaf in leaves)
    await platform.sequence()
    report = await platform.audit()
    assert report.ok, report.findings


async def test_only_the_scope_that_is_named_is_rotated(platform: Installation) -> None:
    (made,) = await custodian(platform).rotate(ScopeFilter("bank-a", BANK_A.domain, 3))
    assert (made.scope.tier, made.scope.epoch) == (3, 2)
    assert await platform.one("SELECT count(*) FROM tier_keys WHERE epoch > 1") == 1
    with pytest.raises(ConfigurationError, match="keys tiers"):
        await custodian(platform).rotate(ScopeFilter("nobody"))


async def test_a_worker_at_work_takes_each_epoch_in_and_loses_nothing(platform: Installation, worker: Worker) -> None:
    inbox, parts = Inbox(), worker.parts

    async with beside(parts.committer.run(), "group-commit"):
        for number in range(4):
            BANK_A.put(inbox, *(transaction(f"t{number}-{n}") for n in range(20)))
            # Sealed under the former epoch, and not committed yet.
            waiting = inbox.take()
            sealed = await parts.pipeline.run(waiting)
            await custodian(platform).rotate(ALL_OF_A)
            assert not await parts.committer.submit(sealed)
            assert await parts.committer.submit(await parts.pipeline.run(inbox.batch(20 * number, 20 * number + 20)))
    assert [tuple(row) for row in await platform.rows(EPOCHS)] == [(epoch, 20) for epoch in range(2, 6)]
    assert await readable(platform) == 80
    await platform.sequence()
    report = await platform.audit()
    assert report.ok, report.findings


@pytest.mark.parametrize("retire", [False, True])
async def test_rewrapped_keys_open_what_was_sealed_before(platform: Installation, worker: Worker, retire: bool) -> None:
    inbox = Inbox()
    BANK_A.put(inbox, transaction("before"))
    await worker.commit(inbox.take())
    sealed = await platform.rows("SELECT record_id, pass_id, sealed FROM results")
    before = {record.key_id: record for record in await custodian(platform).tier_keys(ALL_OF_A)}
    made = await custodian(platform).rewrap(ALL_OF_A, retire=retire)
    assert {record.key_id for record in made} == before.keys()
    for record in made:
        former = before[record.key_id].wrapped
        assert record.wrapped.kek_id != former.kek_id
        if retire:
            with pytest.raises(KeyUnavailable):
                platform.identity.keyring.unwrap(record.scope, former)
        else:
            platform.identity.keyring.unwrap(record.scope, former)
    await worker.parts.reload()
    BANK_A.put(inbox, transaction("after"))
    await worker.commit(inbox.take())
    assert [tuple(row) for row in await platform.rows(EPOCHS)] == [(1, 2)]
    assert await platform.rows("SELECT record_id, pass_id, sealed FROM results ORDER BY created_at LIMIT 1") == sealed
    assert await readable(platform) == 2
    await platform.sequence()
    report = await platform.audit()
    assert report.ok, report.findings


async def test_a_former_wrapping_put_back_is_found(platform: Installation) -> None:
    (record,) = await custodian(platform).tier_keys(ScopeFilter("bank-a", BANK_A.domain, 3))
    await custodian(platform).rewrap(ScopeFilter("bank-a", BANK_A.domain, 3), retire=False)
    await platform.execute(
        "UPDATE tier_keys SET kek_id = $1, wrapped = $2 WHERE key_id = $3",
        record.wrapped.kek_id,
        record.wrapped.ciphertext,
        record.key_id,
    )
    await platform.sequence()
    (finding,) = (await platform.audit()).findings
    assert finding.where.startswith(f"tier key {record.key_id}")


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        pytest.param("DELETE FROM tier_keys WHERE epoch = 2 AND tier = 3", "its row is gone", id="gone"),
        pytest.param("UPDATE tier_keys SET kek_id = 'other' WHERE epoch = 2 AND tier = 3", "is not what", id="changed"),
        pytest.param(
            "INSERT INTO tier_keys SELECT tenant, domain, tier, 9, 'tk-x', kek_id, wrapped FROM tier_keys "
            "WHERE tenant = 'bank-b' AND tier = 3 AND domain <> '_access'",
            "no leaf says that this epoch was begun",
            id="planted",
        ),
    ],
)
async def test_an_audit_names_tier_keys_that_sql_changed(platform: Installation, damage: str, says: str) -> None:
    await custodian(platform).rotate(ScopeFilter("bank-a", BANK_A.domain))
    await platform.sequence()
    assert (await platform.audit()).ok
    await platform.execute(damage)
    report = await platform.audit()
    assert any(says in finding.what and finding.where.startswith("tier key") for finding in report.findings)


async def test_shredded_records_are_gone_and_the_log_still_verifies(platform: Installation, worker: Worker) -> None:
    inbox = Inbox()
    BANK_A.put(inbox, transaction("before"))
    await worker.commit(inbox.take())
    (former,) = await custodian(platform).tier_keys(ScopeFilter("bank-a", BANK_A.domain, 3))
    (shredded,) = await custodian(platform).shred(ScopeFilter("bank-a", BANK_A.domain, 3), 1)
    assert shredded == former
    with pytest.raises(KeyUnavailable):  # with what a backup holds
        platform.identity.keyring.unwrap(former.scope, former.wrapped)
    assert await platform.one("SELECT count(*) FROM terms") == 0
    await worker.parts.reload()
    BANK_A.put(inbox, transaction("after"))
    await worker.commit(inbox.take())
    after, before = await (await platform.reader(5)).list(tenant="bank-a")
    assert {field.state for field in after.fields.values()} == {"open"}
    assert before.fields["amount"].state == "shredded"
    assert {(field.tier, field.state) for field in before.fields.values()} >= {(3, "shredded"), (2, "open")}
    leaf = [leaf for leaf in await platform.leaves("bank-a", of_keys=True) if "tier_key" in leaf][-1]
    assert leaf["tier_key"]["change"] == "shred"
    assert leaf["actor"]
    await platform.sequence()
    report = await platform.audit()
    assert report.ok, report.findings
    assert sum(log.fields_shredded for log in report.logs) >= 3
    low = await (await platform.reader(2)).list(tenant="bank-a")
    assert {view.fields["booking_date"].state for view in low} == {"open"}


async def test_a_tenant_can_be_shredded_whole_and_goes_on(platform: Installation, worker: Worker) -> None:
    inbox = Inbox()
    for producer in (BANK_A, BANK_B):
        producer.put(inbox, transaction("before"))
    await worker.commit(inbox.take())
    await (await platform.reader(3)).list()
    await custodian(platform).shred(ALL_OF_A)
    await custodian(platform).shred(ALL_OF_A, 1)
    await worker.parts.reload()
    BANK_A.put(inbox, transaction("after"))
    await worker.commit(inbox.take())
    states = {
        (view.stored.tenant, field.state)
        for view in await (await platform.reader(5)).list()
        for field in view.fields.values()
    }
    assert states == {("bank-a", "open"), ("bank-a", "shredded"), ("bank-b", "open")}
    assert await platform.one("SELECT count(*) FROM tier_keys WHERE domain = '_access' AND epoch > 1") == 0
    with pytest.raises(ConfigurationError, match="who was shown what"):
        await custodian(platform).shred(ScopeFilter("bank-a", "_access"))
    await platform.sequence()
    report = await platform.audit()
    assert report.ok, report.findings


async def test_what_was_sealed_for_a_shredded_epoch_is_not_committed(platform: Installation, worker: Worker) -> None:
    inbox, parts = Inbox(), worker.parts
    BANK_A.put(inbox, transaction("a"))
    sealed = await parts.pipeline.run(inbox.take())
    await custodian(platform).shred(ALL_OF_A)
    async with beside(parts.committer.run(), "group-commit"):
        assert not await parts.committer.submit(sealed)
        assert await parts.committer.submit(await parts.pipeline.run(inbox.batch(0, 1)))
    assert await readable(platform) == 1
    await platform.sequence()
    assert (await platform.audit()).ok


async def test_a_shredding_that_was_interrupted_is_found_and_finished(
    platform: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    scope = ScopeFilter("bank-a", BANK_A.domain, 3)

    def away(_: object) -> None:
        raise Unavailable("the key provider does not answer")

    with monkeypatch.context() as patch:
        patch.setattr(platform.identity.keyring, "destroy", away)
        with pytest.raises(Unavailable):
            await custodian(platform).shred(scope, 1)
    await platform.sequence()
    (finding,) = (await platform.audit()).findings
    assert "run `sealstream keys shred` again" in finding.what
    await custodian(platform).shred(scope, 1)
    await platform.sequence()
    assert (await platform.audit()).ok
    assert await platform.one("SELECT max(epoch) FROM tier_keys WHERE domain = $1 AND tier = 3", BANK_A.domain) == 2


async def test_a_backup_from_before_opens_nothing_and_no_key_is_made_in_its_place(
    platform: Installation, worker: Worker
) -> None:
    inbox = Inbox()
    BANK_A.put(inbox, transaction("before"))
    await worker.commit(inbox.take())
    await platform.execute("CREATE TABLE former_tier_keys AS SELECT * FROM tier_keys")
    await custodian(platform).shred(ALL_OF_A)
    await platform.execute("DELETE FROM tier_keys")
    await platform.execute("INSERT INTO tier_keys SELECT * FROM former_tier_keys")
    await platform.execute("DROP TABLE former_tier_keys")
    with pytest.raises(KeyUnavailable):
        await load_knowledge(platform.database, platform.identity)
    await platform.execute("DELETE FROM tier_keys WHERE tenant = 'bank-a'")
    with pytest.raises(KeyUnavailable, match="destroyed"):
        await load_knowledge(platform.database, platform.identity)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        pytest.param(
            "UPDATE tier_keys SET shredded_at = now(), wrapped = '' WHERE tenant = 'bank-b' AND tier = 3 "
            "AND domain <> '_access'",
            "no leaf",
            id="marked-without-a-leaf",
        ),
        pytest.param("UPDATE tier_keys SET shredded_at = NULL", "its row is whole", id="unmarked"),
        pytest.param(
            "UPDATE data_keys SET tier_key_id = (SELECT key_id FROM tier_keys WHERE shredded_at IS NOT NULL) "
            "WHERE tenant = 'bank-a' AND tier = 3 AND domain <> '_access'",
            "had shredded before",
            id="a-later-record-hidden-behind-it",
        ),
    ],
)
async def test_an_audit_tells_damage_from_shredding(
    platform: Installation, worker: Worker, damage: str, says: str
) -> None:
    await custodian(platform).shred(ScopeFilter("bank-a", BANK_A.domain, 3), 1)
    await worker.parts.reload()
    inbox = Inbox()
    BANK_A.put(inbox, transaction("a"))
    BANK_B.put(inbox, transaction("b"))
    await worker.commit(inbox.take())
    await platform.sequence()
    assert (await platform.audit()).ok
    await platform.execute(damage)
    findings = (await platform.audit()).findings
    assert any(says in finding.what for finding in findings), [str(finding) for finding in findings]
