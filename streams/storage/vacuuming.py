"""What the server's vacuum is relied on for: it adds new rows to block-range indexes, by which audits find commits."""

from typing import Final

from streams.storage.database import Connection

SUMMARIZED: Final = "autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 100000"
"""Storage parameters of such a table: vacuumed for every so many new rows, however many there are."""


async def not_vacuumed(connection: Connection) -> list[str]:
    """Tables with a block-range index that the server does not vacuum by itself, by name."""
    rows = await connection.fetch(
        """
        SELECT DISTINCT t.relname FROM pg_index x JOIN pg_class t ON t.oid = x.indrelid
        JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_am a ON a.oid = i.relam
        WHERE a.amname = 'brin' AND t.relkind = 'r' AND t.relnamespace = current_schema()::regnamespace
            AND NOT (current_setting('autovacuum')::bool AND coalesce((
                SELECT o.option_value::bool FROM pg_options_to_table(t.reloptions) AS o
                WHERE o.option_name = 'autovacuum_enabled'), true))
        ORDER BY 1
        """
    )
    return [row["relname"] for row in rows]
