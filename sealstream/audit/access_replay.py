"""Replaying a look of this installation's logs, for an auditor; that is a look too."""

from agents.access.look_replay import ReplayedLook, replay_from_log
from agents.log.tree import SignedTree
from sealstream.attachment import attached_settings
from sealstream.audit.log_access import shard_of
from sealstream.people.principals import Said, open_readers
from sealstream.wiring import connected, open_identity, showing


async def replay_look_at(tenant: str, index: int, said: Said) -> ReplayedLook:
    """Make the decisions of the look at an index in a tenant's log, or in its shard `TENANT/NUMBER`, again.

    Raises:
        NotPermitted: Who asks is no auditor.
        Errors as `replay_from_log`.
    """
    settings = attached_settings()
    identity = open_identity(settings)
    async with connected(settings, "replay of a look", connections=2) as database:
        readers = await open_readers(settings, database, identity, said, max_tier=0)
        async with database.session() as connection:
            row = await shard_of(connection, tenant)
            await readers.look_at_logs(f"replay {index}", [row.log_id])
            tree = await SignedTree.newest(connection, row, showing=showing(settings))
            return await replay_from_log(tree, index, readers.knowledge.access_keys)
