"""Keys may come from JWK Sets that are fetched again and again."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("signing_keys", sa.Column("subscription", sa.Text(), nullable=True))
    op.create_table(
        "key_subscriptions",
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("sources", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("pins", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("ca", sa.Text(), nullable=True),
        sa.Column("every", sa.Interval(), nullable=False),
        sa.Column("keep", sa.Interval(), nullable=False),
        sa.Column("mac", sa.LargeBinary(), nullable=False),
        sa.Column("etag", sa.Text(), nullable=True),
        sa.Column("good_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("next_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("fault", sa.Text(), nullable=True),
        sa.Column(
            "created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("url", name=op.f("key_subscriptions_pkey")),
    )


def downgrade() -> None:
    op.drop_table("key_subscriptions")
    op.drop_column("signing_keys", "subscription")
