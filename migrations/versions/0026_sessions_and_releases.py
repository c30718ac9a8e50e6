"""Logins to the console, and what was opened by requests for access, as the key release counts it."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

ROLE = "sealstream_api"

_ALL = "(SELECT '*' = ANY (nullif(current_setting('sealstream.reach', true), '')::text[]))"

_END_SESSION = """
CREATE FUNCTION sealstream_end_session(session bytea) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$
BEGIN
    UPDATE console_sessions SET ended_at = clock_timestamp() WHERE digest = session AND ended_at IS NULL;
    -- Their time is over whether their rows are there or not.
    DELETE FROM console_sessions WHERE ends < clock_timestamp() - interval '1 day';
END
$$
"""
FUNCTION = "sealstream_end_session(bytea)"


def upgrade() -> None:
    op.create_table(
        "console_sessions",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=True),
        sa.Column("issuer", sa.Text(), nullable=True),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("certificate", sa.Text(), nullable=True),
        sa.Column("created", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("ends", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("ended_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("mac", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("console_sessions_pkey")),
    )
    op.create_index(op.f("console_sessions_ends_idx"), "console_sessions", ["ends"])
    op.create_table(
        "released_uses",
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("log_id", sa.BigInteger(), nullable=False),
        sa.Column("commit_id", sa.BigInteger(), nullable=False),
        sa.Column("leaf", sa.Integer(), nullable=False),
        sa.Column("record_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint(
            "request_id", "log_id", "commit_id", "leaf", "record_id", name=op.f("released_uses_pkey")
        ),
    )
    for table in ("console_sessions", "released_uses"):
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY sealstream_api_reach ON {table} TO {ROLE} USING ({_ALL})")
    # Of what the release counted the API has no right to anything. A login carries the platform's MAC.
    op.execute(f"GRANT SELECT, INSERT ON console_sessions TO {ROLE}")
    schema = op.get_bind().execute(sa.text("SELECT quote_ident(current_schema())")).scalar()
    op.execute(_END_SESSION.format(schema=schema))
    op.execute(f"REVOKE ALL ON FUNCTION {FUNCTION} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {FUNCTION} TO {ROLE}")


def downgrade() -> None:
    op.execute(f"DROP FUNCTION {FUNCTION}")
    op.drop_table("released_uses")
    op.drop_table("console_sessions")
