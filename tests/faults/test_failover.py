"""A failover under running workers: the standby has all that was committed, and everybody goes on with it."""

from pathlib import Path

from deploy.kafka import KafkaCluster
from deploy.kafka.installation import KafkaInstallation
from streams.embedded import DataDirectory
from tests.faults.platform import faulty_platform
from tests.faults.postgres import PairedPostgres
from tests.support.databases import Databases

MESSAGES = 300
RATE = 100.0


async def test_the_primary_dies_under_load_and_its_standby_takes_over(
    kafka_installation: KafkaInstallation, databases: Databases, keyring_dir: Path, tmp_path: Path
) -> None:
    with DataDirectory() as directory:
        async with (
            KafkaCluster(tmp_path / "kafka", installation=kafka_installation) as kafka,
            faulty_platform(
                directory, kafka, databases, keyring_dir, frame_records=20, database=PairedPostgres
            ) as platform,
        ):
            assert isinstance(platform.postgres, PairedPostgres)
            feeding = platform.feed(MESSAGES, RATE)
            await platform.until_committed(MESSAGES // 4)
            await platform.postgres.fail_over()
            await feeding
            await platform.settled()
            await platform.verify()
            # One that comes back late is not missed: the others have done its work by then.
            await platform.until_restarted(len(platform.workers))
            # Each process ends once: what it had read may be untrue on another server, see `SameServer`.
            assert {name: each.restarts for name, each in platform.workers.items()} == dict.fromkeys(
                platform.workers, 1
            ), platform.last_words()
