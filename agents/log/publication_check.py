"""Compares the database with what is published: one that is behind must not go on, or the log would fork."""

from collections.abc import Mapping

from schemas.errors import StorageError
from streams.storage import relaying
from streams.storage.database import Connection
from streams.storage.relaying import RelayPosition


class BehindPublication(StorageError):
    """The database lacks leaves that were published, or holds others in their place."""


async def refuse_if_behind(connection: Connection, published: Mapping[str, RelayPosition]) -> None:
    """Refuse a database that was restored from a backup, or lost commits in a failover.

    Args:
        published: Origin to how far the log is published, by the broker's word.

    Raises:
        BehindPublication: Names every log with both sizes, and the command to run.
    """
    logs = {each.origin: each for each in await relaying.sized_logs(connection)}
    faults = []
    for origin, at in sorted(published.items()):
        found = logs.get(origin)
        size = found.size if found is not None else 0
        if size < at.position:
            faults.append(f"log {origin} has {size} leaves in the database, and {at.position} are published")
        elif found is not None and at.position and at.last_hash and at.position <= found.size - found.lost:
            stored = await relaying.leaf_hash_at(connection, found.log_id, found.start + at.position - 1)
            if stored != at.last_hash:
                faults.append(f"log {origin}: leaf {at.position - 1} in the database is not the one that was published")
    if faults:
        raise BehindPublication(
            f"{'; '.join(faults)}. The database was restored or lost commits in a failover; going on would fork the "
            "log. Stop all workers and run `sealstream audit recover`"
        )
