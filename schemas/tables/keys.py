"""Tables of keys and of the field catalogue. No secret stands here unwrapped."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from schemas.tables.base import created_at, metadata

signing_keys = sa.Table(
    "signing_keys",
    metadata,
    sa.Column("key_id", sa.Text, primary_key=True),
    sa.Column("jwk", JSONB, nullable=False),
    sa.Column("tenant", sa.Text, nullable=False),
    sa.Column("domain", sa.Text, nullable=False),
    sa.Column("sources", sa.ARRAY(sa.Text), nullable=False),
    sa.Column("not_before", sa.TIMESTAMP(timezone=True)),
    sa.Column("not_after", sa.TIMESTAMP(timezone=True)),
    sa.Column("revoked_at", sa.TIMESTAMP(timezone=True)),
    # SHA-256 of the certificates that the key was imported with: its own first, the trust anchor last.
    sa.Column("chain", sa.ARRAY(sa.LargeBinary)),
    # The endpoint whose JWK Set it came from.
    sa.Column("subscription", sa.Text),
    created_at(),
)

key_subscriptions = sa.Table(
    "key_subscriptions",
    metadata,
    sa.Column("url", sa.Text, primary_key=True),
    sa.Column("tenant", sa.Text, nullable=False),
    sa.Column("domain", sa.Text, nullable=False),
    sa.Column("sources", sa.ARRAY(sa.Text), nullable=False),
    sa.Column("pins", sa.ARRAY(sa.Text), nullable=False),
    sa.Column("ca", sa.Text),
    sa.Column("every", sa.Interval, nullable=False),
    sa.Column("keep", sa.Interval, nullable=False),
    sa.Column("mac", sa.LargeBinary, nullable=False),
    sa.Column("etag", sa.Text),
    sa.Column("good_at", sa.TIMESTAMP(timezone=True), nullable=False),
    sa.Column("next_at", sa.TIMESTAMP(timezone=True), nullable=False),
    sa.Column("fault", sa.Text),
    created_at(),
)

certificates = sa.Table(
    "certificates",
    metadata,
    sa.Column("digest", sa.LargeBinary, primary_key=True),
    sa.Column("der", sa.LargeBinary, nullable=False),
    created_at(),
)

# Insert-only: what was accepted is shown with the list of its time. The newest of a scope is the one that is held.
revocation_lists = sa.Table(
    "revocation_lists",
    metadata,
    sa.Column("digest", sa.LargeBinary, primary_key=True),
    sa.Column("scope", sa.LargeBinary, nullable=False),
    sa.Column("issuer", sa.Text, nullable=False),
    sa.Column("this_update", sa.TIMESTAMP(timezone=True), nullable=False),
    sa.Column("next_update", sa.TIMESTAMP(timezone=True), nullable=False),
    sa.Column("der", sa.LargeBinary, nullable=False),
    created_at(),
)
sa.Index("revocation_lists_scope_idx", revocation_lists.c.scope, revocation_lists.c.created_at)

# Insert-only: what was accepted under a former policy is judged by it.
source_policies = sa.Table(
    "source_policies",
    metadata,
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("since", sa.TIMESTAMP(timezone=True), nullable=False),
    sa.Column("tenant", sa.Text, nullable=False),
    sa.Column("signatures", sa.SmallInteger, nullable=False),
    sa.Column("algorithms", sa.ARRAY(sa.Text), nullable=False),
    sa.Column("max_age", sa.Interval),
    sa.Column("max_ahead", sa.Interval),
    sa.Column("expiry", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.PrimaryKeyConstraint("source", "since"),
)

# A row for each change of keys or policies.
registry_changes = sa.Table(
    "registry_changes",
    metadata,
    sa.Column("revision", sa.BigInteger, sa.Identity(), primary_key=True),
    created_at(),
)

tier_keys = sa.Table(
    "tier_keys",
    metadata,
    sa.Column("tenant", sa.Text, nullable=False),
    sa.Column("domain", sa.Text, nullable=False),
    sa.Column("tier", sa.SmallInteger, nullable=False),
    sa.Column("epoch", sa.Integer, nullable=False),
    sa.Column("key_id", sa.Text, nullable=False, unique=True),
    sa.Column("kek_id", sa.Text, nullable=False),
    # Empty once shredded: the row stays, so that what it sealed is known to be shredded.
    sa.Column("wrapped", sa.LargeBinary, nullable=False),
    created_at(),
    sa.Column("shredded_at", sa.TIMESTAMP(timezone=True)),
    # What the key seals with. Its wrapping is bound to it: changed here alone, the key does not open.
    sa.Column("suite", sa.Text, nullable=False, server_default="aes-256-gcm"),
    sa.PrimaryKeyConstraint("tenant", "domain", "tier", "epoch"),
)

# How far sealing a domain anew has come: commits up to after_commit are done, of those up to end_commit. `target` names
# the tier keys that seal now.
reseals = sa.Table(
    "reseals",
    metadata,
    sa.Column("tenant", sa.Text, nullable=False),
    sa.Column("domain", sa.Text, nullable=False),
    sa.Column("target", sa.Text, nullable=False),
    sa.Column("after_commit", sa.BigInteger, nullable=False),
    sa.Column("end_commit", sa.BigInteger, nullable=False),
    sa.Column("sealed_rows", sa.BigInteger, nullable=False),
    sa.PrimaryKeyConstraint("tenant", "domain", "target"),
)

# Rotations of the keys of blind terms; a tenant's field without one has version 0. Results up to (after_commit,
# after_leaf) have new terms, of those up to end_commit.
index_keys = sa.Table(
    "index_keys",
    metadata,
    sa.Column("tenant", sa.Text, nullable=False),
    sa.Column("field", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("after_commit", sa.BigInteger, nullable=False, server_default="-1"),
    sa.Column("after_leaf", sa.Integer, nullable=False, server_default="-1"),
    sa.Column("end_commit", sa.BigInteger, nullable=False),
    sa.Column("exchanged", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("finished", sa.Boolean, nullable=False, server_default=sa.false()),
    created_at(),
    sa.PrimaryKeyConstraint("tenant", "field", "version"),
)

data_keys = sa.Table(
    "data_keys",
    metadata,
    sa.Column("pass_id", sa.BigInteger, nullable=False),
    sa.Column("tenant", sa.Text, nullable=False),
    sa.Column("domain", sa.Text, nullable=False),
    sa.Column("tier", sa.SmallInteger, nullable=False),
    sa.Column("tier_key_id", sa.Text, nullable=False),
    sa.Column("wrapped", sa.LargeBinary, nullable=False),
    sa.PrimaryKeyConstraint("pass_id", "domain", "tier"),
)

# Registered kinds of records; what has an entry in force is kept by it, and by catalogue_fields otherwise.
catalogue_versions = sa.Table(
    "catalogue_versions",
    metadata,
    sa.Column("tenant", sa.Text, nullable=False),
    sa.Column("record_type", sa.Text, nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("based_on", sa.BigInteger, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("proposer", sa.Text, nullable=False),
    sa.Column("adopter", sa.Text),
    sa.Column("mac", sa.LargeBinary),
    created_at(),
    sa.PrimaryKeyConstraint("tenant", "record_type", "version"),
)

catalogue_fields = sa.Table(
    "catalogue_fields",
    metadata,
    sa.Column("tenant", sa.Text, nullable=False),
    sa.Column("record_type", sa.Text, nullable=False),
    sa.Column("field", sa.Text, nullable=False),
    sa.Column("domain", sa.Text),
    sa.Column("tier", sa.SmallInteger, nullable=False),
    sa.Column("search", sa.Text),
    created_at(),
    sa.PrimaryKeyConstraint("tenant", "record_type", "field"),
    sa.CheckConstraint("tier BETWEEN 1 AND 5", name="tier_range"),
    sa.CheckConstraint("search IS NULL OR tier < 4", name="no_search_at_tier_4"),
)
