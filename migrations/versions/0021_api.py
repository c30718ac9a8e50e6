"""What the REST API keeps: answers to writes by their idempotency key, and projects."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def _now() -> sa.Column:
    return sa.Column(
        "created_at", sa.TIMESTAMP(timezone=True), nullable=False, server_default=sa.text("clock_timestamp()")
    )


def upgrade() -> None:
    op.create_table(
        "api_writes",
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        _now(),
        sa.PrimaryKeyConstraint("person", "key", name=op.f("api_writes_pkey")),
    )
    op.create_index("api_writes_by_age", "api_writes", ["created_at"])
    op.create_table(
        "api_projects",
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        _now(),
        sa.PrimaryKeyConstraint("project", name=op.f("api_projects_pkey")),
    )


def downgrade() -> None:
    op.drop_table("api_projects")
    op.drop_table("api_writes")
