"""The order of sources: numbers that arrived, how far each source has come, and its gaps."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sequence_arrivals",
        sa.Column("log_id", sa.Integer(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("commit_id", sa.BigInteger(), nullable=False),
        sa.Column("arrived", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "sequence_heads",
        sa.Column("log_id", sa.Integer(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("log_id", "source", name=op.f("sequence_heads_pkey")),
    )
    op.create_table(
        "sequence_gaps",
        sa.Column("log_id", sa.Integer(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.Column("since", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("noted", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("log_id", "source", "first", name=op.f("sequence_gaps_pkey")),
    )
    op.create_index("sequence_gaps_since_idx", "sequence_gaps", ["since"], postgresql_where=sa.text("NOT noted"))


def downgrade() -> None:
    op.drop_table("sequence_gaps")
    op.drop_table("sequence_heads")
    op.drop_table("sequence_arrivals")
