"""Infer workers as processes, over Apache Kafka and a database of their own: killed and told to stop in mid-work."""

import asyncio
import datetime as dt
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from agents.keys.registrar import Registrar
from agents.models.curator import Curator, Trust
from agents.platform.knowledge import load_knowledge
from deploy.kafka import KafkaBroker
from sealstream.audit.auditing import audit
from sealstream.producing.publish import publish
from sealstream.running.kept_worker import KeptWorker
from sealstream.running.supervisor import kept_worker
from sealstream.settings import Settings, load_settings
from sealstream.wiring import connected, create_all_topics, lane_group, model_store, open_identity, required_kafka
from streams.storage.database import Database
from streams.storage.deferring import deferred_counts
from tests.faults.undisturbed import Facts
from tests.support.documents import document
from tests.support.forked_programs import forked
from tests.support.installation import BANK_A
from tests.support.processes import ROOT
from tests.support.text_family import SITE, register, write_models

TOPIC = "lane-kill-documents"
COUNT = 120
PATIENCE = 180.0  # only ever used up by a failing test


class Platform:
    """Worker processes and the documents they were given."""

    def __init__(self, settings: Settings, database: Database, directory: Path) -> None:
        self.settings = settings
        self.database = database
        self.workers: dict[str, KeptWorker] = {}
        self._directory = directory
        self._keeping: dict[str, asyncio.Task[None]] = {}

    async def start(self, name: str, *roles: str) -> None:
        worker = kept_worker(self.settings, self._directory, name, roles, forked(register))
        self.workers[name] = worker
        await worker.start()
        self._keeping[name] = asyncio.create_task(worker.keep())
        await worker.until_ready()

    async def in_work(self, gate: Path, *names: str) -> None:
        """Wait until these workers have begun to answer."""
        async with asyncio.timeout(PATIENCE):
            while not all(  # noqa: ASYNC110
                os.path.exists(f"{gate}.{self.workers[name].pid}")  # noqa: ASYNC240
                for name in names
            ):
                await asyncio.sleep(0.05)

    async def kill(self, name: str) -> None:
        """Kill a worker, and wait until it was started again."""
        worker = self.workers[name]
        restarts = worker.restarts
        os.kill(worker.pid, signal.SIGKILL)
        async with asyncio.timeout(PATIENCE):
            while worker.restarts == restarts or not worker.ready:  # noqa: ASYNC110
                await asyncio.sleep(0.05)

    async def stop(self, name: str) -> None:
        worker = self.workers.pop(name)
        worker.tell_to_stop()
        await self._keeping.pop(name)
        await worker.stop()

    async def done(self) -> int:
        async with self.database.session() as connection:
            return (await deferred_counts(connection)).done

    async def until_done(self, count: int) -> None:
        async with asyncio.timeout(PATIENCE):
            while await self.done() < count:  # noqa: ASYNC110
                await asyncio.sleep(0.05)

    async def verify(self) -> Counter[tuple[str, str | None]]:
        facts = Facts()
        report = await audit(self.settings, observe=facts.observe)
        assert report.ok, [str(finding) for finding in report.findings]
        found = {fact: count for fact, count in facts.found.items() if fact[1] in ("accepted", "result")}
        assert set(found.values()) == {1}
        return Counter((kind, outcome) for _, kind, outcome, _, _ in found)


@asynccontextmanager
async def at_work(settings: Settings, directory: Path) -> AsyncIterator[Platform]:
    async with connected(settings, "test") as database:
        await Registrar(database, open_identity(settings)).register(BANK_A.new_key())
        await load_knowledge(database, open_identity(settings))
        await create_all_topics(settings, [BANK_A.tenant, "platform"])
        register()
        store = model_store(settings)
        assert store is not None
        curator = Curator(database, open_identity(settings), store)
        for path in write_models(directory / "written", gate=directory / "gate"):
            row = await curator.add(path)
            await curator.activate(row.name, row.version, trust=Trust(unevaluated="made for tests"))
        platform = Platform(settings, database, directory)
        try:
            yield platform
        finally:
            await asyncio.gather(*(platform.stop(name) for name in list(platform.workers)))


@pytest.fixture
def settings(kafka_broker: KafkaBroker, dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    # The processes that host the workers' models know the tests' family of models.
    monkeypatch.setenv("PYTHONPATH", f"{SITE}:{ROOT}")
    return load_settings(
        database_url=SecretStr(dsn),
        data_dir=tmp_path,
        kafka_bootstrap=kafka_broker.bootstrap_servers,
        log_origin=f"{tmp_path.name}/logs",
        group=tmp_path.name,
        topics_in=(TOPIC,),
        partitions=2,
        session_timeout=dt.timedelta(seconds=6),
        batch_time_limit=dt.timedelta(minutes=10),
    )


async def test_workers_that_are_killed_or_told_to_stop_in_mid_work_lose_and_double_nothing(
    settings: Settings, tmp_path: Path
) -> None:
    async with at_work(settings, tmp_path) as platform:
        items = [
            replace(document(f"{tmp_path.name}-{number}", f"I ask for number {number}"), topic=TOPIC)
            for number in range(COUNT)
        ]
        await publish(iter(items), kafka=required_kafka(settings), source=BANK_A.source, signer=BANK_A.signer)
        gate = tmp_path / "gate"
        gate.touch()
        await asyncio.gather(
            platform.start("front", "intake", "sequence", "relay"),
            platform.start("one", "infer"),
            platform.start("two", "infer"),
        )
        await platform.in_work(gate, "one", "two")
        await platform.kill("one")
        await platform.in_work(gate, "one")
        await platform.kill("one")
        await platform.in_work(gate, "one", "two")
        assert await platform.done() == 0
        stopping = asyncio.create_task(platform.stop("two"))
        await asyncio.sleep(0.2)
        gate.unlink()
        await stopping
        await platform.until_done(COUNT)
    assert await platform_verified(platform) == {("accepted", "deferred"): COUNT, ("result", "classified"): COUNT}


async def platform_verified(platform: Platform) -> Counter[tuple[str, str | None]]:
    """Audit once what was left without a place has one."""
    async with at_rest(platform.settings) as found:
        return await found.verify()


@asynccontextmanager
async def at_rest(settings: Settings) -> AsyncIterator[Platform]:
    from streams.storage import progress

    async with connected(settings, "test") as database:
        platform = Platform(settings, database, settings.data_dir or Path())
        await platform.start("end", "sequence")
        try:
            async with asyncio.timeout(PATIENCE), database.session() as connection:
                while (  # noqa: ASYNC110
                    await progress.unsequenced_commits(connection) or await progress.uncheckpointed_logs(connection)
                ):
                    await asyncio.sleep(0.1)
                assert await progress.consumed(connection, lane_group(settings))
            yield platform
        finally:
            await platform.stop("end")
