"""What people decided about records that a model left to them."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "reviews",
        sa.Column("log_id", sa.Integer(), nullable=False),
        sa.Column("commit_id", sa.BigInteger(), nullable=False),
        sa.Column("leaf", sa.Integer(), nullable=False),
        sa.Column("record_id", sa.Uuid(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("pass_id", sa.BigInteger(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column(
            "created_at", sa.TIMESTAMP(timezone=True), nullable=False, server_default=sa.text("clock_timestamp()")
        ),
        sa.PrimaryKeyConstraint("log_id", "commit_id", "leaf", name=op.f("reviews_pkey")),
        sa.UniqueConstraint("record_id", "n", name=op.f("reviews_record_id_n_key")),
    )
    op.create_index(
        "results_review_idx", "results", ["created_at"], unique=False, postgresql_where=sa.text("outcome = 'review'")
    )


def downgrade() -> None:
    op.drop_index("results_review_idx", table_name="results")
    op.drop_table("reviews")
