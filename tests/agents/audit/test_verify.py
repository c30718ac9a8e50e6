"""What an audit says about databases nobody tampered with, in every state a running platform leaves them in."""

import asyncio
import datetime as dt
from collections import Counter

import pytest

from agents.platform.knowledge import load_knowledge
from schemas.leaf import Leaf
from sealstream.audit.auditing import audit
from sealstream.client import Signer
from sealstream.producing.signed_items import sign_batch
from tests.support.installation import BANK_A, BANK_B, Installation, Producer, Worker
from tests.support.messages import Inbox, entry, statement, transaction


async def check(platform: Installation) -> None:
    report = await platform.audit()
    assert report.ok, [str(finding) for finding in report.findings]


async def test_an_empty_platform_is_fine(platform: Installation) -> None:
    report = await platform.audit()
    assert report.ok
    assert {log.size for log in report.logs} == {0}
    assert {log.tenant: log.waiting for log in report.logs} == {"bank-a": 1, "bank-b": 1, "platform": 0}


async def test_commits_that_wait_for_their_place_are_counted_and_fine(platform: Installation, worker: Worker) -> None:
    inbox = Inbox()
    BANK_A.put(inbox, transaction("a"), transaction("b"))
    await worker.commit(inbox.take(1))
    await platform.sequence()
    await worker.commit(inbox.take())
    report = await platform.audit()
    assert report.ok, [str(finding) for finding in report.findings]
    assert sum(log.waiting for log in report.logs) == 1
    await platform.sequence()
    assert not sum(log.waiting for log in (await platform.audit()).logs)


async def test_several_groups_clusters_topics_and_workers_are_told_apart(platform: Installation) -> None:
    for number, (group, cluster) in enumerate((("g", "c"), ("h", "c"), ("g", "d"))):
        worker = await platform.worker(group=group, cluster=cluster)
        for topic in ("transactions", "statements"):
            inbox = Inbox(topic, partition=1, first=number * 5)
            BANK_A.put(inbox, transaction(f"{group}{cluster}{topic}"), transaction(f"{group}{cluster}{topic}2"))
            await worker.commit(inbox.take(1))
            await worker.commit(inbox.take(1))
    await platform.sequence()
    report = await platform.audit()
    assert report.ok, [str(finding) for finding in report.findings]
    assert report.watermarks == 3 * 2 * 3


async def test_evidence_verifies_again_after_a_key_is_revoked(platform: Installation, worker: Worker) -> None:
    """A key that counted at the time counts for what was received then."""
    inbox = Inbox()
    BANK_A.put(inbox, transaction("a"))
    await worker.commit(inbox.take())
    await platform.registrar().revoke(BANK_A.key_id, dt.datetime.now(dt.UTC))
    await platform.sequence()
    await check(platform)


async def test_batches_are_intake_evidence_and_signer_like_single_signatures(
    platform: Installation, worker: Worker
) -> None:
    inbox = Inbox()
    items = [*(transaction(f"b{number}") for number in range(5)), statement("s", [entry("R1")])]
    for headers, value, key in sign_batch(items, Signer(BANK_A.source, BANK_A.signer)):
        inbox.put_raw(list(headers), value, key)
    BANK_A.put(inbox, transaction("single"))
    await worker.commit(inbox.take())
    await platform.sequence()
    report = await platform.audit()
    assert report.ok, [str(finding) for finding in report.findings]
    assert sum(log.signatures for log in report.logs) == 7
    assert {leaf["signer"] for leaf in await platform.leaves() if "signer" in leaf} == {BANK_A.key_id}


async def test_looks_are_part_of_what_is_verified(platform: Installation, worker: Worker) -> None:
    inbox = Inbox()
    BANK_A.put(inbox, transaction("a"), transaction("bad", amount="-1"))
    BANK_B.put(inbox, transaction("b"))
    await worker.commit(inbox.take())
    reader = await platform.reader(4)
    await reader.list()
    await reader.search("account", "nothing")
    (letter,) = await reader.dead_letters()
    await reader.show_dead_letter(letter.dead_letter_id)
    await platform.sequence()
    await check(platform)
    looks = Counter(leaf["kind"] for leaf in await platform.leaves() if "actor" in leaf)
    assert looks == {"read": 3, "search": 1}


async def test_an_observer_sees_every_leaf_once_with_what_the_auditor_may_open(
    platform: Installation, worker: Worker
) -> None:
    inbox = Inbox()
    BANK_A.put(inbox, transaction("a", amount="7.00"), statement("s", [entry("R1"), entry("R2", stated="x")]))
    await worker.commit(inbox.take())
    await platform.sequence()
    for tier in (1, 3):
        seen: list[tuple[Leaf, dict[str, bytes | None]]] = []
        progress: list[int] = []
        report = await audit(
            platform.settings,
            tier=tier,
            observe=lambda leaf, fields, seen=seen: seen.append((leaf, {n: f.value for n, f in fields.items()})),
            progress=progress.append,
        )
        assert report.ok
        assert Counter(leaf.kind for leaf, _ in seen) == {"result": 2, "accepted": 1, "rejected": 1, "key": 2}
        amounts = [fields["amount"] for leaf, fields in seen if leaf.kind == "result"]
        assert amounts == ([None, None] if tier == 1 else [b"7.00", b"10.00"])
        assert max(progress) == 4 + 1, "the log of one bank, with its registration"


async def snapshot(platform: Installation) -> dict[str, int]:
    rows = await platform.rows(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    )
    return {
        row["relname"]: await platform.one(
            f"SELECT count(*) || md5(coalesce(string_agg(t::text, ',' ORDER BY t::text), '')) FROM {row['relname']} t"
        )
        for row in rows
    }


async def test_an_audit_changes_nothing(platform: Installation, worker: Worker) -> None:
    inbox = Inbox()
    BANK_A.put(inbox, transaction("a"))
    await worker.commit(inbox.take())
    await platform.sequence()
    before = await snapshot(platform)
    await check(platform)
    assert await snapshot(platform) == before


async def test_an_audit_while_work_goes_on_finds_nothing(platform: Installation, worker: Worker) -> None:
    """Commits, places and checkpoints appear between any two of its queries."""
    inbox = Inbox()
    sequencing = asyncio.create_task(platform.sequencer().run())

    async def work() -> None:
        while True:
            BANK_A.put(inbox, *(transaction(f"t{len(inbox.records) + n}") for n in range(5)))
            await worker.commit(inbox.take(5))

    working = asyncio.create_task(work())
    try:
        for _ in range(3):
            before = inbox.taken
            report = await audit(platform.settings)
            assert report.ok, [str(finding) for finding in report.findings]
            assert inbox.taken > before, "work went on"
            assert not working.done()
    finally:
        sequencing.cancel()
        working.cancel()
        await asyncio.gather(sequencing, working, return_exceptions=True)


async def test_a_keyring_of_somebody_else_is_noticed(
    platform: Installation, worker: Worker, tmp_path_factory: pytest.TempPathFactory
) -> None:
    inbox = Inbox()
    BANK_A.put(inbox, transaction("a"))
    await worker.commit(inbox.take())
    await platform.sequence()
    other = platform.settings.model_copy(update={"keyring_dir": tmp_path_factory.mktemp("other") / "keys"})
    report = await audit(other, patience=0)
    assert not report.ok


async def test_a_tenant_that_has_no_record_yet_has_an_empty_log(platform: Installation) -> None:
    third = Producer("bank-c")
    await platform.registrar().register(third.new_key())
    await check(platform)
    await load_knowledge(platform.database, platform.identity)
    report = await platform.audit()
    assert report.ok
    assert "bank-c" in {log.tenant for log in report.logs}
