"""The roles of one process over real servers: what the health says while one is away, and that all comes back."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr

from deploy.kafka import KafkaBroker, KafkaCluster
from deploy.kafka.installation import KafkaInstallation
from sealstream.observe import Observation
from sealstream.running.workers import Role, Worker, parts_of
from sealstream.settings import Settings, load_settings
from sealstream.wiring import create_all_topics, prepare_database
from streams.embedded import DataDirectory
from streams.health import Health, State
from tests.faults.postgres import BreakablePostgres
from tests.support.databases import connected

ALL = [Role.INTAKE, Role.SEQUENCE, Role.RELAY]


async def until(condition: Callable[[], bool], health: Health) -> None:
    try:
        async with asyncio.timeout(60):
            while not condition():  # noqa: ASYNC110
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(health.snapshot()) from None


def settings_for(postgres: BreakablePostgres, kafka: KafkaBroker | KafkaCluster, keyring_dir: Path) -> Settings:
    return load_settings(
        keyring_dir=keyring_dir,
        database_url=SecretStr(postgres.dsn),
        kafka_bootstrap=kafka.bootstrap_servers,
        group="workers",
        topics_in=("workers-in",),
        session_timeout=dt.timedelta(seconds=2),
        database_patience=dt.timedelta(seconds=2),
    )


@asynccontextmanager
async def at_work(settings: Settings) -> AsyncIterator[tuple[Health, asyncio.Event]]:
    """A worker with all roles, in this process."""
    health = Health(parts_of(ALL))
    ready = asyncio.Event()
    task = asyncio.create_task(Worker(settings, ALL, health, Observation()).run(lambda url: ready.set()))
    try:
        yield health, ready
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def postgres() -> AsyncIterator[BreakablePostgres]:
    with DataDirectory() as directory:
        async with BreakablePostgres(directory / "postgres") as server:
            yield server


async def test_health_tells_the_truth_while_the_database_is_away(
    postgres: BreakablePostgres, kafka_broker: KafkaBroker, keyring_dir: Path
) -> None:
    settings = settings_for(postgres, kafka_broker, keyring_dir)
    await prepare_database(settings)
    await create_all_topics(settings, ["platform"])
    await postgres.stop()
    async with at_work(settings) as (health, ready):
        await until(lambda: health.parts()["database"].state is State.WAITING, health)
        assert not ready.is_set()
        await postgres.start()
        await until(ready.is_set, health)
        await postgres.kill()
        # Nothing is to be committed; who only waits notices too.
        parts = ("database", "keys", "sequencer", "relay")
        await until(lambda: all(health.parts()[name].state is State.WAITING for name in parts), health)
        assert health.alive
        assert not health.ready
        await postgres.start()
        await until(lambda: health.ready, health)
        await postgres.freeze(settings.database_patience.total_seconds() + 1)
        await until(lambda: health.ready, health)


async def test_health_tells_the_truth_while_the_broker_is_away(
    postgres: BreakablePostgres, kafka_installation: KafkaInstallation, keyring_dir: Path, tmp_path: Path
) -> None:
    async with KafkaCluster(tmp_path / "kafka", installation=kafka_installation) as kafka:
        settings = settings_for(postgres, kafka, keyring_dir)
        await prepare_database(settings)
        await create_all_topics(settings, ["platform"])
        (node,) = kafka.nodes
        await node.kill()
        async with at_work(settings) as (health, ready):
            await until(lambda: health.parts()["intake"].state is State.WAITING, health)
            assert not ready.is_set()
            await node.start()
            await until(ready.is_set, health)
            await node.kill()
            await until(lambda: health.parts()["kafka"].state is State.WAITING, health)
            assert health.alive
            assert not health.ready
            await node.start()
            await until(lambda: health.ready, health)


async def test_a_refused_partition_is_told_and_does_not_keep_the_worker_from_its_work(
    postgres: BreakablePostgres, kafka_broker: KafkaBroker, keyring_dir: Path
) -> None:
    settings = settings_for(postgres, kafka_broker, keyring_dir).model_copy(
        update={"topics_in": ("workers-refused",), "group": "refused"}
    )
    await prepare_database(settings)
    await create_all_topics(settings, ["platform"])
    async with connected(postgres.dsn) as connection:
        await connection.execute(
            """
            INSERT INTO watermark_steps (grp, cluster, commit_id, topic, part, era, from_offset, to_offset)
            VALUES ('refused', $1, 1, 'workers-refused', 0, 0, -1, 99)
            """,
            kafka_broker.cluster_id,
        )
    async with at_work(settings) as (health, ready):
        await until(lambda: "partition workers-refused/0" in health.parts(), health)
        await until(ready.is_set, health)
        refused = health.parts()["partition workers-refused/0"]
        assert refused.state is State.WAITING
        assert refused.why
        assert health.alive
        assert not health.ready
