"""Find the records of a message, and its dead letters, without reading the whole table.

A transaction is a message with one record of the same id, which the primary key finds. The index of results has those of
other messages alone, so that it costs a transaction nothing.
"""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "results_message_id_idx", "results", ["message_id"], postgresql_where=sa.text("message_id <> record_id")
    )
    op.create_index("dead_letters_message_id_idx", "dead_letters", ["message_id"])


def downgrade() -> None:
    op.drop_index("dead_letters_message_id_idx", "dead_letters")
    op.drop_index("results_message_id_idx", "results")
