"""The first tables."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from schemas.tables.base import PG_SNAPSHOT, XID8

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

IDENTITY_PARTITIONS = 8


def upgrade() -> None:
    op.create_table(
        "bundles",
        sa.Column("log_id", sa.Integer(), nullable=False),
        sa.Column("commit_id", sa.BigInteger(), nullable=False),
        sa.Column("ends", sa.ARRAY(sa.Integer()), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("log_id", "commit_id", name=op.f("bundles_pkey")),
    )
    op.create_table(
        "catalogue_fields",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("record_type", sa.Text(), nullable=False),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column("domain", sa.Text(), nullable=True),
        sa.Column("tier", sa.SmallInteger(), nullable=False),
        sa.Column("search", sa.Text(), nullable=True),
        sa.Column(
            "created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint("search IS NULL OR tier < 4", name=op.f("catalogue_fields_no_search_at_tier_4_check")),
        sa.CheckConstraint("tier BETWEEN 1 AND 5", name=op.f("catalogue_fields_tier_range_check")),
        sa.PrimaryKeyConstraint("tenant", "record_type", "field", name=op.f("catalogue_fields_pkey")),
    )
    op.create_table(
        "checkpoints",
        sa.Column("log_id", sa.Integer(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column(
            "created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("log_id", "size", name=op.f("checkpoints_pkey")),
    )
    op.create_table(
        "commits",
        sa.Column("log_id", sa.Integer(), nullable=False),
        sa.Column("commit_id", sa.BigInteger(), nullable=False),
        sa.Column("xid", XID8, server_default=sa.text("pg_current_xact_id()"), nullable=False),
        sa.Column("leaf_count", sa.Integer(), nullable=False),
        sa.Column("leaves_root", sa.LargeBinary(), nullable=False),
        sa.Column("hashes", sa.LargeBinary(), nullable=False),
        sa.Column("watermark", sa.LargeBinary(), nullable=False),
        sa.Column("worker_id", sa.Text(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.Column(
            "created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("log_id", "commit_id", name=op.f("commits_pkey")),
    )
    op.create_index("commits_log_id_xid_commit_id_idx", "commits", ["log_id", "xid", "commit_id"], unique=False)
    op.create_table(
        "data_keys",
        sa.Column("pass_id", sa.BigInteger(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("tier", sa.SmallInteger(), nullable=False),
        sa.Column("tier_key_id", sa.Text(), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("pass_id", "domain", "tier", name=op.f("data_keys_pkey")),
    )
    op.create_table(
        "dead_letters",
        sa.Column("dead_letter_id", sa.Uuid(), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("log_id", sa.Integer(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("commit_id", sa.BigInteger(), nullable=False),
        sa.Column("leaf", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column("kafka_offset", sa.BigInteger(), nullable=False),
        sa.Column(
            "created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("dead_letter_id", name=op.f("dead_letters_pkey")),
    )
    op.create_index("dead_letters_created_at_idx", "dead_letters", ["created_at"], unique=False)
    op.create_table(
        "disclosures",
        sa.Column("log_id", sa.Integer(), nullable=False),
        sa.Column("commit_id", sa.BigInteger(), nullable=False),
        sa.Column("leaf", sa.Integer(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("pass_id", sa.BigInteger(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column(
            "created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("log_id", "commit_id", "leaf", name=op.f("disclosures_pkey")),
    )
    op.create_table(
        "entry_keys",
        sa.Column("log_id", sa.Integer(), nullable=False),
        sa.Column("token", sa.LargeBinary(), nullable=False),
        sa.Column("record_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("log_id", "token", name=op.f("entry_keys_pkey")),
    )
    op.create_table(
        "identities",
        sa.Column("record_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("commit_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("record_id", name=op.f("identities_pkey")),
        postgresql_partition_by="HASH (record_id)",
    )
    op.create_table(
        "log_state",
        sa.Column("log_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("log_id", name=op.f("log_state_pkey")),
    )
    op.create_table(
        "log_steps",
        sa.Column("log_id", sa.Integer(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("prev", sa.BigInteger(), nullable=False),
        sa.Column("seen", PG_SNAPSHOT, nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("log_id", "size", name=op.f("log_steps_pkey")),
    )
    op.create_table(
        "logs",
        sa.Column("log_id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("vkey", sa.Text(), nullable=False),
        sa.Column(
            "created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("log_id", name=op.f("logs_pkey")),
        sa.UniqueConstraint("origin", name=op.f("logs_origin_key")),
        sa.UniqueConstraint("tenant", name=op.f("logs_tenant_key")),
    )
    op.create_table(
        "messages",
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("log_id", sa.Integer(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("commit_id", sa.BigInteger(), nullable=False),
        sa.Column("leaf", sa.Integer(), nullable=False),
        sa.Column("type", sa.Text(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column("kafka_offset", sa.BigInteger(), nullable=False),
        sa.Column("stamped_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("received_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("pass_id", sa.BigInteger(), nullable=False),
        sa.Column("evidence", sa.LargeBinary(), nullable=True),
        sa.Column(
            "created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("message_id", "created_at", name=op.f("messages_pkey")),
        postgresql_partition_by="RANGE (created_at)",
    )
    op.create_table(
        "placements",
        sa.Column("log_id", sa.Integer(), nullable=False),
        sa.Column("first_index", sa.BigInteger(), nullable=False),
        sa.Column("commit_id", sa.BigInteger(), nullable=False),
        sa.Column("leaf_count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("log_id", "first_index", name=op.f("placements_pkey")),
        sa.UniqueConstraint("log_id", "commit_id", name=op.f("placements_log_id_commit_id_key")),
    )
    op.create_table(
        "relay_steps",
        sa.Column("log_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("previous", sa.LargeBinary(), nullable=False),
        sa.Column(
            "created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("log_id", "position", name=op.f("relay_steps_pkey")),
    )
    op.create_table(
        "results",
        sa.Column("record_id", sa.Uuid(), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=True),
        sa.Column("log_id", sa.Integer(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("commit_id", sa.BigInteger(), nullable=False),
        sa.Column("leaf", sa.Integer(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("linked", sa.Uuid(), nullable=True),
        sa.Column("pass_id", sa.BigInteger(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column(
            "created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("record_id", "created_at", name=op.f("results_pkey")),
        postgresql_partition_by="RANGE (created_at)",
    )
    op.create_index("results_log_id_commit_id_leaf_idx", "results", ["log_id", "commit_id", "leaf"], unique=False)
    op.create_table(
        "signing_keys",
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("jwk", JSONB, nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("sources", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("not_before", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("not_after", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column(
            "created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("key_id", name=op.f("signing_keys_pkey")),
    )
    op.create_table(
        "terms",
        sa.Column("log_id", sa.Integer(), nullable=False),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column("token", sa.LargeBinary(), nullable=False),
        sa.Column("record_id", sa.Uuid(), nullable=False),
    )
    op.create_index(
        "terms_field_token_idx", "terms", ["field", "token"], unique=False, postgresql_include=["record_id", "log_id"]
    )
    op.create_table(
        "tier_keys",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("tier", sa.SmallInteger(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("kek_id", sa.Text(), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.Column(
            "created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("tenant", "domain", "tier", "epoch", name=op.f("tier_keys_pkey")),
        sa.UniqueConstraint("key_id", name=op.f("tier_keys_key_id_key")),
    )
    op.create_table(
        "tiles",
        sa.Column("log_id", sa.Integer(), nullable=False),
        sa.Column("level", sa.SmallInteger(), nullable=False),
        sa.Column("index", sa.BigInteger(), nullable=False),
        sa.Column("hashes", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("log_id", "level", "index", name=op.f("tiles_pkey")),
    )
    op.create_table(
        "watermark_steps",
        sa.Column("grp", sa.Text(), nullable=False),
        sa.Column("cluster", sa.Text(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column("from_offset", sa.BigInteger(), nullable=False),
        sa.Column("to_offset", sa.BigInteger(), nullable=False),
        sa.Column("commit_id", sa.BigInteger(), nullable=False),
        sa.Column("topic_id", sa.Uuid(), nullable=True),
        sa.Column("leader_epoch", sa.Integer(), nullable=True),
        sa.Column("last_digest", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("grp", "cluster", "topic", "part", "from_offset", name=op.f("watermark_steps_pkey")),
    )
    op.create_table(
        "worker_keys",
        sa.Column("worker_id", sa.Text(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("certificate", sa.LargeBinary(), nullable=False),
        sa.Column(
            "created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("worker_id", name=op.f("worker_keys_pkey")),
    )
    for table in ("messages", "dead_letters"):
        op.create_index(
            f"{table}_commit_id_idx",
            table,
            ["commit_id"],
            postgresql_using="brin",
            postgresql_with={"pages_per_range": 32},
        )
    for n in range(IDENTITY_PARTITIONS):
        op.execute(
            f"CREATE TABLE identities_{n} PARTITION OF identities "
            f"FOR VALUES WITH (MODULUS {IDENTITY_PARTITIONS}, REMAINDER {n})"
        )
    for table in ("messages", "results"):
        op.execute(f"CREATE TABLE {table}_default PARTITION OF {table} DEFAULT")
    # Ciphertext and hashes don't compress; a leaf is read from a bundle by substring, which needs it uncompressed.
    for table, column in (("commits", "hashes"), ("bundles", "body"), ("tiles", "hashes")):
        op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} SET STORAGE EXTERNAL")
    # A client takes ids in blocks: one round trip for a hundred commits.
    op.execute("CREATE SEQUENCE commit_ids INCREMENT 100")
    op.execute("CREATE SEQUENCE pass_ids INCREMENT 1000")


def downgrade() -> None:
    op.execute("DROP SEQUENCE commit_ids, pass_ids")
    for table in (
        "bundles",
        "catalogue_fields",
        "checkpoints",
        "commits",
        "data_keys",
        "dead_letters",
        "disclosures",
        "entry_keys",
        "identities",
        "log_state",
        "log_steps",
        "logs",
        "messages",
        "placements",
        "relay_steps",
        "results",
        "signing_keys",
        "terms",
        "tier_keys",
        "tiles",
        "watermark_steps",
        "worker_keys",
    ):
        op.drop_table(table)
