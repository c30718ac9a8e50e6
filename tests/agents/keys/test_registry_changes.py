"""Keys and policies that change while records are on their way."""

import datetime as dt
from collections import Counter
from dataclasses import replace

import pytest

from agents.commits.record_batch import RecordBatch
from agents.intake.worker import beside
from agents.platform.knowledge import load_knowledge
from schemas.errors import ConfigurationError
from schemas.reasons import Reason
from sealstream.client import Signer
from sealstream.producing.signed_items import sign_batch, sign_item
from security.algorithms import Algorithm
from security.signing import Ed25519Signer
from streams.storage.registry import list_source_policies
from tests.support.installation import BANK_A, BANK_B, Installation, Worker
from tests.support.messages import Inbox, transaction

CREATE_TIME = 0
SECOND = Ed25519Signer("second-eye", b"2" * 32)


def now_arriving(inbox: Inbox) -> RecordBatch:
    """The next records, stamped by their producer: they count as received when they are verified."""
    batch = inbox.take()
    for record in inbox.records:
        record.timestamp_type = CREATE_TIME
    return batch


async def revoke(platform: Installation) -> None:
    await platform.registrar().revoke(BANK_A.key_id)


async def four_eyes(platform: Installation) -> None:
    second = replace(BANK_A.new_key(), name=SECOND.key_id, jwk=SECOND.jwk)
    await platform.registrar().register(second)
    await platform.registrar().require(BANK_A.source, tenant=BANK_A.tenant, signatures=2)


async def test_records_judged_before_a_revocation_are_judged_again(platform: Installation, worker: Worker) -> None:
    inbox = Inbox()
    BANK_A.put(inbox, transaction("a"))
    BANK_B.put(inbox, transaction("b"))
    batch = now_arriving(inbox)
    judged = await worker.process(batch)
    await revoke(platform)
    assert await worker.parts.committer.commit(judged) == set()
    assert await platform.leaves() == []
    assert await worker.commit(batch) == {(batch.topic, batch.partition)}
    assert Counter(leaf.get("reason") for leaf in await platform.leaves()) == {None: 1, Reason.KEY_REVOKED: 1}
    await platform.sequence()
    assert (await platform.audit()).ok


async def test_a_committer_tells_its_waiters_to_read_again(platform: Installation, worker: Worker) -> None:
    inbox = Inbox()
    BANK_A.put(inbox, transaction("a"))
    (judged,) = await worker.process(inbox.take())
    await revoke(platform)
    committer = worker.parts.committer
    async with beside(committer.run(), "group-commit"):
        assert await committer.submit(judged) is False
        (again,) = await worker.process(inbox.batch(0, 1))
        assert await committer.submit(again) is True


async def test_four_eyes_hold_from_their_moment_on(platform: Installation, worker: Worker) -> None:
    inbox = Inbox()
    BANK_A.put(inbox, transaction("before"))
    await worker.commit(now_arriving(inbox))
    await four_eyes(platform)
    await worker.parts.reload()
    BANK_A.put(inbox, transaction("alone"))
    for headers, value, key in (
        sign_item(transaction("both"), Signer(BANK_A.source, BANK_A.signer, SECOND)),
        *sign_batch([transaction("both-in-batch")], Signer(BANK_A.source, SECOND, BANK_A.signer)),
    ):
        inbox.put_raw(list(headers), value, key)
    await worker.commit(now_arriving(inbox))
    leaves = await platform.leaves()
    assert Counter(leaf.get("reason") for leaf in leaves) == {None: 3, Reason.MISSING_SIGNATURE: 1}
    both = f"{BANK_A.key_id},{SECOND.key_id}"
    assert Counter(leaf.get("signer") for leaf in leaves) == {BANK_A.key_id: 1, both: 2, None: 1}
    await platform.sequence()
    report = await platform.audit()
    assert report.ok, [str(finding) for finding in report.findings]
    assert sum(log.signatures for log in report.logs) == 3


async def test_a_later_policy_takes_over_and_the_former_stays(platform: Installation) -> None:
    await platform.registrar().require(BANK_A.source, tenant=BANK_A.tenant, signatures=2)
    await platform.registrar().require(BANK_A.source, tenant=BANK_A.tenant, signatures=1, algorithms=[Algorithm.SM2])
    async with platform.database.session() as connection:
        first, second = await list_source_policies(connection)
    registry = (await load_knowledge(platform.database, platform.identity)).registry
    assert (first.signatures, second.signatures, second.algorithms) == (2, 1, ["SM2"])
    for row in (first, second):
        at_ms = int(row.since.timestamp() * 1000) + 1
        assert registry.policy(BANK_A.source, at_ms).signatures == row.signatures


@pytest.mark.parametrize(
    ("change", "says"),
    [
        pytest.param({"source": "urn:nobody"}, "no key of that tenant", id="nobody-s-source"),
        pytest.param({"source": BANK_B.source}, "another tenant's", id="another-tenant-s-source"),
        pytest.param({"source": "urn:*"}, "another tenant's", id="a-pattern-over-both"),
        pytest.param({"source": "a*b"}, "pattern", id="no-pattern"),
        pytest.param({"signatures": 0}, "1 to 8", id="no-signature"),
    ],
)
async def test_a_policy_that_does_not_fit_is_refused(
    platform: Installation, change: dict[str, object], says: str
) -> None:
    given = {"source": BANK_A.source, "tenant": BANK_A.tenant, "signatures": 2} | change
    with pytest.raises(ConfigurationError, match=says):
        await platform.registrar().require(str(given.pop("source")), **given)  # type: ignore[arg-type]
    assert await platform.one("SELECT count(*) FROM source_policies") == 0


async def test_times_are_judged_by_the_policy_that_was_in_force_at_the_append(
    platform: Installation, worker: Worker
) -> None:
    inbox = Inbox()
    BANK_A.put(inbox, transaction("before"))
    await worker.commit(now_arriving(inbox))
    async with platform.database.session() as connection:
        moment = await connection.fetchval("SELECT clock_timestamp()")
    await platform.registrar().require(
        BANK_A.source, tenant="bank-a", signatures=1, max_age=dt.timedelta(days=1), expiry=True
    )
    await worker.parts.reload()
    fresh = f"{moment:%Y-%m-%dT%H:%M:%SZ}"
    expired = (("expirytime", fresh), ("sequence", "1"))
    BANK_A.put(inbox, replace(transaction("fresh"), time=fresh), transaction("old"))
    BANK_A.put(inbox, replace(transaction("expired"), time=fresh, extensions=expired))
    await worker.commit(now_arriving(inbox))
    leaves = await platform.leaves("bank-a")
    assert Counter(leaf.get("reason") for leaf in leaves) == {None: 2, Reason.STALE: 2}
    assert all(leaf["signer"] == BANK_A.key_id and leaf["record"] for leaf in leaves)
    # It was refused, and it has arrived.
    assert await platform.one("SELECT count(*) FROM sequence_arrivals") == 1
    (row,) = await platform.rows("SELECT max_age, max_ahead, expiry FROM source_policies")
    assert tuple(row) == (dt.timedelta(days=1), None, True)
    await platform.sequence()
    assert (await platform.audit()).ok
    assert [each.outcome for each in await platform.replay()] == ["rejected", "rejected"]
