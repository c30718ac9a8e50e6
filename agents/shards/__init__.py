"""Closing a shard of a log, and holding closed ones outside the database."""
