"""Closing shards of this installation's logs."""

from agents.shards import ShardKeeper
from sealstream.settings import Settings
from sealstream.wiring import connected, open_identity


async def close(settings: Settings, tenant: str, actor: str | None, *, new_key: bool = False) -> tuple[str, str]:
    """Ask for the end of the open shard of a tenant's log; returns its origin and the key that verifies the next one.

    Raises:
        ConfigurationError: There is no such log, or its shard is being closed already.
    """
    async with connected(settings, "close-shard") as database:
        return await ShardKeeper(database, open_identity(settings), actor=actor).close(tenant, new_key=new_key)
