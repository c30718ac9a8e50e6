"""What is visible may not be durable: with a real synchronous standby that stops answering."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agents.inference.engine import Engine
from agents.log.publication_check import BehindPublication, refuse_if_behind
from agents.relay.relay import RelayWork
from schemas.errors import ConfigurationError
from streams.embedded import DataDirectory, EmbeddedPostgres
from streams.storage.database import Database
from streams.storage.durability import NotDurable, check_durable, settle
from streams.storage.migrate import migrate
from streams.storage.relaying import RelayPosition
from streams.storage.server_identity import DatabaseReplaced, SameServer, server_identity
from tests.support.databases import Databases, connected
from tests.support.installation import BANK_A, Installation, installed
from tests.support.messages import Inbox, transaction
from tests.support.notice_sink import MemoryBroker, parts_of, relay_all
from tests.support.standby import Pair, pair


@pytest.fixture
async def servers() -> AsyncIterator[Pair]:
    with DataDirectory() as directory:
        async with (
            EmbeddedPostgres(directory / "primary", temporary=True) as primary,
            pair(directory, primary) as found,
        ):
            await migrate(primary.dsn)
            yield found


@pytest.fixture
async def primary(servers: Pair, tmp_path: Path, engine: Engine) -> AsyncIterator[Installation]:
    """A platform whose commits wait for the standby."""
    async with installed(servers.primary.dsn, tmp_path / "keys", engine=engine) as platform:
        await servers.wait_for_standby(yes=True)
        yield platform
        servers.resume()
        await servers.wait_for_standby(yes=False)


async def commit(platform: Installation, partition: int) -> None:
    worker = await platform.worker()
    inbox = Inbox(partition=partition)
    BANK_A.put(inbox, *(transaction(f"{partition}-{n}") for n in range(3)))
    await worker.commit(inbox.take())


async def test_what_no_standby_has_confirmed_is_neither_published_nor_signed(
    servers: Pair, primary: Installation
) -> None:
    broker = MemoryBroker()
    log = primary.owner(BANK_A).log
    await commit(primary, 1)
    await primary.sequence()
    assert await relay_all(primary, broker) == 3 + 2, "three records and two banks' registrations"
    signed = await primary.one("SELECT max(size) FROM checkpoints WHERE log_id = $1", log.log_id)

    # A worker and a sequencer whose waits for the standby are cancelled leave rows that everybody sees.
    servers.pause()
    for work in (commit(primary, 2), primary.sequence()):
        waiting = asyncio.create_task(work)
        async with asyncio.timeout(60):
            while not waiting.done():
                await cancel_waits(servers)
                await asyncio.sleep(0.1)
        await asyncio.gather(waiting, return_exceptions=True)
    placed = "SELECT coalesce(sum(leaf_count), 0) FROM placements WHERE log_id = $1"
    assert await primary.one(placed, log.log_id) == 1 + 6
    checkpoints = await primary.one("SELECT max(size) FROM checkpoints WHERE log_id = $1", log.log_id)
    assert checkpoints == signed

    publishing = asyncio.create_task(relay_all(primary, broker))
    await asyncio.sleep(1)
    assert len(broker.topic("audit.bank-a")) == 1 + 3
    await cancel_waits(servers)
    with pytest.raises(NotDurable):
        async with asyncio.timeout(30):
            await publishing
    assert len(broker.topic("audit.bank-a")) == 1 + 3

    servers.resume()
    assert await relay_all(primary, broker) == 3
    await primary.sequence()
    assert await primary.one("SELECT max(size) FROM checkpoints WHERE log_id = $1", log.log_id) == 1 + 6
    report = await primary.audit()
    assert report.ok, [str(finding) for finding in report.findings]


async def cancel_waits(servers: Pair) -> None:
    """What an impatient administrator does."""
    await servers.as_superuser(
        "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
    )


async def test_settling_needs_no_write_where_no_standby_is_configured() -> None:
    # All databases of a server share its write-ahead log: one where nobody else writes.
    with DataDirectory() as directory:
        async with (
            EmbeddedPostgres(directory / "alone", temporary=True) as server,
            Database(server.dsn, name="test") as database,
            database.session() as connection,
        ):
            before = await connection.fetchval("SELECT pg_current_wal_insert_lsn()")
            await settle(connection)
            assert await connection.fetchval("SELECT pg_current_wal_insert_lsn()") == before


async def test_our_sessions_commit_durably_whatever_the_role_s_default_is(databases: Databases) -> None:
    async with databases.fresh() as dsn:
        name = dsn.rpartition("/")[2]
        for value in ("off", "local"):
            await databases.as_superuser(f"ALTER DATABASE {name} SET synchronous_commit = {value}")
            async with Database(dsn, name="test") as database, database.session() as connection:
                assert await connection.fetchval("SHOW synchronous_commit") == "on"
            async with connected(dsn) as plain:
                with pytest.raises(ConfigurationError, match=f"synchronous_commit is '{value}'"):
                    await check_durable(plain)


async def test_a_server_that_does_not_sync_is_refused(dsn: str) -> None:
    async with connected(dsn) as connection:  # the tests' server waits for no disk
        with pytest.raises(ConfigurationError, match="fsync is off"):
            await check_durable(connection)


async def test_a_promoted_standby_that_lacks_leaves_is_another_server_and_behind(
    servers: Pair, primary: Installation
) -> None:
    """The standby is asynchronous here and misses the last commits: a failover loses them."""
    broker = MemoryBroker()
    await servers.wait_for_standby(yes=False)
    await commit(primary, 10)
    await primary.sequence()
    await relay_all(primary, broker)
    await servers.caught_up()
    await servers.cut_off()
    await commit(primary, 11)
    await primary.sequence()
    await relay_all(primary, broker)
    same = SameServer()
    async with connected(servers.primary.dsn) as connection:
        await same.check(connection)
        await same.check(connection)
        first = await server_identity(connection)
    async with connected(servers.standby_dsn) as connection:
        assert await server_identity(connection) is None  # a standby writes no history of its own
    await servers.promote()
    async with connected(servers.standby_dsn) as connection:
        promoted = await server_identity(connection)
        assert promoted is not None
        assert first is not None
        assert promoted.system_id == first.system_id
        assert promoted.timeline != first.timeline
        with pytest.raises(DatabaseReplaced):
            await same.check(connection)
    async with Database(servers.standby_dsn, name="test") as database, database.session() as session:
        with pytest.raises(BehindPublication, match="are published"):
            await RelayWork.take_over(session, broker, parts_of(primary))
        await refuse_if_behind(session, {primary.owner(BANK_A).log.origin: RelayPosition(1)})
