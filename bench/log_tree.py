"""A log's stored tree of any size, without its leaves: proofs and checkpoints read nothing else."""

import os
from typing import Final

from agents.platform.identity import Identity
from security.checkpoint import Checkpoint, sign_checkpoint
from security.merkle import HASH_BYTES
from security.tiles import TILE_WIDTH, RightEdge
from streams.storage import sequencing
from streams.storage.database import Connection

STEP: Final = 256 * TILE_WIDTH


async def plant(connection: Connection, identity: Identity, tenant: str, size: int) -> sequencing.LogRow:
    """A new log with so many random leaf hashes, its full tiles, and one signed checkpoint over all of it.

    Args:
        size: A multiple of 256, so that no leaf hash stands outside a full tile.
    """
    origin = identity.origin(tenant)
    log_id = await connection.fetchval(
        "INSERT INTO logs (tenant, origin, vkey) VALUES ($1, $2, $3) RETURNING log_id",
        tenant,
        origin,
        identity.log_signer(tenant).verifier.vkey,
    )
    edge = RightEdge()
    for start in range(0, size, STEP):
        tiles, edge = edge.advance(os.urandom(HASH_BYTES * min(STEP, size - start)))
        await connection.copy_records_to_table(
            "tiles",
            records=[
                (log_id, tile.level, tile.index, tile.hashes)
                for tile in tiles
                if len(tile.hashes) == TILE_WIDTH * HASH_BYTES
            ],
            columns=["log_id", "level", "index", "hashes"],
        )
    root = edge.root()
    note = sign_checkpoint(Checkpoint(origin, size, root), [identity.log_signer(tenant)]).decode()
    await connection.execute(
        "INSERT INTO checkpoints (log_id, size, root, note) VALUES ($1, $2, $3, $4)", log_id, size, root, note
    )
    await connection.execute("ANALYZE tiles")
    return sequencing.LogRow(log_id, tenant, origin)
