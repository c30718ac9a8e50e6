"""Tables of the audit log: commits and their leaves, places in the log, tiles, checkpoints, and progress.

All of them are insert-only (log_state and witness_states apart): an updated row bloats while any snapshot is held.
"""

import sqlalchemy as sa

from schemas.tables.base import PG_SNAPSHOT, XID8, created_at, metadata

logs = sa.Table(
    "logs",
    metadata,
    sa.Column("log_id", sa.Integer, sa.Identity(), primary_key=True),
    sa.Column("tenant", sa.Text, nullable=False, unique=True),
    sa.Column("origin", sa.Text, nullable=False, unique=True),
    sa.Column("vkey", sa.Text, nullable=False),
    created_at(),
)

# A tenant's log goes on in a new tree after each closing. The first one is the row of `logs`; tiles, checkpoints and
# what others say of them name a tree in `log_id`, everything else the log. `start` counts leaves through all shards.
shards = sa.Table(
    "shards",
    metadata,
    sa.Column("log_id", sa.Integer, nullable=False),
    sa.Column("n", sa.Integer, nullable=False),
    sa.Column("tree_id", sa.Integer, nullable=False, unique=True),
    sa.Column("origin", sa.Text, nullable=False, unique=True),
    sa.Column("key", sa.Integer, nullable=False, server_default="0"),
    sa.Column("closing", sa.BigInteger),
    sa.Column("start", sa.BigInteger),
    sa.Column("lost", sa.BigInteger, nullable=False, server_default="0"),
    created_at(),
    sa.PrimaryKeyConstraint("log_id", "n"),
    sa.CheckConstraint("n > 0 AND lost >= 0", name="shards_after_the_first"),
    sa.Index("shards_one_next", "log_id", unique=True, postgresql_where=sa.text("start IS NULL")),
)

# Shards whose leaves and tiles are held outside the database; 0 is the first. The commit brought the leaf that says so.
dropped_shards = sa.Table(
    "dropped_shards",
    metadata,
    sa.Column("log_id", sa.Integer, nullable=False),
    sa.Column("n", sa.Integer, nullable=False),
    sa.Column("commit_id", sa.BigInteger, nullable=False),
    created_at(),
    sa.PrimaryKeyConstraint("log_id", "n"),
)

# Compare-and-set is the insert of a step whose from_offset is the last to_offset; the first step starts at -1. A
# deliberate move closes the era with a step of no length and begins the next one.
watermark_steps = sa.Table(
    "watermark_steps",
    metadata,
    sa.Column("grp", sa.Text, nullable=False),
    sa.Column("cluster", sa.Text, nullable=False),
    sa.Column("topic", sa.Text, nullable=False),
    sa.Column("part", sa.Integer, nullable=False),
    sa.Column("era", sa.Integer, nullable=False, server_default="0"),
    sa.Column("from_offset", sa.BigInteger, nullable=False),
    sa.Column("to_offset", sa.BigInteger, nullable=False),
    sa.Column("commit_id", sa.BigInteger, nullable=False),
    sa.Column("topic_id", sa.Uuid),
    sa.Column("leader_epoch", sa.Integer),
    sa.Column("last_offset", sa.BigInteger),
    sa.Column("last_digest", sa.LargeBinary),
    sa.PrimaryKeyConstraint("grp", "cluster", "topic", "part", "era", "from_offset"),
)

commits = sa.Table(
    "commits",
    metadata,
    sa.Column("log_id", sa.Integer, nullable=False),
    sa.Column("commit_id", sa.BigInteger, nullable=False),
    sa.Column("xid", XID8, nullable=False, server_default=sa.text("pg_current_xact_id()")),
    sa.Column("leaf_count", sa.Integer, nullable=False),
    sa.Column("leaves_root", sa.LargeBinary, nullable=False),
    sa.Column("hashes", sa.LargeBinary, nullable=False),
    sa.Column("watermark", sa.LargeBinary, nullable=False),
    sa.Column("worker_id", sa.Text, nullable=False),
    sa.Column("signature", sa.LargeBinary, nullable=False),
    created_at(),
    sa.PrimaryKeyConstraint("log_id", "commit_id"),
    sa.Index("commits_log_id_xid_commit_id_idx", "log_id", "xid", "commit_id"),
)

bundles = sa.Table(
    "bundles",
    metadata,
    sa.Column("log_id", sa.Integer, nullable=False),
    sa.Column("commit_id", sa.BigInteger, nullable=False),
    sa.Column("ends", sa.ARRAY(sa.Integer), nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.PrimaryKeyConstraint("log_id", "commit_id"),
)

placements = sa.Table(
    "placements",
    metadata,
    sa.Column("log_id", sa.Integer, nullable=False),
    sa.Column("first_index", sa.BigInteger, nullable=False),
    sa.Column("commit_id", sa.BigInteger, nullable=False),
    sa.Column("leaf_count", sa.Integer, nullable=False),
    sa.PrimaryKeyConstraint("log_id", "first_index"),
    sa.UniqueConstraint("log_id", "commit_id"),
)

log_steps = sa.Table(
    "log_steps",
    metadata,
    sa.Column("log_id", sa.Integer, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("prev", sa.BigInteger, nullable=False),
    sa.Column("seen", PG_SNAPSHOT, nullable=False),
    sa.Column("epoch", sa.BigInteger, nullable=False),
    # Whose transaction numbers `seen` holds: a dump restored into another server begins anew.
    sa.Column("system_id", sa.BigInteger),
    sa.PrimaryKeyConstraint("log_id", "size"),
)

log_state = sa.Table(
    "log_state",
    metadata,
    sa.Column("log_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("epoch", sa.BigInteger, nullable=False),
)

# Full tiles only: the right edge is rebuilt from them and the last commits, so that no row is ever rewritten.
tiles = sa.Table(
    "tiles",
    metadata,
    sa.Column("log_id", sa.Integer, nullable=False),
    sa.Column("level", sa.SmallInteger, nullable=False),
    sa.Column("index", sa.BigInteger, nullable=False),
    sa.Column("hashes", sa.LargeBinary, nullable=False),
    sa.PrimaryKeyConstraint("log_id", "level", "index"),
)

checkpoints = sa.Table(
    "checkpoints",
    metadata,
    sa.Column("log_id", sa.Integer, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("root", sa.LargeBinary, nullable=False),
    sa.Column("note", sa.Text, nullable=False),
    created_at(),
    sa.PrimaryKeyConstraint("log_id", "size"),
)

worker_keys = sa.Table(
    "worker_keys",
    metadata,
    sa.Column("worker_id", sa.Text, primary_key=True),
    sa.Column("public_key", sa.LargeBinary, nullable=False),
    sa.Column("certificate", sa.LargeBinary, nullable=False),
    created_at(),
)

relay_steps = sa.Table(
    "relay_steps",
    metadata,
    sa.Column("log_id", sa.Integer, nullable=False),
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.Column("previous", sa.LargeBinary, nullable=False),
    created_at(),
    sa.PrimaryKeyConstraint("log_id", "position"),
)

# Leaves brought back from the audit topic, until their records are processed again.
recovered_leaves = sa.Table(
    "recovered_leaves",
    metadata,
    sa.Column("log_id", sa.Integer, nullable=False),
    sa.Column("index", sa.BigInteger, nullable=False),
    sa.Column("name", sa.Uuid, nullable=False),
    sa.Column("repeat", sa.Boolean, nullable=False),
    sa.Column("ending", sa.Boolean, nullable=False, server_default=sa.text("false")),
    sa.PrimaryKeyConstraint("log_id", "index"),
    sa.Index("recovered_leaves_name_idx", "name"),
)

# What a recovery set out to bring back: one that was interrupted goes on with the same range.
recoveries = sa.Table(
    "recoveries",
    metadata,
    sa.Column("log_id", sa.Integer, nullable=False),
    sa.Column("first_index", sa.BigInteger, nullable=False),
    sa.Column("end_index", sa.BigInteger, nullable=False),
    created_at(),
    sa.PrimaryKeyConstraint("log_id", "first_index"),
)

# What witnesses signed over checkpoints; a line is verified before it is stored.
cosignatures = sa.Table(
    "cosignatures",
    metadata,
    sa.Column("log_id", sa.Integer, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("witness", sa.Text, nullable=False),
    sa.Column("line", sa.Text, nullable=False),
    created_at(),
    sa.PrimaryKeyConstraint("log_id", "size", "witness"),
)

# How each witness last answered for each log; changed only when that changes.
witness_states = sa.Table(
    "witness_states",
    metadata,
    sa.Column("log_id", sa.Integer, nullable=False),
    sa.Column("witness", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("since", sa.TIMESTAMP(timezone=True), nullable=False, server_default=sa.text("clock_timestamp()")),
    sa.PrimaryKeyConstraint("log_id", "witness"),
)

# RFC 3161 answers over checkpoints as their logs signed them; verified before they are stored.
timestamps = sa.Table(
    "timestamps",
    metadata,
    sa.Column("log_id", sa.Integer, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("response", sa.LargeBinary, nullable=False),
    sa.Column("stamped_at", sa.TIMESTAMP(timezone=True), nullable=False),
    created_at(),
    sa.PrimaryKeyConstraint("log_id", "size"),
)
