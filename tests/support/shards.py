"""A platform whose log has several shards."""

from pathlib import Path

from agents.log.export import export_log
from agents.log.tree import SignedTree
from agents.shards.closing import ShardKeeper
from streams.storage.sequencing import LogRow
from streams.storage.shards import list_shards
from tests.support.installation import BANK_A, Installation
from tests.support.messages import Inbox, transaction

LOG = "sealstream.local/logs/bank-a"


async def take_in(platform: Installation, inbox: Inbox, *names: str) -> None:
    """Commit transactions of one bank."""
    BANK_A.put(inbox, *(transaction(name) for name in names))
    worker = await platform.worker()
    await worker.commit(inbox.take())


async def close(platform: Installation) -> tuple[str, str]:
    """Ask for the end of the bank's open shard."""
    return await ShardKeeper(platform.database, platform.identity, actor="operator@example.org").close("bank-a")


async def fill_shards(platform: Installation) -> None:
    """Two closed shards and an open one, with records in each."""
    inbox = Inbox()
    for n in range(3):
        await take_in(platform, inbox, f"{n}-a", f"{n}-b")
        if n < 2:
            await close(platform)
        # Committed behind the closing, before anybody has placed it.
        await take_in(platform, inbox, f"{n}-c")
        await platform.sequence()


async def shards_of(platform: Installation) -> list[LogRow]:
    """The bank's shards."""
    async with platform.database.session() as connection:
        return await list_shards(connection, "bank-a")


async def exported(platform: Installation, folder: Path) -> Path:
    """The folder with all of the bank's shards, as `audit export` writes it."""
    async with platform.database.session() as connection:
        for row in await list_shards(connection, "bank-a"):
            await export_log(await SignedTree.newest(connection, row), folder / row.folder)
    return folder
