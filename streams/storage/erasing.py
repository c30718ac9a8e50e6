"""Deleting the content of records, and the ledger that says of which: it is replayed over a restored database.

A message's content is its bytes, those of its copies (a dead letter's replay has one), and the sealed fields, blind
terms and reviews of its records. Rows stay, without content: leaves name them. Deciding and logging it is
agents.upkeep.erasing.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from streams.storage.database import Connection

_COPIES = """
    SELECT m.message_id AS name, c.message_id AS copy FROM messages m
    JOIN dead_letters d ON d.message_id = m.message_id JOIN replays r ON r.dead_letter_id = d.dead_letter_id
    JOIN messages c ON c.commit_id = r.commit_id
        AND (c.topic, c.part, c.kafka_offset) = (m.topic, m.part, m.kafka_offset)
    WHERE m.message_id = ANY($1::uuid[])
    UNION
    SELECT m.message_id, c.message_id FROM messages m
    JOIN replays r ON r.commit_id = m.commit_id JOIN dead_letters d ON d.dead_letter_id = r.dead_letter_id
    JOIN messages c ON c.message_id = d.message_id
        AND (c.topic, c.part, c.kafka_offset) = (m.topic, m.part, m.kafka_offset)
    WHERE m.message_id = ANY($1::uuid[])
"""

_RECORDS = """
    SELECT r.record_id FROM results r
    WHERE (r.log_id, r.commit_id) IN (
            SELECT log_id, commit_id FROM messages WHERE message_id = ANY($1::uuid[])
            UNION
            SELECT p.log_id, p.commit_id FROM replays p JOIN dead_letters d USING (dead_letter_id)
            WHERE d.message_id = ANY($1::uuid[])
            UNION
            SELECT log_id, ended_commit FROM deferred WHERE record_id = ANY($1::uuid[]))
        AND r.message_id = ANY($1::uuid[]) AND r.sealed IS NOT NULL
"""
"""By the commits, which have an index, that brought the messages, replayed entries of theirs, or ended them later."""


@dataclass(frozen=True, slots=True)
class ErasedMessage:
    """A message as erased: with all its records, or one of them.

    Attributes:
        record_id: The one record; None for all.
        tenants: In whose logs the message and its copies stand.
    """

    message_id: UUID
    record_id: UUID | None
    tenants: frozenset[str]


class Erased:
    """What is erased of some messages.

    Args:
        ledger: Message id and record id, None for all records, of each erasure.
    """

    def __init__(self, ledger: Collection[tuple[UUID, UUID | None]] = ()) -> None:
        self._messages = {message for message, _ in ledger}
        self._whole = {message for message, record in ledger if record is None}
        self._records = {record for _, record in ledger if record is not None}

    def evidence(self, message: UUID) -> bool:
        """Whether the message's own bytes are."""
        return message in self._messages

    def record(self, message: UUID, record: UUID) -> bool:
        """Whether a record's fields are."""
        return message in self._whole or record in self._records


@dataclass(frozen=True, slots=True)
class Content:
    """What erasing found to delete.

    Attributes:
        messages: Whose bytes are there.
        records: Whose fields are there.
    """

    messages: Sequence[UUID] = field(default_factory=list)
    records: Sequence[UUID] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.messages or self.records)


async def find_erasable(connection: Connection, name: UUID) -> list[ErasedMessage]:
    """What erasing an id means: a message with its records, or one record with its message; each copy by its own name.

    Empty when there is no message, record or dead letter of that id.
    """
    row = await connection.fetchrow(
        """
        SELECT message_id, NULL::uuid AS record_id FROM messages WHERE message_id = $1
        UNION ALL
        SELECT message_id, CASE WHEN n IS NOT NULL THEN record_id END FROM results WHERE record_id = $1
        UNION ALL
        SELECT message_id, dead_letter_id FROM dead_letters WHERE dead_letter_id = $1
        LIMIT 1
        """,
        name,
    )
    if row is None:
        return []
    names: set[UUID] = set()
    found: set[UUID] = {row["message_id"]}
    while found - names:
        names |= found
        found = {each["copy"] for each in await connection.fetch(_COPIES, list(names))}
    rows = await connection.fetch(
        "SELECT message_id, array_agg(DISTINCT tenant) AS tenants FROM messages WHERE message_id = ANY($1::uuid[]) "
        "GROUP BY message_id ORDER BY message_id",
        list(names),
    )
    return [ErasedMessage(each["message_id"], row["record_id"], frozenset(each["tenants"])) for each in rows]


async def find_content(connection: Connection, ledger: Collection[tuple[UUID, UUID | None]]) -> Content:
    """What is there of what these lines of the ledger name."""
    rows = await connection.fetch(
        "SELECT DISTINCT message_id FROM messages WHERE message_id = ANY($1::uuid[]) AND evidence IS NOT NULL",
        list({message for message, _ in ledger}),
    )
    whole = list({message for message, record in ledger if record is None})
    records = {row["record_id"] for row in await connection.fetch(_RECORDS, whole)}
    alone = await connection.fetch(
        "SELECT record_id FROM results WHERE record_id = ANY($1::uuid[]) AND sealed IS NOT NULL",
        list({record for _, record in ledger if record is not None}),
    )
    records |= {row["record_id"] for row in alone}
    return Content([row["message_id"] for row in rows], sorted(records))


async def delete_content(connection: Connection, content: Content) -> None:
    """Delete it, within a transaction.

    Terms have no index by record, which each record would pay for: the table is read through, once for all of them.
    """
    await connection.execute(
        "UPDATE messages SET evidence = NULL WHERE message_id = ANY($1::uuid[]) AND evidence IS NOT NULL",
        list(content.messages),
    )
    await connection.execute(
        "UPDATE results SET sealed = NULL WHERE record_id = ANY($1::uuid[]) AND sealed IS NOT NULL",
        list(content.records),
    )
    await connection.execute(
        "UPDATE reviews SET sealed = NULL WHERE record_id = ANY($1::uuid[]) AND sealed IS NOT NULL",
        list(content.records),
    )
    if content.records:
        await connection.execute("DELETE FROM terms WHERE record_id = ANY($1::uuid[])", list(content.records))


async def read_ledger(connection: Connection) -> list[tuple[int, int, int, UUID, UUID | None]]:
    """Log id, commit id, ordinal of the leaf, message and record of each line."""
    rows = await connection.fetch("SELECT log_id, commit_id, leaf, message_id, record_id FROM erasures")
    return [(row["log_id"], row["commit_id"], row["leaf"], row["message_id"], row["record_id"]) for row in rows]


async def replay_ledger(connection: Connection) -> Content:
    """Erase again what the ledger names and a restored table holds; returns what that was."""
    ledger = [(message, record) for *_, message, record in await read_ledger(connection)]
    if not ledger:
        return Content()
    async with connection.transaction():
        content = await find_content(connection, ledger)
        if content:
            await delete_content(connection, content)
    return content


async def find_erased(connection: Connection, names: Collection[UUID]) -> Erased:
    """What is erased of these messages."""
    rows = await connection.fetch(
        "SELECT message_id, record_id FROM erasures WHERE message_id = ANY($1::uuid[])", list(names)
    )
    return Erased([(row["message_id"], row["record_id"]) for row in rows])
