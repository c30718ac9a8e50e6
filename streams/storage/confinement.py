"""Whether row-level security confines a login, whatever role its connection has taken (streams.storage.database)."""

from streams.storage.database import Connection


async def passes_the_wall(connection: Connection) -> bool:
    """Whether the login could see all rows if it gave up its role: it owns the tables, or is above such rules."""
    found: bool = await connection.fetchval(
        """
        SELECT r.rolsuper OR r.rolbypassrls OR pg_has_role(session_user, c.relowner, 'MEMBER')
        FROM pg_roles r, pg_class c WHERE r.rolname = session_user AND c.oid = 'results'::regclass
        """
    )
    return found
