"""Shredded tier keys, the ledger of erased records, and how far sealing a scope anew has come."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("tier_keys", sa.Column("shredded_at", sa.TIMESTAMP(timezone=True), nullable=True))
    op.create_table(
        "erasures",
        sa.Column("log_id", sa.Integer(), nullable=False),
        sa.Column("commit_id", sa.BigInteger(), nullable=False),
        sa.Column("leaf", sa.Integer(), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("record_id", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint("log_id", "commit_id", "leaf", name=op.f("erasures_pkey")),
    )
    op.create_index("erasures_message_id_idx", "erasures", ["message_id"], unique=False)
    op.create_table(
        "reseals",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("after_commit", sa.BigInteger(), nullable=False),
        sa.Column("end_commit", sa.BigInteger(), nullable=False),
        sa.Column("sealed_rows", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "domain", "target", name=op.f("reseals_pkey")),
    )


def downgrade() -> None:
    op.drop_table("reseals")
    op.drop_table("erasures")
    op.drop_column("tier_keys", "shredded_at")
