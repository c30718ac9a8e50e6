"""Exporting, proving and serving this installation's logs."""

import asyncio
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from uuid import UUID

from agents.log.export import Exported, export_log
from agents.log.tree import NothingSigned, SignedTree
from schemas.errors import ConfigurationError
from sealstream.address import Address
from sealstream.audit.log_server import serving_logs
from sealstream.settings import Settings
from sealstream.wiring import connected, showing
from security.proof import NoSuchProofError, encode_tlog_proof
from streams.storage.database import Connection
from streams.storage.log_tree import place_of
from streams.storage.sequencing import LogRow
from streams.storage.shards import list_shards, shard_at


@dataclass(frozen=True, slots=True)
class ProvedLeaf:
    """A leaf with the proof that its log holds it.

    Attributes:
        proof: A C2SP tlog-proof.
    """

    origin: str
    index: int
    entry: bytes
    proof: bytes


async def export_logs(
    settings: Settings, folder: Path, tenant: str | None, progress: Callable[[str, int], None]
) -> list[tuple[LogRow, Exported]]:
    """Export logs, each shard to a folder of its own; those without a checkpoint are left out unless asked for.

    Raises:
        ConfigurationError: There is no such log.
        NothingSigned: The log asked for has no checkpoint yet.
    """
    done = []
    async with connected(settings, "export") as database, database.session() as connection:
        for row in in_reach(await logs_of(connection, tenant)):
            try:
                tree = await SignedTree.newest(connection, row, showing=showing(settings))
            except NothingSigned:
                if tenant is not None:
                    raise
                continue
            done.append((row, await export_log(tree, folder / row.folder, partial(progress, row.folder))))
    return done


async def prove(settings: Settings, name: UUID | int, tenant: str | None) -> ProvedLeaf:
    """The proof of a leaf, named by its index in a tenant's log, or by its record, message or dead letter.

    Raises:
        ConfigurationError: There is no such log, or none was named with an index.
        NoSuchProofError: There is no such leaf, or no checkpoint reaches it yet.
    """
    async with connected(settings, "prove") as database, database.session() as connection:
        row, index = await _place(connection, name, tenant)
        tree = await SignedTree.newest(connection, row, showing=showing(settings))
        entry = await tree.entry(index)
        (proof,) = await tree.inclusion([index])
        return ProvedLeaf(row.origin, index, entry, encode_tlog_proof(proof))


async def serve(settings: Settings, address: Address, on_ready: Callable[[Address], None]) -> None:
    """Serve all logs until cancelled."""
    async with connected(settings, "logs") as database, serving_logs(database, address, showing(settings)) as found:
        on_ready(found)
        await asyncio.Event().wait()


async def _place(connection: Connection, name: UUID | int, tenant: str | None) -> tuple[LogRow, int]:
    if isinstance(name, int):
        if tenant is None:
            raise ConfigurationError("an index counts within one log: name its tenant with --tenant")
        return await shard_of(connection, tenant), name
    place = await place_of(connection, name)
    row = await shard_at(connection, place.log_id, place.index or 0) if place is not None else None
    if place is None or row is None or tenant not in (None, row.tenant):
        raise NoSuchProofError(f"no record, message or dead letter has the id {name}")
    if place.index is None:
        raise NoSuchProofError(f"the leaf of {name} waits for its place in the log; ask again in a second")
    return row, place.index - row.start


def in_reach(rows: Sequence[LogRow]) -> list[LogRow]:
    """The shards whose leaves are in the database; whoever runs the command is told of the others."""
    for row in rows:
        if row.is_dropped:
            sys.stderr.write(f"{row.origin} is left out: its leaves are held outside this database\n")
    return [row for row in rows if not row.is_dropped]


async def shard_of(connection: Connection, folder: str) -> LogRow:
    """The shard that is named as its folder is: `TENANT` for the first one, `TENANT/NUMBER` for the others.

    Raises:
        ConfigurationError: There is no such log, or no such shard.
    """
    tenant = folder.partition("/")[0]
    found = next((row for row in await logs_of(connection, tenant) if row.folder == folder), None)
    if found is None:
        raise ConfigurationError(f"the log of {tenant} has no shard {folder}; `sealstream audit checkpoint` lists them")
    return found


async def logs_of(connection: Connection, tenant: str | None) -> list[LogRow]:
    """All shards of the log of one tenant, or of all.

    Raises:
        ConfigurationError: There is no such log.
    """
    rows = await list_shards(connection, tenant)
    if tenant is not None and not rows:
        raise ConfigurationError(f"there is no log of a tenant {tenant!r}; `sealstream audit checkpoint` lists them")
    return rows
