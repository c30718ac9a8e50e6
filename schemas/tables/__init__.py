"""The tables, one module for each concern. Queries are in streams.storage; changes over time in migrations."""

from schemas.tables import keys, log, models, records
from schemas.tables.base import metadata

__all__ = ["keys", "log", "metadata", "models", "records"]
