"""What witnesses signed over checkpoints, how they last answered, and which checkpoint may be shown."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from streams.storage.database import Connection
from streams.storage.shards import SHARDS

ATTESTING_LOCK: Final = 0x5EA1_A77E
"""Held by whoever has checkpoints cosigned and timestamped."""


@dataclass(frozen=True, slots=True)
class Showing:
    """Which checkpoints are shown to the world.

    Attributes:
        least: How many of the witnesses must have cosigned; 0 for every checkpoint.
        witnesses: Names of the witnesses that count.
    """

    least: int = 0
    witnesses: tuple[str, ...] = ()


EVERYTHING: Final = Showing()


@dataclass(frozen=True, slots=True)
class Cosignature:
    """A witness's line over the checkpoint of one size."""

    size: int
    witness: str
    line: str


@dataclass(frozen=True, slots=True)
class WitnessState:
    """How one witness last answered for one log.

    Attributes:
        state: As its asker calls it.
        cosigned: Size of the last checkpoint that it cosigned; 0 for none.
        behind: Seconds since the first checkpoint that it has not cosigned, none after the last it has; 0 for none.
    """

    witness: str
    origin: str
    state: str
    why: str
    cosigned: int
    behind: float


async def newest_note(connection: Connection, log_id: int, showing: Showing = EVERYTHING) -> str | None:
    """The newest checkpoint that may be shown, as signed and with its cosignatures; None where there is none."""
    size: int | None = None
    if showing.least:
        size = await connection.fetchval(
            """
            SELECT size FROM cosignatures WHERE log_id = $1 AND witness = ANY($2::text[])
            GROUP BY size HAVING count(*) >= $3 ORDER BY size DESC LIMIT 1
            """,
            log_id,
            list(showing.witnesses),
            showing.least,
        )
        if size is None:
            return None
    note: str | None = await connection.fetchval(
        """
        SELECT c.note || coalesce((SELECT string_agg(s.line, '' ORDER BY s.witness) FROM cosignatures s
            WHERE s.log_id = c.log_id AND s.size = c.size), '')
        FROM checkpoints c WHERE c.log_id = $1 AND c.size = coalesce($2, c.size) ORDER BY c.size DESC LIMIT 1
        """,
        log_id,
        size,
    )
    return note


async def cosigned_size(connection: Connection, log_id: int, witness: str) -> int:
    """Size of the last checkpoint that a witness cosigned; 0 for none."""
    size: int = await connection.fetchval(
        "SELECT coalesce(max(size), 0) FROM cosignatures WHERE log_id = $1 AND witness = $2", log_id, witness
    )
    return size


async def store_cosignature(connection: Connection, log_id: int, cosignature: Cosignature) -> None:
    """Keep a verified line. One that is there already stays: it says the earlier time."""
    await connection.execute(
        "INSERT INTO cosignatures (log_id, size, witness, line) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        log_id,
        cosignature.size,
        cosignature.witness,
        cosignature.line,
    )


async def store_state(connection: Connection, log_id: int, witness: str, state: str, why: str) -> None:
    """Say how a witness answers now."""
    await connection.execute(
        """
        INSERT INTO witness_states (log_id, witness, state, why) VALUES ($1, $2, $3, $4)
        ON CONFLICT (log_id, witness) DO UPDATE SET state = $3, why = $4, since = clock_timestamp()
            WHERE (witness_states.state, witness_states.why) <> ($3, $4)
        """,
        log_id,
        witness,
        state,
        why,
    )


async def witness_states(connection: Connection, witnesses: Collection[str]) -> list[WitnessState]:
    """How these witnesses stand with each log that they were asked about."""
    rows = await connection.fetch(
        f"""
        SELECT w.witness, l.origin, w.state, w.why, at.cosigned, coalesce((
            SELECT extract(epoch FROM clock_timestamp() - c.created_at) FROM checkpoints c
            WHERE c.log_id = w.log_id AND c.size > at.cosigned ORDER BY c.size LIMIT 1), 0)::float8 AS behind
        FROM witness_states w JOIN ({SHARDS}) AS l ON l.tree_id = w.log_id
        CROSS JOIN LATERAL (SELECT coalesce(max(size), 0) AS cosigned FROM cosignatures s
            WHERE s.log_id = w.log_id AND s.witness = w.witness) AS at
        WHERE w.witness = ANY($1::text[]) ORDER BY w.witness, l.origin
        """,  # noqa: S608 our own text
        list(witnesses),
    )
    return [WitnessState(**row) for row in rows]


async def stored_cosignatures(connection: Connection, log_id: int) -> list[Cosignature]:
    """Every line, in order of sizes and witnesses."""
    rows = await connection.fetch(
        "SELECT size, witness, line FROM cosignatures WHERE log_id = $1 ORDER BY size, witness", log_id
    )
    return [Cosignature(**row) for row in rows]
