"""Closing shards of this installation's logs, and holding closed ones outside the database."""

from pathlib import Path

from agents.log.held_export import HeldExport
from agents.shards.closing import ShardKeeper
from agents.shards.retention import Dropped, ShardHolder
from sealstream.audit.log_access import shard_of
from sealstream.settings import Settings
from sealstream.wiring import connected, open_identity


async def close(settings: Settings, tenant: str, actor: str | None, *, new_key: bool = False) -> tuple[str, str]:
    """Ask for the end of the open shard of a tenant's log; returns its origin and the key that verifies the next one.

    Raises:
        ConfigurationError: There is no such log, or its shard is being closed already.
    """
    async with connected(settings, "close-shard") as database:
        return await ShardKeeper(database, open_identity(settings), actor=actor).close(tenant, new_key=new_key)


async def drop(settings: Settings, shard: str, exports: Path, actor: str | None) -> tuple[str, Dropped]:
    """Drop the leaves and tiles of a closed shard; returns its origin.

    Args:
        shard: As its folder is called.
        exports: Folder that `audit export` wrote.

    Raises:
        NotDroppable: It is open, or something still needs its leaves.
        VerificationFailed: The export does not hold the whole shard as it was signed.
    """
    async with connected(settings, "drop-shard", connections=2) as database:
        async with database.session() as connection:
            row = await shard_of(connection, shard)
        export = HeldExport.open(exports / row.folder, row.origin)
        return row.origin, await ShardHolder(database, open_identity(settings), actor=actor).drop(row, export)


async def restore(settings: Settings, shard: str, exports: Path, actor: str | None) -> tuple[str, Dropped]:
    """Bring them back; returns its origin.

    Args:
        shard: As its folder is called.
        exports: Folder that `audit export` wrote.

    Raises:
        ConfigurationError: They are not dropped.
        VerificationFailed: The export does not hold the whole shard as it was signed.
    """
    async with connected(settings, "restore-shard", connections=2) as database:
        async with database.session() as connection:
            row = await shard_of(connection, shard)
        export = HeldExport.open(exports / row.folder, row.origin)
        return row.origin, await ShardHolder(database, open_identity(settings), actor=actor).restore(row, export)
