"""The newest of the records that share a value, straight out of the index of blind terms.

Each term says in which second its commit began: no program writes it, the default does, and all terms of a commit have
the same. The index holds it behind the token, so that it still serves programs that look for the token alone. A whole
timestamp would cost an entry 8 bytes more: beside a token of 8 bytes, an integer fits into what alignment leaves empty.

Terms from before have the lowest number: they come after all others, and in order among themselves, as they came until
now. `UPDATE terms t SET second = date_part('epoch', r.created_at) - 1735689600 FROM results r WHERE t.second < 0 AND
r.record_id = t.record_id` gives them theirs; it rewrites them, at any time, some at once if there are very many.
"""

from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

BEFORE = -(2**31)
SINCE_2025 = "(date_part('epoch', now()) - 1735689600)::int"


def upgrade() -> None:
    # A constant for the rows that are there is no rewrite.
    op.execute(f"ALTER TABLE terms ADD COLUMN second integer NOT NULL DEFAULT {BEFORE}")
    op.execute(f"ALTER TABLE terms ALTER COLUMN second SET DEFAULT {SINCE_2025}")
    op.create_index("terms_newest_idx", "terms", ["token", "second"])
    op.drop_index("terms_token_idx", "terms")


def downgrade() -> None:
    op.create_index("terms_token_idx", "terms", ["token"])
    op.drop_index("terms_newest_idx", "terms")
    op.drop_column("terms", "second")
