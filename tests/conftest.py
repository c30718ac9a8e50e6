"""What many tests share: one database server, fresh databases, a whole platform over one of them."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agents.inference.engine import Engine
from agents.inference.transaction_kind import load_default_engine
from tests.support.databases import Databases
from tests.support.installation import Installation, Worker, installed


@pytest.fixture(scope="session")
async def databases() -> AsyncIterator[Databases]:
    """The session's database server."""
    async with Databases() as server:
        yield server


@pytest.fixture(scope="session")
def engine() -> Engine:
    """The shipped model, loaded once."""
    return load_default_engine()


@pytest.fixture
async def dsn(databases: Databases) -> AsyncIterator[str]:
    """A migrated database of this test's own; its tables' form must not be changed."""
    async with databases.clean() as found:
        yield found


@pytest.fixture(scope="session")
def keyring_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A keyring for all platforms: making some thirty key files for each test would take longer than most tests."""
    return tmp_path_factory.mktemp("session") / "keys"


@pytest.fixture
async def platform(dsn: str, keyring_dir: Path, engine: Engine) -> AsyncIterator[Installation]:
    """A platform with two banks' keys registered."""
    async with installed(dsn, keyring_dir, engine=engine) as found:
        yield found


@pytest.fixture
async def worker(platform: Installation) -> Worker:
    """An intake worker of that platform."""
    return await platform.worker()
