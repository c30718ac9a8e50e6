"""Tables of the records: identities, messages (the sealed evidence), results, terms, dead letters, erasures, order."""

import sqlalchemy as sa

from schemas.tables.base import by_commit, created_at, metadata

IDENTITY_PARTITIONS = 8

identities = sa.Table(
    "identities",
    metadata,
    sa.Column("record_id", sa.Uuid, primary_key=True),
    sa.Column("digest", sa.LargeBinary, nullable=False),
    sa.Column("commit_id", sa.BigInteger, nullable=False),
    postgresql_partition_by="HASH (record_id)",
)

entry_keys = sa.Table(
    "entry_keys",
    metadata,
    sa.Column("log_id", sa.Integer, nullable=False),
    sa.Column("token", sa.LargeBinary, nullable=False),
    sa.Column("record_id", sa.Uuid, nullable=False),
    sa.PrimaryKeyConstraint("log_id", "token"),
)

messages = sa.Table(
    "messages",
    metadata,
    sa.Column("message_id", sa.Uuid, nullable=False),
    sa.Column("log_id", sa.Integer, nullable=False),
    sa.Column("tenant", sa.Text, nullable=False),
    sa.Column("domain", sa.Text, nullable=False),
    sa.Column("commit_id", sa.BigInteger, nullable=False),
    sa.Column("leaf", sa.Integer, nullable=False),
    sa.Column("type", sa.Text),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("topic", sa.Text, nullable=False),
    sa.Column("part", sa.Integer, nullable=False),
    sa.Column("kafka_offset", sa.BigInteger, nullable=False),
    sa.Column("stamped_at", sa.TIMESTAMP(timezone=True), nullable=False),
    sa.Column("received_at", sa.TIMESTAMP(timezone=True), nullable=False),
    sa.Column("pass_id", sa.BigInteger, nullable=False),
    sa.Column("evidence", sa.LargeBinary),
    created_at(),
    sa.PrimaryKeyConstraint("message_id", "created_at"),
    by_commit("messages_commit_id_idx"),
    postgresql_partition_by="RANGE (created_at)",
)

results = sa.Table(
    "results",
    metadata,
    sa.Column("record_id", sa.Uuid, nullable=False),
    sa.Column("message_id", sa.Uuid, nullable=False),
    sa.Column("n", sa.Integer),
    sa.Column("log_id", sa.Integer, nullable=False),
    sa.Column("tenant", sa.Text, nullable=False),
    sa.Column("domain", sa.Text, nullable=False),
    sa.Column("commit_id", sa.BigInteger, nullable=False),
    sa.Column("leaf", sa.Integer, nullable=False),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("note", sa.Text),
    sa.Column("linked", sa.Uuid),
    sa.Column("pass_id", sa.BigInteger, nullable=False),
    sa.Column("sealed", sa.LargeBinary),
    created_at(),
    sa.PrimaryKeyConstraint("record_id", "created_at"),
    sa.Index("results_log_id_commit_id_leaf_idx", "log_id", "commit_id", "leaf"),
    # A record of the same id as its message is found by that.
    sa.Index("results_message_id_idx", "message_id", postgresql_where=sa.text("message_id <> record_id")),
    # Lists, page by page. New rows go to its end.
    sa.Index("results_newest_idx", sa.text("created_at DESC"), "record_id"),
    # What waits for a person, or did.
    sa.Index("results_review_idx", "created_at", postgresql_where=sa.text("outcome = 'review'")),
    postgresql_partition_by="RANGE (created_at)",
)

terms = sa.Table(
    "terms",
    metadata,
    sa.Column("log_id", sa.Integer, nullable=False),
    sa.Column("field", sa.Text, nullable=False),
    sa.Column("token", sa.LargeBinary, nullable=False),
    sa.Column("record_id", sa.Uuid, nullable=False),
    # In which second since the beginning of 2025 the commit began.
    sa.Column(
        "second", sa.Integer, nullable=False, server_default=sa.text("(date_part('epoch', now()) - 1735689600)::int")
    ),
    # A token is keyed by tenant and field: those would add nothing but size. The newest of a token are at its end.
    sa.Index("terms_newest_idx", "token", "second"),
)

dead_letters = sa.Table(
    "dead_letters",
    metadata,
    sa.Column("dead_letter_id", sa.Uuid, nullable=False),
    sa.Column("message_id", sa.Uuid, nullable=False),
    sa.Column("log_id", sa.Integer, nullable=False),
    sa.Column("tenant", sa.Text, nullable=False),
    sa.Column("commit_id", sa.BigInteger, nullable=False),
    sa.Column("leaf", sa.Integer, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Column("topic", sa.Text, nullable=False),
    sa.Column("part", sa.Integer, nullable=False),
    sa.Column("kafka_offset", sa.BigInteger, nullable=False),
    created_at(),
    # A record that is put into its lane again may fail again.
    sa.PrimaryKeyConstraint("dead_letter_id", "commit_id"),
    sa.Index("dead_letters_created_at_idx", "created_at"),
    sa.Index("dead_letters_message_id_idx", "message_id"),
    by_commit("dead_letters_commit_id_idx"),
)

# Each attempt to take a dead letter in again; one that was not refused (reason is null) is the last.
replays = sa.Table(
    "replays",
    metadata,
    sa.Column("log_id", sa.Integer, nullable=False),
    sa.Column("commit_id", sa.BigInteger, nullable=False),
    sa.Column("leaf", sa.Integer, nullable=False),
    sa.Column("dead_letter_id", sa.Uuid, nullable=False),
    sa.Column("tenant", sa.Text, nullable=False),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("reason", sa.Text),
    # The commit that wrote the dead letter; None in rows from when there was one dead letter of an id.
    sa.Column("letter_commit", sa.BigInteger),
    created_at(),
    sa.PrimaryKeyConstraint("log_id", "commit_id", "leaf"),
    sa.Index("replays_dead_letter_id_created_at_idx", "dead_letter_id", "created_at"),
    sa.Index(
        "replays_settled_key",
        "dead_letter_id",
        sa.text("coalesce(letter_commit, 0)"),
        unique=True,
        postgresql_where=sa.text("reason IS NULL"),
    ),
)

# What one response showed: the ids, sealed; its read leaf holds their Merkle root.
disclosures = sa.Table(
    "disclosures",
    metadata,
    sa.Column("log_id", sa.Integer, nullable=False),
    sa.Column("commit_id", sa.BigInteger, nullable=False),
    sa.Column("leaf", sa.Integer, nullable=False),
    sa.Column("tenant", sa.Text, nullable=False),
    sa.Column("pass_id", sa.BigInteger, nullable=False),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    created_at(),
    sa.PrimaryKeyConstraint("log_id", "commit_id", "leaf"),
)

# Records that wait in a lane, or did: whoever ends one updates its state, once.
deferred = sa.Table(
    "deferred",
    metadata,
    sa.Column("record_id", sa.Uuid, nullable=False),
    sa.Column("log_id", sa.Integer, nullable=False),
    sa.Column("tenant", sa.Text, nullable=False),
    sa.Column("commit_id", sa.BigInteger, nullable=False),
    sa.Column("leaf", sa.Integer, nullable=False),
    sa.Column("lane", sa.Text, nullable=False),
    sa.Column("models", sa.Text, nullable=False),
    sa.Column("deadline", sa.TIMESTAMP(timezone=True), nullable=False),
    sa.Column("state", sa.Text, nullable=False, server_default="accepted"),
    sa.Column("ended_commit", sa.BigInteger),
    created_at(),
    sa.CheckConstraint("state IN ('accepted', 'done', 'failed')", name="state"),
    sa.PrimaryKeyConstraint("record_id", "commit_id"),
    sa.Index("deferred_waiting_key", "record_id", unique=True, postgresql_where=sa.text("state = 'accepted'")),
    by_commit("deferred_commit_id_idx"),
)

# The erasure ledger, a row for each erase leaf: replayed over a restored database. Without a record the whole message.
erasures = sa.Table(
    "erasures",
    metadata,
    sa.Column("log_id", sa.Integer, nullable=False),
    sa.Column("commit_id", sa.BigInteger, nullable=False),
    sa.Column("leaf", sa.Integer, nullable=False),
    sa.Column("message_id", sa.Uuid, nullable=False),
    sa.Column("record_id", sa.Uuid),
    sa.PrimaryKeyConstraint("log_id", "commit_id", "leaf"),
    sa.Index("erasures_message_id_idx", "message_id"),
)

# What people decided about records that a model left to them: the n-th decision about a record supersedes the one
# before. Label and reason are sealed; NULL once erased.
reviews = sa.Table(
    "reviews",
    metadata,
    sa.Column("log_id", sa.Integer, nullable=False),
    sa.Column("commit_id", sa.BigInteger, nullable=False),
    sa.Column("leaf", sa.Integer, nullable=False),
    sa.Column("record_id", sa.Uuid, nullable=False),
    sa.Column("n", sa.Integer, nullable=False),
    sa.Column("tenant", sa.Text, nullable=False),
    sa.Column("domain", sa.Text, nullable=False),
    sa.Column("pass_id", sa.BigInteger, nullable=False),
    sa.Column("sealed", sa.LargeBinary),
    created_at(),
    sa.PrimaryKeyConstraint("log_id", "commit_id", "leaf"),
    sa.UniqueConstraint("record_id", "n"),
)

# What commits brought with a number, one row for each source and commit, until the sequencer has taken it in.
sequence_arrivals = sa.Table(
    "sequence_arrivals",
    metadata,
    sa.Column("log_id", sa.Integer, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("commit_id", sa.BigInteger, nullable=False),
    sa.Column("arrived", sa.LargeBinary, nullable=False),
)

sequence_heads = sa.Table(
    "sequence_heads",
    metadata,
    sa.Column("log_id", sa.Integer, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("first", sa.BigInteger, nullable=False),
    sa.Column("last", sa.BigInteger, nullable=False),
    sa.PrimaryKeyConstraint("log_id", "source"),
)

sequence_gaps = sa.Table(
    "sequence_gaps",
    metadata,
    sa.Column("log_id", sa.Integer, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("first", sa.BigInteger, nullable=False),
    sa.Column("last", sa.BigInteger, nullable=False),
    sa.Column("since", sa.TIMESTAMP(timezone=True), nullable=False),
    sa.Column("noted", sa.Boolean, nullable=False),
    sa.PrimaryKeyConstraint("log_id", "source", "first"),
    sa.Index("sequence_gaps_since_idx", "since", postgresql_where=sa.text("NOT noted")),
)
