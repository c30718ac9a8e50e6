"""Tables of access control: people, their API keys and logins, policies, requests for access and the acts over them."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from schemas.tables.base import created_at, metadata

# `mac` is the platform's over the rest of a row: one that SQL made counts for nobody.
people = sa.Table(
    "people",
    metadata,
    sa.Column("person", sa.Text, primary_key=True),
    sa.Column("tenant", sa.Text, nullable=False),
    sa.Column("department", sa.Text, nullable=False),
    sa.Column("roles", sa.ARRAY(sa.Text), nullable=False),
    sa.Column("tier", sa.SmallInteger, nullable=False),
    sa.Column("duties", sa.ARRAY(sa.Text), nullable=False),
    sa.Column("issuer", sa.Text),
    sa.Column("subject", sa.Text),
    sa.Column("jwk", JSONB),
    # Thumbprint of the public key: two people with one key would be one where two must answer.
    sa.Column("key", sa.Text, unique=True),
    sa.Column("active", sa.Boolean, nullable=False),
    sa.Column("mac", sa.LargeBinary, nullable=False),
    created_at(),
    sa.UniqueConstraint("issuer", "subject"),
)

api_keys = sa.Table(
    "api_keys",
    metadata,
    sa.Column("key_id", sa.Text, primary_key=True),
    sa.Column("digest", sa.LargeBinary, nullable=False),
    sa.Column("person", sa.Text, nullable=False),
    sa.Column("tier", sa.SmallInteger, nullable=False),
    sa.Column("actions", sa.ARRAY(sa.Text), nullable=False),
    sa.Column("projects", sa.ARRAY(sa.Text)),
    sa.Column("created", sa.TIMESTAMP(timezone=True), nullable=False),
    sa.Column("not_after", sa.TIMESTAMP(timezone=True), nullable=False),
    sa.Column("revoked_at", sa.TIMESTAMP(timezone=True)),
    sa.Column("mac", sa.LargeBinary, nullable=False),
)

# The newest adopted version is in force. One that is not adopted has no mac.
access_policies = sa.Table(
    "access_policies",
    metadata,
    sa.Column("version", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("based_on", sa.BigInteger, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("proposer", sa.Text, nullable=False),
    sa.Column("adopter", sa.Text),
    sa.Column("mac", sa.LargeBinary),
    created_at(),
)

# `tenant` says whose log has the acts: the provider's.
access_requests = sa.Table(
    "access_requests",
    metadata,
    sa.Column("request_id", sa.Uuid, primary_key=True),
    sa.Column("tenant", sa.Text, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("used", sa.BigInteger, nullable=False, server_default="0"),
    created_at(),
)

access_acts = sa.Table(
    "access_acts",
    metadata,
    sa.Column("request_id", sa.Uuid, nullable=False),
    sa.Column("n", sa.Integer, nullable=False),
    sa.Column("person", sa.Text, nullable=False),
    sa.Column("act", sa.LargeBinary, nullable=False),
    created_at(),
    sa.PrimaryKeyConstraint("request_id", "n"),
)

# What the key release opened by requests, each look and record once: its own count, which the API can't write.
released_uses = sa.Table(
    "released_uses",
    metadata,
    sa.Column("request_id", sa.Uuid, nullable=False),
    sa.Column("log_id", sa.BigInteger, nullable=False),
    sa.Column("commit_id", sa.BigInteger, nullable=False),
    sa.Column("leaf", sa.Integer, nullable=False),
    sa.Column("record_id", sa.Uuid, nullable=False),
    sa.PrimaryKeyConstraint("request_id", "log_id", "commit_id", "leaf", "record_id"),
)

# Logins to the console; of a login's secret only the digest is kept.
console_sessions = sa.Table(
    "console_sessions",
    metadata,
    sa.Column("digest", sa.LargeBinary, primary_key=True),
    sa.Column("key_id", sa.Text),
    sa.Column("issuer", sa.Text),
    sa.Column("subject", sa.Text),
    sa.Column("certificate", sa.Text),
    sa.Column("created", sa.TIMESTAMP(timezone=True), nullable=False),
    sa.Column("ends", sa.TIMESTAMP(timezone=True), nullable=False, index=True),
    sa.Column("ended_at", sa.TIMESTAMP(timezone=True)),
    sa.Column("mac", sa.LargeBinary, nullable=False),
)

# A row for each change of any of these.
access_changes = sa.Table(
    "access_changes",
    metadata,
    sa.Column("revision", sa.BigInteger, sa.Identity(), primary_key=True),
    created_at(),
)
