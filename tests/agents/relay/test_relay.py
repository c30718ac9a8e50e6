import asyncio

import pytest

from agents.log.publication_check import BehindPublication, refuse_if_behind
from agents.relay.batch import NextLeaves, TamperedLeaf, check_leaves, make_batch
from agents.relay.notices import Notice
from agents.relay.relay import MAX_LEAVES, Relay, RelayWork
from schemas.events import decode_event
from schemas.leaf import encode_leaf
from security.batch_material import decode_material
from security.checkpoint import verify_checkpoint
from security.key_registry import KeyRegistry
from security.merkle import leaf_hash
from security.note import Verifier
from security.notice_key import trusted_notice_key
from security.signing import Ed25519Signer
from security.verifiability import verify_event
from streams.storage import relaying
from streams.storage.relaying import RelayPosition, SequencedCommit, SizedLog
from tests.support.commits import leaf
from tests.support.installation import BANK_A, BANK_B, Installation, Worker
from tests.support.messages import Inbox, entry, statement, transaction
from tests.support.notice_sink import Crashed, MemoryBroker, bare, header, parts_of, place, relay_all, topics_of


@pytest.fixture(autouse=True)
async def _empty_logs(platform: Installation) -> None:
    """What is placed or published is counted here, and commits are numbered by hand."""
    await platform.empty_logs()


async def work(platform: Installation, worker: Worker, rounds: int = 3) -> int:
    """Results, duplicates, rejections and statements of two banks, a commit a round; returns how many leaves."""
    for number in range(rounds):
        inbox = Inbox(partition=number)
        BANK_A.put(inbox, *(transaction(f"a{number}-{n}") for n in range(4)), transaction(f"a{number}-0"))
        BANK_A.put(inbox, statement(f"s{number}", [entry(f"R{number}"), entry("x", stated="1,0")]))
        BANK_B.put(inbox, transaction(f"b{number}"), transaction(f"bad{number}", amount="-1"))
        inbox.put_raw([], b"")
        await worker.commit(inbox.take())
    return await platform.sequence()


def chains_hold(notices: list[Notice]) -> None:
    """In one topic: indexes rise, and each names the one before it."""
    indexes = [place(notice)[1] for notice in notices]
    assert indexes == sorted(set(indexes))
    previous = [header(notice, "ce_sealprev") for notice in notices]
    assert previous == [None if n == 0 else str(indexes[n - 1]) for n in range(len(indexes))]


async def test_every_leaf_is_published_once_in_the_log_s_order(platform: Installation, worker: Worker) -> None:
    leaves = await work(platform, worker)
    broker = MemoryBroker()
    assert await relay_all(platform, broker) == leaves
    audit = [notice for notice in broker.notices if notice.topic.startswith("audit.")]
    assert len(audit) == len({place(notice) for notice in audit}) == leaves
    for tenant in ("bank-a", "bank-b", "platform"):
        for topic in topics_of(tenant):
            chains_hold(broker.topic(topic))
        indexes = [place(notice)[1] for notice in broker.topic(f"audit.{tenant}")]
        assert indexes == list(range(len(indexes)))
    assert {decode_event(n.headers, n.value).type for n in broker.topic("dead-letters.bank-b")} == {
        "io.sealstream.rejected.v1"
    }
    assert len(broker.topic("results.bank-b")) == 3
    assert await relay_all(platform, broker) == 0


async def test_a_relay_at_rest_publishes_what_comes_later(platform: Installation, worker: Worker) -> None:
    broker = MemoryBroker()
    async with platform.database.session() as connection:
        relay = await RelayWork.take_over(connection, broker, parts_of(platform))
        for number in range(3):
            assert [await relay.step(connection) for _ in range(5)] == [0] * 5
            inbox = Inbox(partition=number)
            BANK_A.put(inbox, transaction(f"late-{number}"))
            await worker.commit(inbox.take())
            assert await relay.step(connection) == 0, "it has no place yet"
            leaves = await platform.sequence()
            assert await relay_all(platform, broker, relay) == leaves


async def test_every_notice_verifies_alone_for_who_trusts_the_log(platform: Installation, worker: Worker) -> None:
    await work(platform, worker)
    broker = MemoryBroker()
    await relay_all(platform, broker)
    vkeys = {row["tenant"]: row["vkey"] for row in await platform.rows("SELECT tenant, vkey FROM logs")}
    registry = KeyRegistry(
        trusted_notice_key(platform.identity.notice_certificate(tenant), Verifier.from_vkey(vkey))
        for tenant, vkey in vkeys.items()
    )
    verified = [verify_event(decode_event(notice.headers, notice.value), registry, 0) for notice in broker.notices]
    for notice, each in zip(broker.notices, verified, strict=True):
        assert each.tenant == each.event.source == header(notice, "ce_seallog")
        said = {name: header(notice, f"ce_{name}") for name in ("seallog", "sealindex", "sealprev")}
        assert each.event.extensions == {name: text for name, text in said.items() if text is not None}
        assert each.event.data == notice.value
    statements = {
        (each.event.source, bytes(decode_material(header(notice, "ce_batchmaterial") or "")[0].statement))
        for notice, each in zip(broker.notices, verified, strict=True)
    }
    assert len(statements) == len(vkeys), "one signature for all that is published of a log at once"


async def test_a_notice_s_data_is_the_stored_leaf_byte_for_byte(platform: Installation, worker: Worker) -> None:
    await work(platform, worker, 1)
    broker = MemoryBroker()
    await relay_all(platform, broker)
    for tenant in ("bank-a", "bank-b"):
        rows = await platform.rows(
            "SELECT b.body FROM bundles b JOIN logs l USING (log_id) WHERE l.tenant = $1 ORDER BY b.commit_id", tenant
        )
        published = b"".join(notice.value for notice in broker.topic(f"audit.{tenant}"))
        assert published == b"".join(row["body"] for row in rows)


async def test_the_position_survives_a_restart_and_chains_go_on(platform: Installation, worker: Worker) -> None:
    broker = MemoryBroker()
    await work(platform, worker, 2)
    await relay_all(platform, broker)
    inbox = Inbox(partition=50)
    BANK_A.put(inbox, transaction("later"), transaction("worse", amount="-1"))
    await worker.commit(inbox.take())
    await platform.sequence()
    assert await relay_all(platform, broker) == 2
    for topic in topics_of("bank-a"):
        chains_hold(broker.topic(topic))


@pytest.mark.parametrize("after", [0, 1, 5, 20, 1000])
async def test_what_a_crash_publishes_twice_is_the_same_and_told_by_log_and_index(
    platform: Installation, worker: Worker, after: int
) -> None:
    leaves = await work(platform, worker)
    broker = MemoryBroker()
    broker.fail_after = after
    with pytest.raises(Crashed):
        await relay_all(platform, broker)
    broker.fail_after = None
    await relay_all(platform, broker)
    first: dict[tuple[str, str, int], Notice] = {}
    for notice in broker.notices:
        again = first.setdefault((notice.topic, *place(notice)), notice)
        assert bare(again) == bare(notice)
    assert sum(topic.startswith("audit.") for topic, _, _ in first) == leaves
    for topic in topics_of("bank-a"):
        chains_hold([notice for (name, *_), notice in first.items() if name == topic])


async def test_a_broker_that_knows_nothing_gets_what_follows_the_last_position_that_was_written_down(
    platform: Installation, worker: Worker
) -> None:
    await work(platform, worker, 1)
    await relay_all(platform, MemoryBroker())
    inbox = Inbox(partition=50)
    BANK_A.put(inbox, transaction("later"))
    await worker.commit(inbox.take())
    await platform.sequence()
    fresh = MemoryBroker()
    assert await relay_all(platform, fresh) == 1
    assert header(fresh.topic("audit.bank-a")[0], "ce_sealprev") is not None


async def test_the_broker_s_position_decides_not_the_database_s(platform: Installation, worker: Worker) -> None:
    leaves = await work(platform, worker)
    broker = MemoryBroker()
    await relay_all(platform, broker)
    published = len(broker.notices)
    await platform.execute("DELETE FROM relay_steps")
    assert await relay_all(platform, broker) == 0
    async with platform.database.session() as connection:
        assert await relaying.relay_lag(connection) == 0
    await platform.execute("INSERT INTO relay_steps SELECT log_id, 1000000, '{}' FROM logs")
    inbox = Inbox(partition=50)
    BANK_A.put(inbox, transaction("later"))
    await worker.commit(inbox.take())
    await platform.sequence()
    assert await relay_all(platform, broker) == 1
    assert len(broker.notices) == published + 2
    assert sum(at.position for at in broker.positions.values()) == leaves + 1


async def test_a_position_names_the_last_leaf_and_a_checkpoint_it_covers(
    platform: Installation, worker: Worker
) -> None:
    await work(platform, worker)
    broker = MemoryBroker()
    await relay_all(platform, broker)
    for log in {owner.log.log_id: owner.log for owner in platform.knowledge.owners.values()}.values():
        at = broker.positions[log.origin]
        last = broker.topic(f"audit.{log.tenant}")[-1]
        assert at.last_hash == leaf_hash(last.value)
        verifier = platform.identity.log_signer(log.tenant).verifier
        signed = verify_checkpoint((at.checkpoint or "").encode(), log.origin, [verifier])
        assert 0 < signed.size <= at.position


async def test_logs_take_turns_when_one_has_more_than_a_transaction_takes(
    platform: Installation, worker: Worker
) -> None:
    for number in range(8):
        inbox = Inbox(partition=number)
        BANK_A.put(inbox, *(transaction(f"a{number}-{n}") for n in range(MAX_LEAVES // 6)))
        await worker.commit(inbox.take())
    inbox = Inbox(partition=50)
    BANK_B.put(inbox, transaction("b"))
    await worker.commit(inbox.take())
    await platform.sequence()
    broker = MemoryBroker()
    async with platform.database.session() as connection:
        made = await RelayWork.take_over(connection, broker, parts_of(platform))
        published, behind = [], []
        for _ in range(2):
            published.append(await made.step(connection))
            behind.append(made.more)
        while await made.step(connection):
            pass
    assert max(published) <= MAX_LEAVES
    assert len(broker.topic("audit.bank-b")) == 1
    assert behind[0], "it does not rest before it is done"
    assert not made.more


TAMPERED = {
    "a-leaf": "UPDATE bundles SET body = set_byte(body, 9, get_byte(body, 9) # 1)",
    "a-bundle-gone": "DELETE FROM bundles",
    "a-commit-gone": "DELETE FROM commits",
    "hashes": "UPDATE commits SET hashes = set_byte(hashes, 0, get_byte(hashes, 0) # 1)",
    "leaves-cut-off": "UPDATE bundles SET ends = ends[:1]",
    "no-leaves-left": "UPDATE bundles SET ends = '{}'",
    "a-place-gone": "DELETE FROM placements",
    "places-shifted": "UPDATE placements SET leaf_count = leaf_count + 1",
}


@pytest.mark.parametrize("statement_", [pytest.param(text, id=name) for name, text in TAMPERED.items()])
async def test_a_damaged_log_is_published_up_to_the_damage_and_the_others_to_their_end(
    platform: Installation, worker: Worker, statement_: str
) -> None:
    await work(platform, worker)
    log = platform.knowledge.owners["bank-a", "payments"].log.log_id
    places = await platform.rows("SELECT * FROM placements WHERE log_id = $1 ORDER BY first_index", log)
    await platform.execute(f"{statement_} WHERE log_id = {log} AND commit_id = {places[1]['commit_id']}")
    broker = MemoryBroker()
    async with platform.database.session() as connection:
        made = await RelayWork.take_over(connection, broker, parts_of(platform))
    for _ in range(3):
        await relay_all(platform, broker, made)
    await relay_all(platform, broker)
    indexes = [place(notice)[1] for notice in broker.topic("audit.bank-a")]
    # Nothing at or behind the damage, which a batch may begin before.
    assert set(indexes) <= set(range(places[1]["first_index"]))
    assert len(broker.topic("audit.bank-b")) == 6
    assert len(broker.topic("audit.platform")) == 3


def test_leaves_that_do_not_follow_the_position_are_never_given_its_index() -> None:
    body = encode_leaf(leaf(1))
    commit = SequencedCommit(5, 1, 1, leaf_hash(body), [len(body)], body)
    assert check_leaves([commit], "o", 5) == [(leaf(1), body)]
    with pytest.raises(TamperedLeaf):
        check_leaves([commit], "o", 0)


def test_a_batch_of_several_logs_moves_each_of_them() -> None:
    bodies = [encode_leaf(leaf(1, number)) for number in range(3)]
    logs = [SizedLog(1, "t", "o/t", 9), SizedLog(2, "u", "o/u", 9)]
    at = RelayPosition(5, {"audit.t": 4}, b"", None)
    parts = [NextLeaves(log, at, [(leaf(1), body) for body in bodies], leaf_hash(bodies[2]), "note") for log in logs]
    batch = make_batch(parts, topics_of, lambda log: Ed25519Signer(log.tenant, b"k" * 32))
    assert [place(notice) for notice in batch.notices] == [(log.origin, n) for log in logs for n in (5, 6, 7)]
    assert [header(notice, "ce_sealprev") for notice in batch.notices] == ["4", "5", "6", None, "5", "6"]
    assert batch.positions["o/t"] == RelayPosition(8, {"audit.t": 7}, leaf_hash(bodies[2]), "note")
    assert batch.positions["o/u"].previous == {"audit.t": 4, "audit.u": 7}


async def test_one_relay_at_a_time_and_the_next_one_takes_over(platform: Installation, worker: Worker) -> None:
    sinks = [MemoryBroker(), MemoryBroker()]
    running = [
        asyncio.create_task(Relay(platform.database, broker.open, topics_of, parts_of(platform).signer_for).run())
        for broker in sinks
    ]
    try:
        await work(platform, worker, 1)
        await lag_is_gone(platform)
        assert [bool(broker.notices) for broker in sinks].count(True) == 1
        owner = 0 if sinks[0].notices else 1
        running[owner].cancel()
        await asyncio.wait([running[owner]])
        inbox = Inbox(partition=70)
        BANK_A.put(inbox, transaction("later"))
        await worker.commit(inbox.take())
        await platform.sequence()
        await lag_is_gone(platform)
        assert len(sinks[1 - owner].topic("audit.bank-a")) == 1
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def lag_is_gone(platform: Installation) -> None:
    async with asyncio.timeout(30), platform.database.session() as connection:
        while await relaying.relay_lag(connection):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


BEHIND = {
    "leaves-missing": (1, None),
    "another-leaf-there": (0, b"x" * 32),
}


@pytest.mark.parametrize(("more", "last_hash"), [pytest.param(*case, id=name) for name, case in BEHIND.items()])
async def test_a_database_behind_what_is_published_is_refused(
    platform: Installation, worker: Worker, more: int, last_hash: bytes | None
) -> None:
    await work(platform, worker, 1)
    broker = MemoryBroker()
    await relay_all(platform, broker)
    origin = platform.identity.origin("bank-a")
    at = broker.positions[origin]
    broker.positions[origin] = RelayPosition(at.position + more, at.previous, last_hash or at.last_hash, at.checkpoint)
    async with platform.database.session() as connection:
        with pytest.raises(BehindPublication, match=f"{origin}.*sealstream audit recover"):
            await RelayWork.take_over(connection, broker, parts_of(platform))


async def test_a_log_that_is_gone_is_behind_and_an_unpublished_one_is_not(
    platform: Installation, worker: Worker
) -> None:
    await work(platform, worker, 1)
    async with platform.database.session() as connection:
        await refuse_if_behind(connection, {})
        await refuse_if_behind(connection, {"elsewhere/t": RelayPosition(0)})
        with pytest.raises(
            BehindPublication, match="log elsewhere/t has 0 leaves in the database, and 3 are published"
        ):
            await refuse_if_behind(connection, {"elsewhere/t": RelayPosition(3)})
