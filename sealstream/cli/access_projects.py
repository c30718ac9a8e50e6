"""`sealstream access projects`: names for a tenant's records read for one purpose, which API keys are bound to."""

import re
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from streams.storage.projects import ProjectRow

app = typer.Typer(help="Projects, which API keys are bound to.", no_args_is_help=True, rich_markup_mode=None)

_PROJECT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_WORD = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


@app.command()
def add(
    project: Annotated[str, typer.Argument(help="Its name, as in an address")],
    tenant: Annotated[str, typer.Option(help="Whose records they are")],
    purpose: Annotated[str, typer.Option(help="What they are read for; policies decide by it")],
) -> None:
    """Name a project. It opens nothing by itself: who reads it sees what policies let them see."""
    import asyncio

    from sealstream.people.access import access_parts
    from streams.storage.projects import ProjectRow, insert_project

    if not (_PROJECT.fullmatch(project) and _WORD.fullmatch(tenant) and _WORD.fullmatch(purpose)):
        raise typer.BadParameter("names are letters, digits and . _ -; tenant and purpose in small letters")

    async def run() -> None:
        async with access_parts() as parts, parts.database.session() as connection:
            await insert_project(connection, ProjectRow(project, tenant, purpose))

    asyncio.run(run())
    typer.echo(f"{project}: {tenant} for {purpose}")


@app.command("list")
def list_projects(json: Annotated[bool, typer.Option("--json", help="One object a line")] = False) -> None:
    """List projects."""
    import asyncio

    from sealstream.cli.output import emit
    from sealstream.people.access import access_parts
    from streams.storage import projects

    async def run() -> "list[ProjectRow]":
        async with access_parts() as parts, parts.database.session() as connection:
            return await projects.list_projects(connection)

    for each in asyncio.run(run()):
        emit({"project": each.project, "tenant": each.tenant, "purpose": each.purpose}, json)


@app.command()
def remove(project: str) -> None:
    """Remove a project; API keys that are bound to it alone are good for nothing then."""
    import asyncio

    from schemas.errors import ConfigurationError
    from sealstream.people.access import access_parts
    from streams.storage.projects import delete_project

    async def run() -> bool:
        async with access_parts() as parts, parts.database.session() as connection:
            return await delete_project(connection, project)

    if not asyncio.run(run()):
        raise ConfigurationError(f"there is no project {project!r}; `sealstream access projects list` lists them")
    typer.echo(f"{project} is no project any more")
