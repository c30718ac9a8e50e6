"""`sealstream topics`: create the topics that the platform reads and writes."""

import typer

app = typer.Typer(help="Kafka topics.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def topics() -> None:
    """Keep `create` a command of its own: with a single one Typer would drop its name."""


@app.command()
def create() -> None:
    """Create the inbound topics, and the outgoing ones of every tenant that has a log."""
    import asyncio

    from sealstream.attachment import attached_settings
    from sealstream.wiring import connected, create_all_topics
    from streams.storage.sequencing import list_logs

    async def run() -> list[str]:
        settings = attached_settings()
        async with connected(settings, "topics") as database, database.session() as connection:
            tenants = [row.tenant for row in await list_logs(connection)]
        return await create_all_topics(settings, tenants)

    for name in asyncio.run(run()):
        typer.echo(name)
