"""A database whose disk is full: the worker waits, says so, and goes on when there is room again."""

import asyncio
import datetime as dt
import itertools
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from agents.inference.engine import Engine
from agents.intake.setup import COMMITS
from agents.intake.worker import beside
from streams.health import Health, PartHealth, State
from streams.storage.migrate import migrate
from tests.faults.postgres import BreakablePostgres
from tests.support.installation import BANK_A, Worker, installed
from tests.support.messages import Inbox, transaction

DISK_MEGABYTES = 320
FRAME = 100
WORKING = PartHealth(State.WORKING, None, dt.datetime.now(dt.UTC))


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of its own, that can be filled without hurting anybody."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    directory = Path(tempfile.mkdtemp(prefix="sealstream-disk-"))
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MEGABYTES}m,mode=755", "tmpfs", str(directory)]
    mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    if mounted.returncode:
        directory.rmdir()
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    try:
        yield directory
    finally:
        subprocess.run(["umount", str(directory)], check=True)
        directory.rmdir()


def fill(directory: Path) -> Path:
    """Leave no room at all."""
    filler = directory / "filler"
    with filler.open("wb") as file, suppress(OSError):
        while True:
            file.write(bytes(1 << 20))
            file.flush()
    with filler.open("ab", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(512))
    return filler


async def commit_until_told(worker: Worker, inbox: Inbox, told: asyncio.Event) -> None:
    """Commit frame after frame."""
    number = itertools.count()
    while not told.is_set():
        BANK_A.put(inbox, *(transaction(f"t{next(number)}") for _ in range(FRAME)))
        assert await worker.parts.committer.submit(await worker.parts.pipeline.run(inbox.take()))


async def test_a_full_disk_is_waited_for_and_nothing_is_lost(
    small_disk: Path, keyring_dir: Path, engine: Engine
) -> None:
    async with BreakablePostgres(small_disk / "postgres") as postgres:
        await migrate(postgres.dsn)
        async with installed(postgres.dsn, keyring_dir, engine=engine) as installation:
            health = Health()
            worker = await installation.worker(health=health)
            inbox = Inbox()

            told = asyncio.Event()
            async with beside(worker.parts.committer.run(), "group-commit"):
                committing = asyncio.create_task(commit_until_told(worker, inbox, told))
                filler = fill(small_disk)
                async with asyncio.timeout(120):
                    while health.parts().get(COMMITS, WORKING).state is not State.WAITING:
                        assert not committing.done(), committing.exception()
                        await asyncio.sleep(0.05)
                told.set()
                assert health.alive
                filler.unlink()
                if not postgres.running:  # without room for its own log it ends, and somebody starts it again
                    await postgres.stop()
                    await postgres.start()
                await committing
            assert health.parts()[COMMITS].state is State.WORKING
            await installation.sequence()
            report = await installation.audit()
            assert report.ok, [str(finding) for finding in report.findings]
            offsets = [row["kafka_offset"] for row in await installation.rows("SELECT kafka_offset FROM messages")]
            assert sorted(offsets) == list(range(len(inbox.records)))
            assert await installation.one("SELECT max(to_offset) FROM watermark_steps") == len(inbox.records)
