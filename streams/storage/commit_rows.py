"""The rows that a commit writes: their tables and columns, and the two ways of writing them.

What a commit claims before is streams.storage.commit.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, Final

from streams.storage.database import Connection
from streams.storage.one_statement import TableRows, write

Row = tuple[Any, ...]

_COLUMNS: Final[Mapping[str, Mapping[str, str]]] = {
    "messages": {
        "message_id": "uuid", "log_id": "int", "tenant": "text", "domain": "text", "commit_id": "bigint", "leaf": "int",
        "type": "text", "outcome": "text", "topic": "text", "part": "int", "kafka_offset": "bigint",
        "stamped_at": "timestamptz", "received_at": "timestamptz", "pass_id": "bigint", "evidence": "bytea",
    },
    "results": {
        "record_id": "uuid", "message_id": "uuid", "n": "int", "log_id": "int", "tenant": "text", "domain": "text",
        "commit_id": "bigint", "leaf": "int", "type": "text", "outcome": "text", "note": "text", "linked": "uuid",
        "pass_id": "bigint", "sealed": "bytea",
    },
    "terms": {"log_id": "int", "field": "text", "token": "bytea", "record_id": "uuid"},
    "deferred": {
        "record_id": "uuid", "log_id": "int", "tenant": "text", "commit_id": "bigint", "leaf": "int", "lane": "text",
        "models": "text", "deadline": "timestamptz",
    },
    "dead_letters": {
        "dead_letter_id": "uuid", "message_id": "uuid", "log_id": "int", "tenant": "text", "commit_id": "bigint",
        "leaf": "int", "reason": "text", "detail": "text", "topic": "text", "part": "int", "kafka_offset": "bigint",
    },
    "replays": {
        "log_id": "int", "commit_id": "bigint", "leaf": "int", "dead_letter_id": "uuid", "tenant": "text",
        "outcome": "text", "reason": "text", "letter_commit": "bigint",
    },
    "disclosures": {
        "log_id": "int", "commit_id": "bigint", "leaf": "int", "tenant": "text", "pass_id": "bigint", "sealed": "bytea",
    },
    "erasures": {
        "log_id": "int", "commit_id": "bigint", "leaf": "int", "message_id": "uuid", "record_id": "uuid",
    },
    "reviews": {
        "log_id": "int", "commit_id": "bigint", "leaf": "int", "record_id": "uuid", "n": "int", "tenant": "text",
        "domain": "text", "pass_id": "bigint", "sealed": "bytea",
    },
    "data_keys": {
        "pass_id": "bigint", "tenant": "text", "domain": "text", "tier": "smallint", "tier_key_id": "text",
        "wrapped": "bytea",
    },
    "commits": {
        "log_id": "int", "commit_id": "bigint", "leaf_count": "int", "leaves_root": "bytea", "hashes": "bytea",
        "watermark": "bytea", "worker_id": "text", "signature": "bytea",
    },
    "bundles": {"log_id": "int", "commit_id": "bigint", "ends": "int[]", "body": "bytea"},
    "sequence_arrivals": {"log_id": "int", "source": "text", "commit_id": "bigint", "arrived": "bytea"},
}  # fmt: skip

_USUAL: Final = frozenset({"messages", "results", "terms", "data_keys", "commits", "bundles"})

COPY_FROM: Final = 400
"""Rows from which COPY is used: it is cheaper for a row, and takes two round trips for each table. A transaction makes
six rows, and at 64 transactions both ways cost the same."""

_TOKEN: Final = itemgetter(list(_COLUMNS["terms"]).index("token"))
_RESULT_OUTCOME: Final = itemgetter(list(_COLUMNS["results"]).index("outcome"))
_RESULT_NUMBER: Final = itemgetter(list(_COLUMNS["results"]).index("n"))
_LETTER_REASON: Final = itemgetter(list(_COLUMNS["dead_letters"]).index("reason"))
_MESSAGE_OUTCOME: Final = itemgetter(list(_COLUMNS["messages"]).index("outcome"))


@dataclass(slots=True)
class CommitRows:
    """Rows to write, by table, in the column order of this module."""

    messages: list[Row] = field(default_factory=list)
    results: list[Row] = field(default_factory=list)
    terms: list[Row] = field(default_factory=list)
    deferred: list[Row] = field(default_factory=list)
    dead_letters: list[Row] = field(default_factory=list)
    replays: list[Row] = field(default_factory=list)
    disclosures: list[Row] = field(default_factory=list)
    erasures: list[Row] = field(default_factory=list)
    reviews: list[Row] = field(default_factory=list)
    data_keys: list[Row] = field(default_factory=list)
    commits: list[Row] = field(default_factory=list)
    bundles: list[Row] = field(default_factory=list)
    sequence_arrivals: list[Row] = field(default_factory=list)

    def tables(self) -> list[TableRows]:
        """The tables that get rows."""
        # Tokens are random: in their order, neighbours go to the same pages of the index.
        self.terms.sort(key=_TOKEN)
        return [
            TableRows(table, tuple(columns.items()), rows)
            for table, columns in _COLUMNS.items()
            if (rows := getattr(self, table))
        ]

    def outcomes(self, messages: int) -> Counter[tuple[str, str, str]]:
        """How many records there are of each (kind of leaf, outcome, reason).

        Statements are counted as accepted, beside their entries.

        Args:
            messages: How many messages went into the commit; one that repeats another has no row.
        """
        counts = Counter(("result", outcome, "") for outcome in map(_RESULT_OUTCOME, self.results))
        counts.update(("rejected", "rejected", reason) for reason in map(_LETTER_REASON, self.dead_letters))
        alone = sum(number is None for number in map(_RESULT_NUMBER, self.results))
        if statements := sum(outcome == "accepted" for outcome in map(_MESSAGE_OUTCOME, self.messages)) - alone:
            counts["accepted", "accepted", ""] = statements
        if repeats := messages - len(self.messages):
            counts["duplicate", "duplicate", ""] = repeats
        return counts


def usual_tables() -> list[TableRows]:
    """The tables that get rows where all is well, without any."""
    return [TableRows(table, tuple(_COLUMNS[table].items()), ()) for table in _COLUMNS if table in _USUAL]


def are_few(tables: Sequence[TableRows]) -> bool:
    """Whether one statement writes them cheaper than COPY."""
    return 0 < sum(len(each.rows) for each in tables) < COPY_FROM


async def write_rows(connection: Connection, rows: CommitRows) -> None:
    """Write the rows of a commit."""
    tables = rows.tables()
    # COPY is refused where row-level security applies.
    if are_few(tables) or (tables and await connection.fetchval("SELECT row_security_active('commits')")):
        await write(connection, tables)
        return
    for each in tables:
        columns = [name for name, _ in each.columns]
        await connection.copy_records_to_table(each.table, records=each.rows, columns=columns)
