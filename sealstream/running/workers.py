"""What `sealstream worker` runs: the roles of one process (sealstream.running.roles), until it is told to stop.

A role outlasts outages: it is begun anew, with growing pauses, for as long as what stopped it can pass by itself. How
each part is doing stands in the health.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from contextlib import AsyncExitStack
from enum import StrEnum
from typing import Final, NoReturn

from agents.intake.setup import COMMITS, KEYS
from sealstream.observe import Observation, observed
from sealstream.running.collector import spare_what_stays
from sealstream.running.draining import run_until_told
from sealstream.running.roles.infer import infer
from sealstream.running.roles.intake import KAFKA, take_in
from sealstream.running.roles.means import Means
from sealstream.running.roles.relay import publish_log
from sealstream.running.roles.sequence import attest, attests, sequence
from sealstream.settings import Settings
from sealstream.wiring import connected, open_identity
from streams.endurance import Part
from streams.health import Health, State
from streams.storage.database import Database

DATABASE: Final = "database"
INTAKE: Final = "intake"
SEQUENCER: Final = "sequencer"
RELAY: Final = "relay"
INFER: Final = "infer"
ATTESTING: Final = "attesting"

WATCH_SECONDS: Final = 2.0
READY_SECONDS: Final = 0.02

Work = Callable[[Means, Part], Awaitable[None]]


class Role(StrEnum):
    """What a worker does."""

    INTAKE = "intake"
    INFER = "infer"
    SEQUENCE = "sequence"
    RELAY = "relay"
    ALL = "all"


PARTS: Final = {
    Role.INTAKE: (INTAKE, COMMITS, KEYS, KAFKA),
    Role.INFER: (INFER,),
    Role.SEQUENCE: (SEQUENCER,),
    Role.RELAY: (RELAY,),
}
"""What each role reports to the health as, beside the database and each partition that must not be read."""

_WORKS: Final[dict[Role, tuple[str, Work]]] = {
    Role.INTAKE: (INTAKE, take_in),
    Role.INFER: (INFER, infer),
    Role.SEQUENCE: (SEQUENCER, sequence),
    Role.RELAY: (RELAY, publish_log),
}


def parts_of(roles: Collection[Role]) -> list[str]:
    """The parts without which a process with these roles is not ready."""
    return [DATABASE, *(part for role in PARTS if role in roles for part in PARTS[role])]


async def run_worker(settings: Settings, roles: Collection[Role], on_ready: Callable[[str | None], None]) -> None:
    """Run these roles until SIGTERM or Ctrl-C; what is in work is committed first.

    Args:
        on_ready: Called once, when all parts first work, with the URL of metrics and health. An intake worker has its
            partitions then; some of them may be refused.

    Raises:
        SealstreamError: A role can't go on; the process ends and its supervisor starts another.
    """

    def ready(url: str | None) -> None:
        spare_what_stays()
        on_ready(url)

    spare_what_stays()  # what is imported, so that it takes no time once there is work
    wanted = set(PARTS) if Role.ALL in roles else set(roles)
    health = Health(parts_of(wanted))
    async with observed(settings, ",".join(sorted(wanted)), health) as observation:
        await run_until_told(Worker(settings, wanted, health, observation).run(ready), settings.drain_limit)


class Worker:
    """The roles of one process, over one pool of connections."""

    def __init__(self, settings: Settings, roles: Collection[Role], health: Health, observation: Observation) -> None:
        self._settings = settings
        self._roles = roles
        self._health = health
        self._observation = observation
        self._identity = open_identity(settings)
        # Its readiness does not depend on it: whoever attests is not ours.
        self._attests = Role.SEQUENCE in roles and attests(settings)

    async def run(self, on_ready: Callable[[str | None], None]) -> None:
        """Run all roles; when one of them fails for good, the others wind up."""
        part = Part(self._health, DATABASE)
        async with AsyncExitStack() as stack:
            database = await part.outlast(lambda: self._connect(stack))
            if {Role.SEQUENCE, Role.RELAY} & set(self._roles):
                stack.enter_context(self._observation.logs(database))
            if Role.INFER in self._roles:
                stack.enter_context(self._observation.lanes(database))
            means = Means(self._settings, self._identity, database, self._health, self._observation)
            try:
                async with asyncio.TaskGroup() as group:
                    for role in self._roles:
                        name, work = _WORKS[role]
                        group.create_task(self._role(name, work, means), name=name)
                    if self._attests:
                        group.create_task(self._role(ATTESTING, attest, means), name=ATTESTING)
                    group.create_task(_watch(part, database.answers), name=DATABASE)
                    group.create_task(self._tell_when_ready(on_ready), name="ready")
            except BaseExceptionGroup as failures:
                # The first one made the others wind up.
                raise failures.exceptions[0] from None

    async def _connect(self, stack: AsyncExitStack) -> Database:
        return await stack.enter_async_context(
            connected(
                self._settings,
                "worker",
                connections=8 + 2 * self._attests + 3 * (Role.INFER in self._roles),
                patience=self._settings.database_patience,
            )
        )

    async def _role(self, name: str, work: Work, means: Means) -> None:
        part = Part(self._health, name)
        try:
            await part.keep_going(lambda: work(means, part))
        except Exception as exc:
            part.failed(exc)
            raise

    async def _tell_when_ready(self, on_ready: Callable[[str | None], None]) -> None:
        needed = parts_of(self._roles)
        # The health is a plain record, and this ends soon after the start.
        while any(self._health.parts()[name].state is not State.WORKING for name in needed):  # noqa: ASYNC110
            await asyncio.sleep(READY_SECONDS)
        on_ready(self._observation.url)


async def _watch(part: Part, answers: Callable[[], Awaitable[None]]) -> NoReturn:
    """Ask a server again and again whether it is there, so that the health knows while there is nothing to do."""
    while True:
        await part.outlast(answers)
        await asyncio.sleep(WATCH_SECONDS)
