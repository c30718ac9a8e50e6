"""A rolling upgrade from an older release: `python -m bench.upgrade --from COMMIT`.

Starts a platform with the code of a commit of this repository, its own migrations included, and brings it to the code
at hand while a feed goes on, as docs/deployment.md says: migrate first, then replace workers one by one. Old and new
ones share partitions, the older sequencer places what newer workers commit, and the newer one what older workers do;
an older worker is even started again at the end. What the log says is compared with an undisturbed pass over the same
topic. Exits 1 at a difference, or when a worker ends by itself. Needs Java, and git.
"""

import argparse
import asyncio
import datetime as dt
import itertools
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from deploy.kafka import KafkaCluster
from sealstream.running.kept_worker import Launch
from sealstream.settings import Settings, load_settings
from sealstream.wiring import create_all_topics, prepare_database, required_dsn
from streams.embedded import DataDirectory
from streams.embedded.process import ServerCommand, ServerProcess
from tests.faults.platform import PARTITIONS, FaultyPlatform, undisturbed_beside
from tests.faults.points import Faults
from tests.faults.postgres import BreakablePostgres
from tests.faults.undisturbed import TOPIC
from tests.support.databases import Databases, connected
from tests.support.installation import BANK_A, BANK_B

CHECKOUT: Final = Path(__file__).resolve().parents[1]
MESSAGES: Final = 400
RATE: Final = 60.0
LOG: Final = ("sequence", "relay")
PREPARE: Final = """
import asyncio, sys
from pathlib import Path
import sealstream
from sealstream.settings import load_settings
from sealstream.wiring import prepare_database
from tests.support.installation import installed

async def main():
    assert sealstream.__file__.startswith(sys.argv[2]), "not the older code"
    settings = load_settings()
    await prepare_database(settings)
    async with installed(settings.dsn, Path(sys.argv[1])):
        pass

asyncio.run(main())
"""
"""Makes database, platform keys and producers by the code that it finds on its path."""


def older_code(commit: str, place: Path) -> None:
    """Lay out the tree of a commit.

    Raises:
        CalledProcessError: There is no such commit here; git has said so.
    """
    packed = subprocess.run(
        ["git", "-C", str(CHECKOUT), "archive", "--format=tar", commit],
        stdout=subprocess.PIPE,
        check=True,
    )
    with tarfile.open(fileobj=BytesIO(packed.stdout)) as archive:
        archive.extractall(place, filter="data")


def running(code: Path) -> Launch:
    """A way to start servers that lets our programs find that code first."""

    async def launch(command: ServerCommand) -> ServerProcess:
        environment = {**command.environment, "PYTHONPATH": str(code)}
        return await ServerProcess.start(replace(command, environment=environment))

    return launch


def prepare_by(code: Path, keyring_dir: Path, environment: Mapping[str, str]) -> None:
    """Make the database as that code makes it."""
    subprocess.run(
        [sys.executable, "-c", PREPARE, str(keyring_dir), str(code)],
        check=True,
        cwd=code.parent,
        env={**os.environ, **environment, "PYTHONPATH": str(code)},
    )


@asynccontextmanager
async def older_platform(code: Path, place: Path) -> AsyncIterator[FaultyPlatform]:
    """Servers, and a database as the older code makes it; no worker yet."""
    keyring_dir = place / "keys"
    with DataDirectory() as directory:
        async with AsyncExitStack() as stack:
            kafka = await stack.enter_async_context(KafkaCluster(place / "kafka", nodes=1))
            databases = await stack.enter_async_context(Databases())
            postgres = await stack.enter_async_context(BreakablePostgres(directory / "postgres"))
            given = {"SEALSTREAM_DATABASE_URL": postgres.dsn, "SEALSTREAM_KEYRING_DIR": str(keyring_dir)}
            await asyncio.to_thread(prepare_by, code, keyring_dir, given)
            settings = load_settings(
                data_dir=directory,
                keyring_dir=keyring_dir,
                database_url=SecretStr(postgres.dsn),
                kafka_bootstrap=kafka.bootstrap_servers,
                topics_in=(TOPIC,),
                partitions=PARTITIONS,
                checkpoint_every=dt.timedelta(seconds=0.5),
                max_frame_records=50,
            )
            await create_all_topics(settings, ["platform", BANK_A.tenant, BANK_B.tenant])
            yield await _platform(stack, settings, postgres, kafka, databases, place)


async def _platform(
    stack: AsyncExitStack,
    settings: Settings,
    postgres: BreakablePostgres,
    kafka: KafkaCluster,
    databases: Databases,
    place: Path,
) -> FaultyPlatform:
    undisturbed = await undisturbed_beside(stack, databases, place / "keys", kafka, settings)
    (place / "workers").mkdir()
    platform = FaultyPlatform(
        settings, postgres, kafka, undisturbed, Faults(place / "faults"), place / "workers", roles={}
    )
    stack.push_async_callback(platform.stop)
    return platform


class Upgrade:
    """The steps, with a feed beside each of them."""

    def __init__(self, platform: FaultyPlatform, old: Launch, new: Launch) -> None:
        self._platform = platform
        self._old = old
        self._new = new
        self._numbers = itertools.count(1)

    async def run(self) -> None:
        """From old workers alone to new workers alone, and an old one once more."""
        platform = self._platform
        for name in ("a", "b"):
            await platform.start_worker(name, "intake", launch=self._old)
        await platform.start_worker("log", *LOG, launch=self._old)
        await platform.feed(MESSAGES, RATE)
        await platform.until(self._read, "older workers have read everything")
        self._say("older workers alone")
        before = await self._revision()
        feeding = platform.feed(MESSAGES, RATE)
        await prepare_database(platform.settings)
        await feeding
        await self._step(f"migrated from {before} to {await self._revision()} under the older workers")
        await platform.start_worker("c", "intake", launch=self._new)
        await self._step("a newer worker beside them, the older sequencer and relay")
        await self._replace("log", *LOG)
        await self._step("the newer sequencer and relay, workers of both releases")
        await self._replace("a", "intake")
        await self._replace("b", "intake")
        await self._step("newer workers alone")
        await platform.start_worker("d", "intake", launch=self._old)
        await self._step("an older worker started once more")

    async def _revision(self) -> str:
        async with connected(required_dsn(self._platform.settings)) as connection:
            return str(await connection.fetchval("SELECT version_num FROM alembic_version"))

    async def _replace(self, name: str, *roles: str) -> None:
        feeding = self._platform.feed(MESSAGES, RATE)
        await self._platform.stop_worker(name)
        await self._platform.start_worker(name, *roles, launch=self._new)
        await feeding

    async def _read(self) -> bool:
        # Whether it is placed and published, our code may not be able to ask before the migration.
        return await self._platform.positions() == await self._platform.ends()

    async def _step(self, what: str) -> None:
        platform = self._platform
        await platform.feed(MESSAGES, RATE)
        await platform.settled()
        assert not platform.restarts, f"a worker ended by itself:\n{platform.last_words()}"
        self._say(f"{what}; all placed and published")

    def _say(self, what: str) -> None:
        print(f"{next(self._numbers)}. {self._platform.fed} messages: {what}", flush=True)


async def upgrade(commit: str) -> None:
    """Do it all."""
    with tempfile.TemporaryDirectory(prefix="sealstream-upgrade-") as scratch:
        place = Path(scratch)
        old = place / "old"
        older_code(commit, old)
        async with older_platform(old, place) as platform:
            await Upgrade(platform, running(old), running(CHECKOUT)).run()
            await platform.verify()
            print(f"{platform.fed} messages, no difference", flush=True)


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--from", dest="commit", required=True, help="a commit or tag of this repository")
    try:
        asyncio.run(upgrade(parser.parse_args().commit))
    except AssertionError as exc:
        sys.exit(f"a difference: {exc}")


if __name__ == "__main__":
    main()
