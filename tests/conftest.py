"""What many tests share: one database server, fresh databases, a whole platform over one of them; real Kafka."""

import gc
import itertools
import os
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

# Several processes share the cores: threads of numeric libraries, whose number is read at import, would only spin.
os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))
# The tests start hundreds of programs: without compiled files, each would compile all its libraries anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

import hypothesis
import pytest

from agents.inference.engine import Engine
from agents.inference.transaction_kind import load_default_engine
from deploy.kafka import KafkaBroker, KafkaCluster, KafkaMissing, find_installation
from deploy.kafka.installation import KafkaInstallation
from tests.support.databases import Databases, PostgresServer
from tests.support.exchange import Exchange, exchange
from tests.support.installation import Installation, Worker, installed
from tests.support.openbao import OpenBao
from tests.support.session_servers import SharedServers, session_server
from tests.support.softhsm import SoftHsm, softhsm_module
from tests.support.terminal import Terminal

sys.dont_write_bytecode = False  # the tests' own modules, which pytest rewrites, are kept too

KAFKA_FIXTURE = "kafka_installation"
SERVERS = "servers"
SHARED = pytest.StashKey[SharedServers]()

# By themselves minutes each: what begins last must be short, or the other processes wait for its end.
LONGEST = (
    "faults/test_faults.py",
    "bench/test_runs.py",
    "sealstream/audit/test_recovery.py",
    "sealstream/test_least_rights.py",
)

# How long an example takes says more about the machine than about the code.
hypothesis.settings.register_profile("sealstream", deadline=None)
hypothesis.settings.load_profile("sealstream")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs Kafka, for `pytest -m kafka`: nobody has to remember to.

    Those files are the slowest, and mostly wait: they come early, and not all at once; the longest come first.
    """
    files: dict[bool, list[Path]] = {True: [], False: []}
    for path, of_file in itertools.groupby(items, key=lambda item: item.path):
        slow = [item for item in of_file if KAFKA_FIXTURE in getattr(item, "fixturenames", ())]
        for item in slow:
            item.add_marker("kafka")
        files[bool(slow)].append(path)
    place = {path: 3 * n for n, path in enumerate(files[True])} | {path: 1.5 * n for n, path in enumerate(files[False])}
    first = {Path(__file__).parent / name: n - len(LONGEST) for n, name in enumerate(LONGEST)}
    items.sort(key=lambda item: first.get(item.path, place[item.path]))


def pytest_collection_finish() -> None:
    """Spare the garbage collector all that stays to the end; pytest has it run five times before a process ends."""
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a test process of pytest-xdist where the controller, which we are, hands out servers."""
    node.workerinput[SERVERS] = _owned(node.config).place


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the servers that we own; pytest comes here after Ctrl-C too."""
    if (shared := config.stash.get(SHARED, None)) is not None:
        shared.end()


def _owned(config: pytest.Config) -> SharedServers:
    if SHARED not in config.stash:
        config.stash[SHARED] = SharedServers()
    return config.stash[SHARED]


def _shared(config: pytest.Config) -> str | None:
    """Where the controller hands out servers; None when there is no other process."""
    return getattr(config, "workerinput", {}).get(SERVERS)


@pytest.fixture(scope="session")
def kafka_installation() -> KafkaInstallation:
    """Java and Kafka's jars; without them the test is skipped, and fails in CI."""
    try:
        return find_installation()
    except KafkaMissing as exc:
        if os.environ.get("CI"):
            pytest.fail(str(exc))
        pytest.skip(str(exc))


@pytest.fixture(scope="session")
async def kafka_broker(
    kafka_installation: KafkaInstallation, pytestconfig: pytest.Config
) -> AsyncIterator[KafkaBroker]:
    """The session's Kafka: one node, never ended by a test; topics and groups are of each test's own names."""
    async with session_server(KafkaBroker, _shared(pytestconfig)) as broker:
        yield broker


@pytest.fixture(scope="module")
async def kafka_cluster(
    kafka_installation: KafkaInstallation, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[KafkaCluster]:
    """Three nodes to break; a test starts again what it ended."""
    directory = tmp_path_factory.mktemp("kafka") / "cluster"
    async with KafkaCluster(directory, nodes=3, installation=kafka_installation) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def openbao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenBao]:
    """The session's OpenBao, never stopped by a test."""
    with OpenBao(tmp_path_factory.mktemp("openbao") / "server") as server:
        yield server


@pytest.fixture(scope="session")
def softhsm(tmp_path_factory: pytest.TempPathFactory) -> SoftHsm:
    """The session's PKCS#11 token; without SoftHSM2 the test is skipped, and fails in CI."""
    module = softhsm_module()
    if module is None:
        missing = "SoftHSM2 is not there; install the package softhsm2"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    return SoftHsm(tmp_path_factory.mktemp("softhsm") / "hsm", module)


@pytest.fixture(scope="session")
async def databases(pytestconfig: pytest.Config) -> AsyncIterator[Databases]:
    """This process's databases on the session's server."""
    async with (
        session_server(PostgresServer, _shared(pytestconfig)) as server,
        Databases(server, os.environ.get("PYTEST_XDIST_WORKER", "alone")) as found,
    ):
        yield found


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
async def platform(databases: Databases, dsn: str, keyring_dir: Path, engine: Engine) -> AsyncIterator[Installation]:
    """A platform with two banks' keys registered."""
    async with installed(dsn, keyring_dir, engine=engine, database=await databases.pool(dsn)) as found:
        yield found


@pytest.fixture
async def bureaus(databases: Databases, dsn: str, keyring_dir: Path, engine: Engine) -> AsyncIterator[Exchange]:
    """A data exchange with everybody registered and the policies adopted."""
    async with exchange(dsn, keyring_dir, engine=engine, database=await databases.pool(dsn)) as found:
        yield found


@pytest.fixture
async def worker(platform: Installation) -> Worker:
    """An intake worker of that platform."""
    return await platform.worker()


@pytest.fixture
def terminal(platform: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Commands of access control, against one platform."""
    monkeypatch.setenv("SEALSTREAM_DATABASE_URL", platform.dsn)
    monkeypatch.setenv("SEALSTREAM_KEYRING_DIR", str(platform.keyring_dir))
    monkeypatch.setenv("SEALSTREAM_DATA_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return Terminal(tmp_path)
