"""A process that closes a shard, or sequences, and kills itself at a point; forked, so that it costs little."""

import asyncio
import os
import signal
from typing import Any

from agents.log.sequencer import Sequencer
from agents.shards.closing import ShardKeeper, ShardOpener
from sealstream.settings import Settings
from sealstream.wiring import connected, open_identity
from streams.storage import shards
from streams.storage.relaying import RelayPosition
from tests.support.forkserver import PROCESSES

CLOSING = ("closing", "closed")
"""The next shard is asked for and that is not committed; it is committed, and nobody was told."""

SEQUENCING = ("writing", "placed", "signing", "signed", "opening", "opened")
"""The sequencer's own points, and `opening`: the next shard is begun and that is not committed."""

_SECONDS = 120
"""Only ever used up by a failing test."""


async def killed_at(settings: Settings, point: str) -> int | None:
    """Run a process until it kills itself; returns its exit code."""
    process = PROCESSES.Process(target=_die_at, args=(settings.database_url, settings.keyring_dir, point))
    await asyncio.to_thread(process.start)
    await asyncio.to_thread(process.join, _SECONDS)
    code = process.exitcode
    process.kill()
    return code


def _die_at(database_url: Any, keyring_dir: Any, point: str) -> None:
    settings = Settings(database_url=database_url, keyring_dir=keyring_dir)
    asyncio.run(_close(settings, point) if point in CLOSING else _sequence(settings, point))


async def _close(settings: Settings, point: str) -> None:
    async with connected(settings, "closing") as database:
        keeper = ShardKeeper(database, open_identity(settings), actor="operator@example.org")
        if point == "closing":
            _die_after("ask_next")
        await keeper.close("bank-a")
        _die()


async def _sequence(settings: Settings, point: str) -> None:
    def probe(passed: str) -> None:
        if passed == point:
            _die()

    if point == "opening":
        _die_after("advance")
    identity = open_identity(settings)
    async with connected(settings, "sequencing") as database, database.session() as connection:
        opener = ShardOpener(database, identity.new_worker)
        sequencer = Sequencer(
            database, identity.signer_of, identity.authority(), _nothing_published, opener=opener, probe=probe
        )
        while True:
            await sequencer.step(connection)


async def _nothing_published() -> dict[str, RelayPosition]:
    return {}


def _die_after(name: str) -> None:
    """Within the transaction in which a function of the storage writes, once it has written."""
    whole = getattr(shards, name)

    async def dying(*args: Any) -> None:
        await whole(*args)
        _die()

    setattr(shards, name, dying)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
