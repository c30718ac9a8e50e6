"""Find the records of a message, its dead letters, and the messages of a commit, without reading the whole table.

A transaction is a message with one record of the same id, which the primary key finds. The index of results has those
of other messages alone, so that it costs a transaction nothing.

The messages of a commit are found by a block-range index, to which new blocks are added by a vacuum alone. By itself it
comes when a table has grown by a fifth, and until then an audit reads that fifth for every sixteen commits.
"""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


# streams.storage.vacuuming.SUMMARIZED, which new partitions get
SUMMARIZED = "autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 100000"
DEFAULT = "autovacuum_vacuum_insert_scale_factor, autovacuum_vacuum_insert_threshold"
TABLES = """
SELECT c.oid::regclass::text FROM pg_class c LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
WHERE c.relkind = 'r'
    AND (i.inhparent = 'messages'::regclass OR c.oid IN ('dead_letters'::regclass, 'deferred'::regclass))
"""


def upgrade() -> None:
    op.create_index(
        "results_message_id_idx", "results", ["message_id"], postgresql_where=sa.text("message_id <> record_id")
    )
    op.create_index("dead_letters_message_id_idx", "dead_letters", ["message_id"])
    _alter(f"SET ({SUMMARIZED})")


def downgrade() -> None:
    _alter(f"RESET ({DEFAULT})")
    op.drop_index("dead_letters_message_id_idx", "dead_letters")
    op.drop_index("results_message_id_idx", "results")


def _alter(how: str) -> None:
    for (table,) in op.get_bind().execute(sa.text(TABLES)).all():
        op.execute(f"ALTER TABLE {table} {how}")
