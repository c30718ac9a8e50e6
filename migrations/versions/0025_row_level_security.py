"""The API's role: which rows it sees, and what it may write (docs/decisions/0075).

The role is of the whole cluster, the rights are of this database. A table that a later migration makes gets its policy
and its grants there; a test goes through all tables.
"""

import sqlalchemy as sa
from alembic import op

from schemas.errors import StorageError

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

ROLE = "sealstream_api"

_REACH = "nullif(current_setting('sealstream.reach', true), '')::text[]"
# In a subquery of their own both are found out once for each statement.
_ALL = f"(SELECT '*' = ANY ({_REACH}))"
_SOME = f"(SELECT {_REACH} <> '{{}}')"
_TENANT = f"{_ALL} OR tenant = ANY ((SELECT {_REACH})::text[])"
_COMMON = f"{_TENANT} OR (tenant = '*' AND {_SOME})"
# The rows of logs and shards that are seen are those in reach: policies hold in a policy's own queries too.
_LOG = f"{_ALL} OR log_id = ANY (ARRAY(SELECT l.log_id FROM logs l))"  # noqa: S608 our own text
_TREES = "SELECT l.log_id FROM logs l UNION ALL SELECT s.tree_id FROM shards s"
_TREE = f"{_ALL} OR log_id = ANY (ARRAY({_TREES}))"

VISIBLE = {
    _TENANT: (
        "access_requests", "api_projects", "data_keys", "dead_letters", "deferred", "disclosures", "index_keys",
        "key_subscriptions", "logs", "messages", "people", "replays", "reseals", "results", "reviews", "signing_keys",
        "source_policies", "tier_keys",
    ),
    _COMMON: ("catalogue_fields", "catalogue_versions"),
    _LOG: (
        "bundles", "commits", "dropped_shards", "entry_keys", "erasures", "placements", "recovered_leaves",
        "recoveries", "sequence_arrivals", "sequence_gaps", "sequence_heads", "shards", "terms",
    ),
    _TREE: (
        "checkpoints", "cosignatures", "log_state", "log_steps", "relay_steps", "tiles", "timestamps", "witness_states",
    ),
    # No tenant's: keys of workers, models, the numbers of changes.
    _SOME: (
        "access_changes", "access_policies", "certificates", "models", "registry_changes", "revocation_lists",
        "worker_keys",
    ),
    # Of all tenants together, without their names: for the platform's own work.
    _ALL: ("access_acts", "api_keys", "api_writes", "identities", "model_comparisons", "watermark_steps"),
}  # fmt: skip

UNREAD = frozenset(
    {
        "key_subscriptions", "log_state", "reseals", "sequence_gaps",
        "sequence_heads", "watermark_steps", "witness_states",
    }
)  # fmt: skip
"""What the API has no right to read at all."""

GRANTS = {
    # What a commit writes, and what it claims.
    "INSERT": (
        "bundles", "commits", "data_keys", "dead_letters", "deferred", "disclosures", "entry_keys", "identities",
        "messages", "replays", "results", "reviews", "sequence_arrivals", "terms", "worker_keys",
        # A log and its keys, where the first of a tenant's begins here.
        "logs", "tier_keys",
        "access_acts", "access_changes", "access_requests", "api_writes",
        # Versions of policies and of the catalogue's entries, which two people sign.
        "access_policies", "catalogue_versions", "registry_changes",
    ),
    # What is adopted carries the platform's MAC, and a signed leaf says so.
    "UPDATE (adopter, mac)": ("access_policies", "catalogue_versions"),
    "UPDATE (used)": ("access_requests",),
    "UPDATE (status, body)": ("api_writes",),
    "DELETE": ("api_writes",),
}  # fmt: skip

_MAKE_ROLE = f"""
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{ROLE}') THEN
        CREATE ROLE {ROLE} NOLOGIN;
    END IF;
    -- Since version 16 whoever makes a role is a member that may not take it yet.
    IF NOT pg_has_role(current_user, '{ROLE}',
        CASE WHEN current_setting('server_version_num')::int < 160000 THEN 'MEMBER' ELSE 'SET' END) THEN
        EXECUTE format('GRANT {ROLE} TO %I', current_user);
    END IF;
EXCEPTION
    -- Another database of this cluster is migrated beside this one; or it is not ours to make.
    WHEN duplicate_object OR unique_violation OR insufficient_privilege THEN NULL;
END
$$
"""

_LOCK_RESULT = """
CREATE FUNCTION sealstream_lock_result(name uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$
BEGIN
    PERFORM FROM results WHERE record_id = name FOR UPDATE;
END
$$
"""

_REGISTER_KEY = """
CREATE FUNCTION sealstream_register_first_key(name text, jwk_ jsonb, key_ text, mac_ bytea) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$
BEGIN
    UPDATE people SET jwk = jwk_, key = key_, mac = mac_ WHERE person = name AND key IS NULL AND active;
    RETURN FOUND;
END
$$
"""

FUNCTIONS = ("sealstream_lock_result(uuid)", "sealstream_register_first_key(text, jsonb, text, bytea)")


def upgrade() -> None:
    # Twice: whom another migration overtook still has to become a member.
    for _ in range(2):
        op.execute(_MAKE_ROLE)
    if not op.get_bind().execute(sa.text(f"SELECT 1 FROM pg_roles WHERE rolname = '{ROLE}'")).first():  # noqa: S608 our own name
        raise StorageError(
            f"this login may not make the role that the API runs as; have a DBA run `CREATE ROLE {ROLE} NOLOGIN`, and "
            f"`GRANT {ROLE} TO <the login of the API>`, then migrate again"
        )
    for condition, tables in VISIBLE.items():
        for table in tables:
            op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
            op.execute(f"CREATE POLICY sealstream_api_reach ON {table} TO {ROLE} USING ({condition})")
            if table not in UNREAD:
                op.execute(f"GRANT SELECT ON {table} TO {ROLE}")
    for right, tables in GRANTS.items():
        op.execute(f"GRANT {right} ON {', '.join(tables)} TO {ROLE}")
    op.execute(f"GRANT SELECT ON alembic_version TO {ROLE}")
    op.execute(f"GRANT USAGE ON SEQUENCE commit_ids, pass_ids TO {ROLE}")
    schema = op.get_bind().execute(sa.text("SELECT quote_ident(current_schema())")).scalar()
    for function in (_LOCK_RESULT, _REGISTER_KEY):
        op.execute(function.format(schema=schema))
    for name in FUNCTIONS:
        op.execute(f"REVOKE ALL ON FUNCTION {name} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {name} TO {ROLE}")


def downgrade() -> None:
    for name in FUNCTIONS:
        op.execute(f"DROP FUNCTION {name}")
    op.execute(f"REVOKE ALL ON SEQUENCE commit_ids, pass_ids FROM {ROLE}")
    op.execute(f"REVOKE ALL ON alembic_version FROM {ROLE}")
    for tables in VISIBLE.values():
        for table in tables:
            op.execute(f"DROP POLICY sealstream_api_reach ON {table}")
            op.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
            op.execute(f"REVOKE ALL ON {table} FROM {ROLE}")
