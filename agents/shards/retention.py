"""Holding a closed shard outside the database: its leaves and tiles are dropped once an export of it is checked.

The act is a leaf of the log's open shard, as is bringing them back. Commits, their hashes and signatures stay, so that
the shard's tree still verifies against its final checkpoint; what the leaves said is where the export is.
"""

import asyncio
from collections import deque
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from agents.log.held_export import HeldExport
from agents.log.tree import load_edge
from agents.platform.identity import Identity
from agents.platform.signatory import Signatory
from schemas.errors import ConfigurationError, VerificationFailed
from schemas.log_change import LogChange
from security.merkle import packed_leaf_hashes
from streams.storage import retention
from streams.storage.database import Connection, Database
from streams.storage.relaying import read_relay_position
from streams.storage.sequencing import LogRow, last_checkpoint

DROP: Final = "drop"
RESTORE: Final = "restore"
COMMITS_AT_ONCE: Final = 256


class NotDroppable(ConfigurationError):
    """The leaves of a shard are still needed in the database."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """What was dropped, or brought back.

    Attributes:
        size: Leaves of the shard.
        freed: Bytes of leaves that were dropped.
    """

    size: int
    freed: int = 0


class ShardHolder:
    """Has shards held outside, for one person.

    Args:
        actor: Who acts; goes into the log as a pseudonym that only the platform can make.
    """

    def __init__(self, database: Database, identity: Identity, *, actor: str | None = None) -> None:
        self._database = database
        self._identity = identity
        self._signatory = Signatory(database, identity, actor=actor)

    async def drop(self, row: LogRow, export: HeldExport) -> Dropped:
        """Drop the leaves and tiles of a closed shard that an export holds.

        Raises:
            NotDroppable: The shard is open, or something still needs its leaves.
            NotWhole: The export does not hold the whole shard.
            VerificationFailed: The export, or what is stored, is not what the final checkpoint signs.
        """
        if row.end is None:
            raise NotDroppable(f"{row.origin} is open; `sealstream audit close-shard --tenant {row.tenant}` ends it")
        if row.is_dropped:
            raise NotDroppable(f"the leaves of {row.origin} are dropped already")
        size = row.end - row.start - row.lost
        async with self._database.session() as connection:
            root = await self._final_root(connection, row, size)
            await self._still_needed(connection, row, size)
        await self._check(row, export, size, root)
        await self._signatory.prepare({row.tenant})
        async with self._signatory.acting() as act:
            what = LogChange(change=DROP, origin=row.origin, root=root.hex(), size=size)
            await act.say(row.tenant, DROP, log=what)
            freed = await retention.drop_leaves(act.connection, row, act.batch.commit_id)
        return Dropped(size, freed)

    async def restore(self, row: LogRow, export: HeldExport) -> Dropped:
        """Bring them back.

        Raises:
            ConfigurationError: They are not dropped.
            NotWhole: The export does not hold the whole shard.
            VerificationFailed: The export, or what is stored, is not what the final checkpoint signs.
        """
        if not row.is_dropped or row.end is None:
            raise ConfigurationError(f"the leaves of {row.origin} are in the database; there is nothing to bring back")
        size = row.end - row.start - row.lost
        async with self._database.session() as connection:
            signed = await last_checkpoint(connection, row.tree)
        root = signed[1] if signed is not None else b""
        await self._check(row, export, size, root)
        await self._signatory.prepare({row.tenant})
        async with self._signatory.acting() as act:
            what = LogChange(change=RESTORE, origin=row.origin, root=root.hex(), size=size)
            await act.say(row.tenant, RESTORE, log=what)
            await _put_leaves(act.connection, row, export)
            for tile in export.check(self._identity.signer_of(row).verifier):
                await retention.bring_back_tiles(act.connection, row, [tile])
            await retention.no_longer_dropped(act.connection, row)
        return Dropped(size)

    async def _final_root(self, connection: Connection, row: LogRow, size: int) -> bytes:
        """The root that the final checkpoint signs, which what stays in the database must give too."""
        signed = await last_checkpoint(connection, row.tree)
        if signed is None or signed[0] != size:
            raise NotDroppable(f"{row.origin} has no final checkpoint over its {size} leaves")
        edge = await load_edge(connection, row, size)
        if edge.root() != signed[1]:
            raise VerificationFailed(
                f"log {row.origin}: what is stored does not give the root of its final checkpoint; "
                "run `sealstream audit verify`"
            )
        return signed[1]

    async def _still_needed(self, connection: Connection, row: LogRow, size: int) -> None:
        published = (await read_relay_position(connection, row.tree)).position
        if published < size:
            raise NotDroppable(f"{published} of {size} leaves of {row.origin} are published; wait for the relay")
        if waiting := await retention.waiting_records(connection, row):
            raise NotDroppable(f"{waiting} records that {row.origin} accepted for later still wait in a lane")

    async def _check(self, row: LogRow, export: HeldExport, size: int, root: bytes) -> None:
        """An export that is checked whole, and is of this very shard to its end."""
        held = export.checkpoint
        if (held.origin, held.size, held.root) != (row.origin, size, root):
            raise VerificationFailed(
                f"{export.folder} holds {held.size} leaves of {held.origin}, and not {row.origin} with its {size} "
                "leaves under its final checkpoint; export the shard again"
            )
        verifier = (await asyncio.to_thread(self._identity.signer_of, row)).verifier
        await asyncio.to_thread(lambda: deque(export.check(verifier), maxlen=0))


async def _put_leaves(connection: Connection, row: LogRow, export: HeldExport) -> None:
    after = row.start - 1
    while commits := await retention.dropped_commits(connection, row, after, COMMITS_AT_ONCE):
        rows: list[retention.StoredBundle] = []
        for each in commits:
            first = each.first_index - row.start
            leaves = export.leaves(first, first + each.leaf_count)
            if packed_leaf_hashes(leaves) != each.hashes:
                raise VerificationFailed(
                    f"log {row.origin}, commit {each.commit_id}: its hashes are not those of the exported leaves; "
                    "run `sealstream audit verify`"
                )
            rows.append((row.log_id, each.commit_id, list(accumulate(map(len, leaves))), b"".join(leaves)))
        await retention.bring_back(connection, rows)
        after = commits[-1].first_index
