"""The tables, one module for each concern. Queries are in streams.storage; changes over time in migrations."""

from schemas.tables import access, keys, log, models, records
from schemas.tables.base import metadata

__all__ = ["access", "keys", "log", "metadata", "models", "records"]
