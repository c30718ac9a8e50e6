"""The active model of transactions, for callers who want an answer and leave no record."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from agents.inference.active_models import active_engines
from agents.inference.engine import Decision, Engine, ModelInput
from agents.inference.model_store import ModelStore
from agents.inference.transaction_kind import TRANSACTION_KIND
from streams.health import Health
from streams.storage.database import Database
from streams.storage.models import list_models
from streams.storage.registry import registry_revision

MOST_WAITING: Final = 256
BATCH: Final = 64


class ClassifierBusy(Exception):
    """More callers wait than the model answers within a second or so."""


class InlineModel:
    """Answers one transaction at a time; those that come while the model is at work are answered together next.

    One thread: the model's own call leaves the interpreter free, and a second one would only share the cores.

    Args:
        shipped: In force until the registry has a version.
    """

    def __init__(self, database: Database, store: ModelStore | None, shipped: Engine) -> None:
        self._database = database
        self._models = active_engines(store, Health(), shipped)
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="classify")
        self._waiting: list[tuple[ModelInput, asyncio.Future[tuple[str, Decision]]]] = []
        self._working: asyncio.Task[None] | None = None
        self._revision: int | None = None

    async def classify(self, item: ModelInput) -> tuple[str, Decision]:
        """Which model answered, and what.

        Raises:
            ClassifierBusy: Too many wait.
            InferenceFailed: The model has no answer.
            ModelUnavailable: The active version can't be opened here.
        """
        if len(self._waiting) >= MOST_WAITING:
            raise ClassifierBusy
        done: asyncio.Future[tuple[str, Decision]] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, done))
        if self._working is None or self._working.done():
            self._working = asyncio.create_task(self._work(), name="classify")
        return await done

    def close(self) -> None:
        """End the thread."""
        self._pool.shutdown(cancel_futures=True)

    async def _work(self) -> None:
        while self._waiting:
            taken, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
            try:
                engine = await self._engine()
                loop = asyncio.get_running_loop()
                answers = await loop.run_in_executor(self._pool, engine.classify, [item for item, _ in taken])
                for (_, done), answer in zip(taken, answers, strict=True):
                    if not done.done():
                        done.set_result((engine.model.reference, answer))
            except Exception as exc:
                for _, done in taken:
                    if not done.done():
                        done.set_exception(exc)

    async def _engine(self) -> Engine:
        async with self._database.session(clean=True) as connection:
            revision = await registry_revision(connection)
            rows = await list_models(connection) if revision != self._revision else None
        if rows is not None:
            await self._models.renew(rows)
            self._revision = revision
        return self._models.slots[TRANSACTION_KIND].active
