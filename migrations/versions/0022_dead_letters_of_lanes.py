"""A record may fail in its lane more than once; ends of deferred records that were brought back from the audit topic.

The constraints give way to weaker ones: what the program before writes keeps both.
"""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

_SETTLED = sa.text("reason IS NULL")


def upgrade() -> None:
    op.add_column(
        "recovered_leaves", sa.Column("ending", sa.Boolean(), nullable=False, server_default=sa.text("false"))
    )
    op.execute(
        "ALTER TABLE dead_letters DROP CONSTRAINT dead_letters_pkey, "
        "ADD CONSTRAINT dead_letters_pkey PRIMARY KEY (dead_letter_id, commit_id)"
    )
    op.add_column("replays", sa.Column("letter_commit", sa.BigInteger(), nullable=True))
    op.drop_index("replays_settled_key", "replays")
    op.create_index(
        "replays_settled_key",
        "replays",
        ["dead_letter_id", sa.text("coalesce(letter_commit, 0)")],
        unique=True,
        postgresql_where=_SETTLED,
    )


def downgrade() -> None:
    op.drop_index("replays_settled_key", "replays")
    op.drop_column("replays", "letter_commit")
    op.create_index("replays_settled_key", "replays", ["dead_letter_id"], unique=True, postgresql_where=_SETTLED)
    op.execute(
        "ALTER TABLE dead_letters DROP CONSTRAINT dead_letters_pkey, "
        "ADD CONSTRAINT dead_letters_pkey PRIMARY KEY (dead_letter_id)"
    )
    op.drop_column("recovered_leaves", "ending")
