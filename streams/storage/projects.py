"""Projects: names for a tenant's records read for one purpose. Who may read them is decided as for any look."""

from dataclasses import dataclass

from schemas.errors import ConfigurationError
from streams.storage.database import Connection


@dataclass(frozen=True, slots=True)
class ProjectRow:
    """A project as stored."""

    project: str
    tenant: str
    purpose: str


async def find_project(connection: Connection, project: str) -> ProjectRow | None:
    """One project."""
    row = await connection.fetchrow("SELECT project, tenant, purpose FROM api_projects WHERE project = $1", project)
    return ProjectRow(**row) if row is not None else None


async def list_projects(connection: Connection) -> list[ProjectRow]:
    """All projects."""
    rows = await connection.fetch("SELECT project, tenant, purpose FROM api_projects ORDER BY project")
    return [ProjectRow(**row) for row in rows]


async def insert_project(connection: Connection, row: ProjectRow) -> None:
    """Add a project.

    Raises:
        ConfigurationError: There is one of that name.
    """
    done = await connection.execute(
        "INSERT INTO api_projects (project, tenant, purpose) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        row.project,
        row.tenant,
        row.purpose,
    )
    if done != "INSERT 0 1":
        raise ConfigurationError(f"there is a project {row.project!r}; remove it first, or choose another name")


async def delete_project(connection: Connection, project: str) -> bool:
    """Remove a project; False when there is none."""
    done = await connection.execute("DELETE FROM api_projects WHERE project = $1", project)
    return bool(done == "DELETE 1")
