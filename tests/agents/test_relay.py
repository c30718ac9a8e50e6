import asyncio

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from agents.attested_notices import MATERIAL_HEADER
from agents.notices import Notice
from agents.relay import Relay, TamperedLeaf, make_notices
from schemas.events import decode_event
from schemas.leaf import encode_leaf
from security.batch_material import decode_material
from security.key_registry import KeyRegistry
from security.merkle import leaf_hash
from security.note import Verifier
from security.notice_key import trusted_notice_key
from security.signing import Signer
from security.verifiability import verify_event
from streams.embedded import DataDirectory, EmbeddedBroker
from streams.kafka import KafkaAccess
from streams.notices import KafkaNoticeSink
from streams.storage import relaying
from streams.storage.relaying import RelayPosition, SequencedCommit
from streams.storage.sequencing import LogRow
from streams.topics import TopicSpec, create_topics
from tests.support.commits import leaf
from tests.support.installation import BANK_A, BANK_B, Installation, Worker
from tests.support.messages import Inbox, entry, statement, transaction
from tests.support.notice_sink import Crashed, MemorySink, bare, header, place, topics_of


def relay_of(platform: Installation, sink: object) -> Relay:
    def signer_for(row: LogRow) -> Signer:
        return platform.identity.notice_signer(row.tenant)

    return Relay(platform.database, sink, topics_of, signer_for)  # type: ignore[arg-type]


async def relay_all(platform: Installation, sink: object, relay: Relay | None = None) -> int:
    """Publish until nothing is left, by a relay that begins where the last one stopped."""
    made = relay or relay_of(platform, sink)
    published = 0
    async with platform.database.session() as connection:
        while now := await made.step(connection):
            published += now
    return published


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
    sink = MemorySink()
    assert await relay_all(platform, sink) == leaves
    audit = [notice for notice in sink.notices if notice.topic.startswith("audit.")]
    assert len(audit) == len({place(notice) for notice in audit}) == leaves
    for tenant in ("bank-a", "bank-b", "platform"):
        for topic in topics_of(tenant):
            chains_hold(sink.topic(topic))
        indexes = [place(notice)[1] for notice in sink.topic(f"audit.{tenant}")]
        assert indexes == list(range(len(indexes)))
    assert {decode_event(n.headers, n.value).type for n in sink.topic("dead-letters.bank-b")} == {
        "io.sealstream.rejected.v1"
    }
    assert len(sink.topic("results.bank-b")) == 3
    assert await relay_all(platform, sink) == 0


async def test_every_notice_verifies_alone_for_who_trusts_the_log(platform: Installation, worker: Worker) -> None:
    await work(platform, worker)
    sink = MemorySink()
    await relay_all(platform, sink)
    vkeys = {row["tenant"]: row["vkey"] for row in await platform.rows("SELECT tenant, vkey FROM logs")}
    registry = KeyRegistry(
        trusted_notice_key(platform.identity.notice_certificate(tenant), Verifier.from_vkey(vkey))
        for tenant, vkey in vkeys.items()
    )
    verified = [verify_event(decode_event(notice.headers, notice.value), registry, 0) for notice in sink.notices]
    for notice, each in zip(sink.notices, verified, strict=True):
        assert each.tenant == each.event.source == header(notice, "ce_seallog")
        said = {name: header(notice, f"ce_{name}") for name in ("seallog", "sealindex", "sealprev")}
        assert each.event.extensions == {name: text for name, text in said.items() if text is not None}
        assert each.event.data == notice.value
    statements = {
        (each.event.source, bytes(decode_material(header(notice, "ce_batchmaterial") or "")[0].statement))
        for notice, each in zip(sink.notices, verified, strict=True)
    }
    assert len(statements) == len(vkeys), "one signature for all that is published of a log at once"


async def test_a_notice_s_data_is_the_stored_leaf_byte_for_byte(platform: Installation, worker: Worker) -> None:
    await work(platform, worker, 1)
    sink = MemorySink()
    await relay_all(platform, sink)
    for tenant in ("bank-a", "bank-b"):
        rows = await platform.rows(
            "SELECT b.body FROM bundles b JOIN logs l USING (log_id) WHERE l.tenant = $1 ORDER BY b.commit_id", tenant
        )
        published = b"".join(notice.value for notice in sink.topic(f"audit.{tenant}"))
        assert published == b"".join(row["body"] for row in rows)


async def test_the_position_survives_a_restart_and_chains_go_on(platform: Installation, worker: Worker) -> None:
    sink = MemorySink()
    await work(platform, worker, 2)
    await relay_all(platform, sink)
    inbox = Inbox(partition=50)
    BANK_A.put(inbox, transaction("later"), transaction("worse", amount="-1"))
    await worker.commit(inbox.take())
    await platform.sequence()
    assert await relay_all(platform, sink) == 2
    for topic in topics_of("bank-a"):
        chains_hold(sink.topic(topic))


@pytest.mark.parametrize("after", [0, 1, 5, 20])
async def test_what_a_crash_publishes_twice_is_the_same_and_told_by_log_and_index(
    platform: Installation, worker: Worker, after: int
) -> None:
    leaves = await work(platform, worker)
    sink = MemorySink()
    sink.fail_after = after
    with pytest.raises(Crashed):
        await relay_all(platform, sink)
    sink.fail_after = None
    await relay_all(platform, sink)
    first: dict[tuple[str, str, int], Notice] = {}
    for notice in sink.notices:
        again = first.setdefault((notice.topic, *place(notice)), notice)
        assert bare(again) == bare(notice)
    assert sum(topic.startswith("audit.") for topic, _, _ in first) == leaves
    for topic in topics_of("bank-a"):
        chains_hold([notice for (name, *_), notice in first.items() if name == topic])


async def test_a_crash_between_publishing_and_remembering_repeats_and_never_skips(
    platform: Installation, worker: Worker
) -> None:
    leaves = await work(platform, worker)
    sink = MemorySink()
    await relay_all(platform, sink)
    await platform.execute("DELETE FROM relay_steps")
    assert await relay_all(platform, sink) == leaves
    half = len(sink.notices) // 2
    before, after = (sorted(map(repr, map(bare, part))) for part in (sink.notices[:half], sink.notices[half:]))
    assert before == after


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
    sink = MemorySink()
    relay = relay_of(platform, sink)
    for _ in range(3):
        await relay_all(platform, sink, relay)
    await relay_all(platform, sink)
    indexes = [place(notice)[1] for notice in sink.topic("audit.bank-a")]
    # Nothing at or behind the damage, which a batch may begin before.
    assert set(indexes) <= set(range(places[1]["first_index"]))
    assert len(sink.topic("audit.bank-b")) == 6
    assert len(sink.topic("audit.platform")) == 3


def test_leaves_that_do_not_follow_the_position_are_never_given_its_index() -> None:
    body = encode_leaf(leaf(1))
    commit = SequencedCommit(5, 1, 1, leaf_hash(body), [len(body)], body)
    assert make_notices([commit], "o", topics_of("t"), RelayPosition(5, {}))[1].position == 6
    with pytest.raises(TamperedLeaf):
        make_notices([commit], "o", topics_of("t"), RelayPosition(0, {}))


async def test_one_relay_at_a_time_and_the_next_one_takes_over(platform: Installation, worker: Worker) -> None:
    sinks = [MemorySink(), MemorySink()]
    running = [asyncio.create_task(relay_of(platform, sink).run()) for sink in sinks]
    try:
        await work(platform, worker, 1)
        await lag_is_gone(platform)
        assert [bool(sink.notices) for sink in sinks].count(True) == 1
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


async def test_the_real_broker_holds_what_was_published_in_order(platform: Installation, worker: Worker) -> None:
    leaves = await work(platform, worker)
    with DataDirectory() as directory:
        async with EmbeddedBroker(directory / "broker") as broker:
            names = [topic for tenant in ("bank-a", "bank-b", "platform") for topic in topics_of(tenant)]
            kafka = KafkaAccess(broker.bootstrap_servers)
            assert await create_topics(kafka, [TopicSpec(name, 1) for name in names]) == names
            expected = MemorySink()
            await relay_all(platform, expected)
            await platform.execute("DELETE FROM relay_steps")
            async with KafkaNoticeSink(KafkaAccess(broker.bootstrap_servers)) as sink:
                assert await relay_all(platform, sink) == leaves
            for name in names:
                found = await read_topic(broker.bootstrap_servers, name, len(expected.topic(name)))
                assert list(map(bare, found)) == list(map(bare, expected.topic(name)))
                assert all(notice.headers[-1][0] == MATERIAL_HEADER for notice in found)


async def read_topic(bootstrap: str, name: str, count: int) -> list[Notice]:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest", enable_auto_commit=False)
    await consumer.start()
    try:
        consumer.assign([TopicPartition(name, 0)])
        found: list[Notice] = []
        asked = 0
        async with asyncio.timeout(30):
            while len(found) < count or not asked:
                asked += 1
                for records in (await consumer.getmany(timeout_ms=50)).values():
                    found += [Notice(name, record.key, record.value, list(record.headers)) for record in records]
        return found
    finally:
        await consumer.stop()


async def test_what_does_not_fit_one_batch_is_published_too(platform: Installation) -> None:
    notices = [Notice("big", b"%d" % n, bytes(60_000), [("ce_id", b"%d" % n)]) for n in range(40)]
    with DataDirectory() as directory:
        async with EmbeddedBroker(directory / "broker") as broker:
            await create_topics(KafkaAccess(broker.bootstrap_servers), [TopicSpec("big", 1)])
            async with KafkaNoticeSink(KafkaAccess(broker.bootstrap_servers)) as sink:
                await sink.publish(notices)
            found = await read_topic(broker.bootstrap_servers, "big", 40)
    assert found == notices
