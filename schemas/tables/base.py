"""What every table shares: one metadata, naming rules, and column types that repeat."""

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.types import UserDefinedType

metadata = sa.MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "ck": "%(table_name)s_%(constraint_name)s_check",
    }
)


class _Named(UserDefinedType[str]):
    """A PostgreSQL type that SQLAlchemy doesn't know by name."""

    cache_ok = True

    def __init__(self, name: str) -> None:
        self.name = name

    def get_col_spec(self, **_: object) -> str:
        return self.name


XID8 = _Named("xid8")
PG_SNAPSHOT = _Named("pg_snapshot")


def created_at() -> sa.Column[dt.datetime]:
    """When the row was written, by the database's clock at that statement, not at the transaction's start."""
    return sa.Column(
        "created_at", sa.TIMESTAMP(timezone=True), nullable=False, server_default=sa.text("clock_timestamp()")
    )


def by_commit(name: str) -> sa.Index:
    """A block-range index for audits, which go commit by commit; rows come in that order, so it costs next to none."""
    return sa.Index(name, "commit_id", postgresql_using="brin", postgresql_with={"pages_per_range": 32})
