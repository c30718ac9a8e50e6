"""A log that grows by commits, and what is stored of it checked against a tree in memory."""

from security.checkpoint import verify_checkpoint
from security.merkle import leaf_hash, tree_root
from security.tiles import TILE_WIDTH, RightEdge
from streams.storage.database import Connection
from streams.storage.sequencing import LogRow, list_logs
from tests.support.installation import BANK_A, Installation, Worker, split
from tests.support.messages import Inbox, transaction

TENANT = BANK_A.tenant


async def grow(platform: Installation, worker: Worker, inbox: Inbox, count: int) -> None:
    """Commit and sequence that many more leaves, in commits of odd sizes."""
    first = len(inbox.records)
    for number in range(first, first + count):
        BANK_A.put(inbox, transaction(f"t{number}"))
    while count:
        size = min(count, 47)
        await worker.commit(inbox.take(size))
        count -= size
    await platform.sequence()


async def log_row(connection: Connection, tenant: str = TENANT) -> LogRow:
    """That tenant's log as stored."""
    return next(row for row in await list_logs(connection) if row.tenant == tenant)


async def stored_leaves(platform: Installation) -> list[bytes]:
    """The leaves of TENANT's log, in its order."""
    rows = await platform.rows(
        """
        SELECT b.ends, b.body FROM placements p JOIN bundles b USING (log_id, commit_id) JOIN logs l USING (log_id)
        WHERE l.tenant = $1 ORDER BY p.first_index
        """,
        TENANT,
    )
    return [row["body"][start:end] for row in rows for start, end in zip([0, *row["ends"]], row["ends"], strict=False)]


async def tree_of(platform: Installation, tenant: str) -> list[bytes]:
    """The log's leaves in the order of their places, which must follow each other without a gap."""
    log = platform.knowledge.owners[tenant, "payments"].log
    rows = await platform.rows(
        "SELECT p.first_index, p.leaf_count, b.ends, b.body FROM placements p JOIN bundles b USING (log_id, commit_id) "
        "WHERE log_id = $1 ORDER BY first_index",
        log.log_id,
    )
    leaves: list[bytes] = []
    for row in rows:
        assert row["first_index"] == len(leaves)
        found = split(row["ends"], row["body"])
        assert len(found) == row["leaf_count"]
        leaves += found
    return leaves


async def check_log(platform: Installation, tenant: str) -> int:
    """Tiles and every checkpoint are those of the leaves; returns the log's size."""
    log = platform.knowledge.owners[tenant, "payments"].log
    hashes = [leaf_hash(body) for body in await tree_of(platform, tenant)]
    tiles, _ = RightEdge().advance(b"".join(hashes))
    expected = {(t.level, t.index): t.hashes for t in tiles if len(t.hashes) == 32 * TILE_WIDTH}
    rows = await platform.rows('SELECT level, "index", hashes FROM tiles WHERE log_id = $1', log.log_id)
    assert {(row["level"], row["index"]): row["hashes"] for row in rows} == expected
    verifier = platform.identity.log_signer(tenant).verifier
    for row in await platform.rows("SELECT * FROM checkpoints WHERE log_id = $1", log.log_id):
        signed = verify_checkpoint(row["note"].encode(), log.origin, [verifier])
        assert (signed.size, signed.root) == (row["size"], row["root"])
        assert signed.root == tree_root(hashes[: signed.size])
    return len(hashes)
