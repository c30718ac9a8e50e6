"""Looks with all that proves them, in one statement: signed commit, leaf, what is sealed beside it, and its key."""

from collections.abc import Collection
from dataclasses import dataclass

from security.data_key import WrappedDataKey
from streams.storage.database import Connection
from streams.storage.log_entries import StoredDisclosure
from streams.storage.reading import LeafRow
from streams.storage.replaying import leaf_body
from streams.storage.sequencing import PendingCommit


@dataclass(frozen=True, slots=True)
class StoredLook:
    """A look as one log has it.

    Attributes:
        body: Of the leaf.
        beside: What is sealed beside it; None where nothing is.
        keys: Wrapped data keys of that pass.
    """

    commit: PendingCommit
    body: bytes
    beside: StoredDisclosure | None
    keys: list[WrappedDataKey]


async def stored_looks(connection: Connection, places: Collection[LeafRow]) -> dict[LeafRow, StoredLook]:
    """What is at these places, as far as it is there."""
    rows = await connection.fetch(
        f"""
        SELECT w.log_id, w.leaf, c.commit_id, c.leaf_count, c.leaves_root, c.hashes, c.watermark, c.worker_id,
            c.signature, {leaf_body("w.leaf")} AS body, d.tenant AS beside, d.pass_id, d.sealed,
            k.tenant, k.domain, k.tier, k.tier_key_id, k.wrapped
        FROM unnest($1::int[], $2::bigint[], $3::int[]) AS w(log_id, commit_id, leaf)
        JOIN commits c USING (log_id, commit_id) JOIN bundles b USING (log_id, commit_id)
        LEFT JOIN disclosures d USING (log_id, commit_id, leaf) LEFT JOIN data_keys k ON k.pass_id = d.pass_id
        """,  # noqa: S608 our own text
        *map(list, zip(*places, strict=True)),
    )
    found: dict[LeafRow, StoredLook] = {}
    for row in rows:
        place = LeafRow(row["log_id"], row["commit_id"], row["leaf"])
        if place not in found and row["body"] is not None:
            beside = None
            if row["pass_id"] is not None:
                beside = StoredDisclosure(place.commit_id, place.leaf, row["beside"], row["pass_id"], row["sealed"])
            signed = (row[name] for name in ("commit_id", "leaf_count", "leaves_root", "hashes"))
            by = (row[name] for name in ("watermark", "worker_id", "signature"))
            found[place] = StoredLook(PendingCommit(*signed, *by), row["body"], beside, [])
        if place in found and row["wrapped"] is not None:
            names = ("pass_id", "tenant", "domain", "tier", "tier_key_id", "wrapped")
            found[place].keys.append(WrappedDataKey(**{name: row[name] for name in names}))
    return found
