"""`sealstream up`, `migrate`, `doctor`: running and looking after an installation."""

from typing import Annotated

import typer


def attach(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("up")(up)
    app.command("migrate")(migrate)
    app.command("doctor")(doctor)


def up(workers: Annotated[int, typer.Option(min=1, max=64, help="Intake processes")] = 1) -> None:
    """Run everything until Ctrl-C or SIGTERM; servers that the settings don't name are embedded."""
    import uvloop

    from sealstream.logs import configure_logs
    from sealstream.running.staying_up import stay_up
    from sealstream.settings import load_settings

    settings = load_settings()
    configure_logs(settings.log_level, json=settings.json_logs, role="supervisor", group=settings.group)
    uvloop.run(stay_up(settings, workers, typer.echo))


def migrate() -> None:
    """Bring the database to this program's schema, and seed the field catalogue."""
    import asyncio

    from schemas.catalogue import DEFAULT_CATALOGUE
    from sealstream.settings import load_settings
    from sealstream.wiring import open_database, required_dsn
    from streams.storage.catalogue import seed_catalogue
    from streams.storage.migrate import migrate as apply

    async def run() -> None:
        settings = load_settings()
        await apply(required_dsn(settings))
        async with open_database(settings, "migrate") as database, database.session() as connection:
            await seed_catalogue(connection, DEFAULT_CATALOGUE)

    asyncio.run(run())
    typer.echo("the database is at this program's revision")


def doctor(json: Annotated[bool, typer.Option("--json", help="One object a line")] = False) -> None:
    """Show the settings in force, secrets masked, and whether broker and database answer; exit 1 if one does not."""
    import asyncio

    from sealstream.attachment import attached_settings
    from sealstream.cli.output import emit
    from sealstream.running.checkup import check_up

    checks = asyncio.run(check_up(attached_settings()))
    for check in checks:
        emit({"check": check.name, "ok": check.ok, "what": check.what}, json)
    if not all(check.ok for check in checks):
        raise typer.Exit(1)
