"""A single owner in a process of its own, which a test stops, continues or kills; or it does so itself at a point.

Forked from a process that has imported everything already: starting some fifty of them anew takes minutes.
"""

import asyncio
import datetime as dt
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from agents.log.sequencer import Sequencer
from agents.platform.identity import Identity
from agents.relay.notices import NoticeTopics
from agents.relay.relay import Relay
from schemas.errors import SealstreamError, Unavailable
from security.file_keyring import FileKeyring
from streams.kafka import KafkaAccess
from streams.publication import open_publication
from streams.storage.database import Database
from streams.storage.sequencing import Fenced
from tests.support.forkserver import PROCESSES
from tests.support.installation import LOG_ORIGIN, nothing_published
from tests.support.kafka_topics import RelayNames
from tests.support.processes import PATIENCE

FENCED = 3
UNAVAILABLE = 4
REFUSED = 5


class Plan(msgspec.Struct, kw_only=True):
    """What the process does.

    Attributes:
        role: relay or sequencer.
        prefix: The relay's names begin with it.
        keyring: The platform's keyring.
        end_at: The point at which it sends itself the signal; empty for none.
        time: At which passing of that point, from 1.
        late: Seconds from the point to the signal.
    """

    role: str
    dsn: str
    bootstrap: str = ""
    prefix: str = ""
    keyring: str = ""
    end_at: str = ""
    time: int = 1
    late: float = 0
    signal: int = signal.SIGKILL


class Ending:
    """Sends the process a signal at a point."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._passed = 0

    def __call__(self, point: str) -> None:
        if point != self._plan.end_at:
            return
        self._passed += 1
        if self._passed == self._plan.time:
            if self._plan.late:
                threading.Thread(target=self._later).start()
            else:
                os.kill(os.getpid(), self._plan.signal)

    def _later(self) -> None:
        time.sleep(self._plan.late)
        os.kill(os.getpid(), self._plan.signal)


async def run(plan: Plan) -> int:
    """Own the job until the end."""
    async with Database(plan.dsn, name="test owner") as database:
        owner = _relay(plan, database) if plan.role == "relay" else _sequencer(plan, database)
        try:
            await owner.run()
        except SealstreamError as exc:
            print(type(exc).__name__, exc, flush=True)
            return FENCED if isinstance(exc, Fenced) else UNAVAILABLE if isinstance(exc, Unavailable) else REFUSED
    return 0


def _relay(plan: Plan, database: Database) -> Relay:
    names, ending, identity = RelayNames(plan.prefix), Ending(plan), _identity(plan)
    return Relay(
        database,
        lambda: open_publication(KafkaAccess(plan.bootstrap), plan.prefix, names.positions, "", probe=ending),
        lambda tenant: NoticeTopics(*names.topics(tenant)),
        lambda log: identity.notice_signer(log.tenant, log.shard),
        probe=ending,
    )


def _sequencer(plan: Plan, database: Database) -> Sequencer:
    identity = _identity(plan)
    return Sequencer(
        database,
        identity.signer_of,
        identity.authority(),
        nothing_published,
        checkpoint_every=dt.timedelta(0),
        probe=Ending(plan),
    )


def _identity(plan: Plan) -> Identity:
    return Identity(FileKeyring(Path(plan.keyring)), LOG_ORIGIN)


class OwnerProcess:
    """A process that runs."""

    def __init__(self, plan: Plan) -> None:
        self._process = PROCESSES.Process(target=_main, args=(msgspec.json.encode(plan),), daemon=True)
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    def poll(self) -> int | None:
        """Its exit code, or minus the signal that ended it; None while it runs."""
        return self._process.exitcode

    def wait(self, patience: float = PATIENCE) -> int | None:
        """The same, once it has ended."""
        self._process.join(patience)
        return self._process.exitcode

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()


def _main(plan: bytes) -> None:
    sys.exit(asyncio.run(run(msgspec.json.decode(plan, type=Plan))))


@contextmanager
def owner_process(plan: Plan) -> Iterator[OwnerProcess]:
    """Start one; killed at the end if it still runs."""
    process = OwnerProcess(plan)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def is_stopped(process: OwnerProcess) -> bool:
    """Whether it has been stopped by a signal."""
    return (Path("/proc") / str(process.pid) / "stat").read_text().rpartition(") ")[2].startswith("T")
