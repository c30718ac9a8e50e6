"""`sealstream topics`: the topics that the platform reads and writes, and how far it has read them."""

from typing import Annotated

import typer

app = typer.Typer(help="Kafka topics.", no_args_is_help=True, rich_markup_mode=None)

Json = Annotated[bool, typer.Option("--json", help="One object a line")]


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


@app.command()
def progress(
    topics: Annotated[list[str] | None, typer.Argument(help="All inbound topics, unless some are named")] = None,
    json: Json = False,
) -> None:
    """Show where each partition is read on and what the broker holds; exit 1 if one must not be read on there."""
    import asyncio

    from sealstream.attachment import attached_settings
    from sealstream.cli.output import emit
    from sealstream.running.topic_progress import show_progress

    refused = False
    for each in asyncio.run(show_progress(attached_settings(), topics or [])):
        stored, holding = each.stored, each.holding
        emit(
            {
                "topic": each.tp.topic,
                "partition": each.tp.partition,
                "state": each.refusal.why if each.refusal else "read on" if stored else "not read yet",
                "position": stored.offset if stored else None,
                "era": stored.era if stored else None,
                "last": stored.mark.last_offset if stored else None,
                "epoch": stored.mark.leader_epoch if stored else None,
                "topic_id": stored.mark.topic_id if stored else None,
                "held_from": holding.start if holding else None,
                "held_to": holding.end if holding else None,
                "held_topic_id": holding.topic_id if holding else None,
            },
            json,
        )
        if each.refusal is not None:
            refused = True
            typer.echo(str(each.refusal), err=True)
    if refused:
        raise typer.Exit(1)


@app.command()
def resume(
    topic: str,
    partition: Annotated[int, typer.Option(min=0, help="Which one")],
    at: Annotated[str, typer.Option(help="`beginning`, `end`, or an offset that the broker holds")],
    reason: Annotated[str, typer.Option(help="For the auditor; sealed beside the leaf")],
    json: Json = False,
) -> None:
    """Read a partition on elsewhere. Running workers follow within seconds; the move is a leaf of the platform's log.

    Records that were read before are told by their ids: reading them again makes notes, not results.
    """
    import asyncio

    from sealstream.attachment import attached_settings
    from sealstream.cli.output import emit
    from sealstream.running.topic_progress import resume as move

    before, now = asyncio.run(move(attached_settings(), topic, partition, at, reason))
    emit({"topic": topic, "partition": partition, "before": before, "position": now}, json)
