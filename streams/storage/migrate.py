"""Bring a database to this program's schema. The changes themselves are in migrations/.

Changes expand first and contract a release later, so that the old and the new version of a worker can run side by
side. Whoever migrates holds an advisory lock: of several processes that start together one does the work.
"""

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

import asyncpg
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine

from schemas.errors import StorageError
from streams.storage.database import CONNECT_ERRORS
from streams.storage.partitions import create_month_partitions
from streams.storage.revision import FLOOR_COMMAND
from streams.storage.unreachable import why_unreachable

MIGRATION_LOCK: Final = 0x5EA1_57AE
T = TypeVar("T")

_INSTALLED = Path(__file__).resolve().parent.parent / "_migrations"
_CHECKOUT = Path(__file__).resolve().parents[2] / "migrations"


async def migrate(dsn: str) -> None:
    """Apply every missing migration, under an advisory lock; returns at once when there is none."""
    await _run(dsn, _upgrade)


async def _run(dsn: str, work: Callable[[Connection], T]) -> T:
    engine = create_async_engine("postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(dsn))
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(work)
    except CONNECT_ERRORS as exc:
        raise StorageError(why_unreachable(exc)) from exc
    finally:
        await engine.dispose()


def _upgrade(connection: Connection) -> None:
    # Held by the session, not the transaction: it ends with this connection, also after an error.
    connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": MIGRATION_LOCK})
    connection.commit()
    config = _config()
    config.attributes["connection"] = connection
    if connection.execute(text("SELECT to_regclass('alembic_version')")).scalar() is not None:
        # Before anything is taken away: from here on a program that is too old does not start any more.
        connection.execute(text(FLOOR_COMMAND))
        connection.commit()
    command.upgrade(config, "head")
    connection.execute(text(FLOOR_COMMAND))
    create_month_partitions(connection, dt.datetime.now(dt.UTC).date())
    connection.commit()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_INSTALLED if _INSTALLED.is_dir() else _CHECKOUT))
    return config
