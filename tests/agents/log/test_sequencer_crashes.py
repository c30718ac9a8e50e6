"""The sequencer under kill -9, SIGSTOP and SIGCONT: places stay contiguous, every checkpoint is extended."""

import asyncio
import itertools
import os
import signal
from collections.abc import Callable

import pytest

from agents.commits.leaves import LogRef
from security.commit_signature import WorkerKey
from streams.storage.commit import CommitStore
from tests.support.commits import certified, put_leaves
from tests.support.grown_log import check_log
from tests.support.installation import Installation
from tests.support.owner_process import FENCED, UNAVAILABLE, Plan, is_stopped, owner_process

PATIENCE = 180.0


@pytest.fixture(autouse=True)
async def _empty_logs(platform: Installation) -> None:
    """What is placed or published is counted here, and commits are numbered by hand."""
    await platform.empty_logs()


class Stage:
    """A log, and commits that wait for their places."""

    def __init__(self, platform: Installation, worker: WorkerKey) -> None:
        self.platform = platform
        self.log: LogRef = platform.knowledge.owners["bank-a", "payments"].log
        self.leaves = 0
        self._worker = worker
        self._store = CommitStore(platform.database, group="g", cluster="c")
        self._numbers = itertools.count(1)

    def plan(self, **more: object) -> Plan:
        return Plan(role="sequencer", dsn=self.platform.dsn, keyring=str(self.platform.keyring_dir), **more)  # type: ignore[arg-type]

    async def work(self, *counts: int) -> None:
        for count in counts or (3, 200, 100):
            await put_leaves(self._store, self._worker, next(self._numbers), self.log, count)
            self.leaves += count

    async def work_until(self, ended: Callable[[], bool]) -> None:
        """Bring leaves, so that every point is passed more than once, until the process has had its signal."""
        async with asyncio.timeout(PATIENCE):
            while not ended():
                await self.work(5)
                await asyncio.sleep(0.05)

    async def signed_all(self) -> None:
        """Everything has its place, and a checkpoint covers it."""
        async with asyncio.timeout(PATIENCE):
            while await self._signed() < self.leaves:  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    async def _signed(self) -> int:
        query = "SELECT coalesce(max(size), 0) FROM checkpoints WHERE log_id = $1"
        return int(await self.platform.one(query, self.log.log_id))

    async def check(self) -> None:
        assert await check_log(self.platform, "bank-a") == self.leaves
        report = await self.platform.audit()
        assert report.ok, [str(finding) for finding in report.findings]


@pytest.fixture
async def stage(platform: Installation) -> Stage:
    return Stage(platform, await certified(platform.database, platform.identity))


POINTS = ("read", "writing", "placed", "signing", "signed")


@pytest.mark.parametrize("point", POINTS)
async def test_a_sequencer_killed_at_any_point_is_followed_without_a_gap(stage: Stage, point: str) -> None:
    await stage.work()
    with owner_process(stage.plan(end_at=point, time=2)) as first:
        await stage.work_until(lambda: first.poll() is not None)
        assert first.wait() == -signal.SIGKILL
    await stage.work()
    with owner_process(stage.plan()) as second:
        await stage.signed_all()
        assert second.poll() is None
    await stage.check()


@pytest.mark.parametrize("point", POINTS)
async def test_a_sequencer_stopped_at_any_point_is_followed_within_seconds_and_ends_when_continued(
    stage: Stage, point: str
) -> None:
    await stage.work()
    with owner_process(stage.plan(end_at=point, time=2, signal=signal.SIGSTOP)) as first:
        await stage.work_until(lambda: is_stopped(first))
        await stage.work()
        with owner_process(stage.plan()) as second:
            await stage.signed_all()
            os.kill(first.pid, signal.SIGCONT)
            assert await asyncio.to_thread(first.wait, PATIENCE) in (UNAVAILABLE, FENCED)
            await stage.work()
            await stage.signed_all()
            assert second.poll() is None
    await stage.check()
    assert await stage.platform.one("SELECT epoch FROM log_state WHERE log_id = $1", stage.log.log_id) == 2
