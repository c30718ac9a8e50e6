"""`sealstream reviews`: records that a model left to a person, and deciding them."""

from typing import Annotated
from uuid import UUID

import typer

app = typer.Typer(help="Records that a model left to a person.", no_args_is_help=True, rich_markup_mode=None)

Tier = Annotated[int, typer.Option(min=1, max=5, help="Fields above it stay sealed; their key is never unwrapped")]
Json = Annotated[bool, typer.Option("--json", help="One object a line")]


@app.command("list")
def list_open(
    tier: Tier = 2,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 20,
    tenant: Annotated[str | None, typer.Option(help="Only this tenant's")] = None,
    json: Json = False,
) -> None:
    """List what nobody has decided yet, the oldest first."""
    from sealstream.cli.output import emit
    from sealstream.cli.reader import with_reader
    from sealstream.cli.records import shown_fields

    for view in with_reader(tier, lambda reader: reader.to_review(tenant=tenant, limit=limit)):
        row = view.stored
        emit(
            {
                "record": row.record_id,
                "tenant": row.tenant,
                "type": row.type,
                "time": row.created_at,
                "fields": shown_fields(view.fields),
            },
            json,
        )


@app.command()
def show(record: UUID, tier: Tier = 3, json: Json = False) -> None:
    """Show what was decided about a record, the first decision first; exit 1 when nothing was."""
    from sealstream.cli.output import emit
    from sealstream.cli.reader import with_reader
    from sealstream.cli.records import shown_fields, shown_review

    found = [view for view in with_reader(tier, lambda reader: reader.show(record)) if view.stored.record_id == record]
    for view in found:
        decided = shown_fields(view.fields).get("label")
        for each in view.reviews:
            emit({"record": record, "model_label": decided, **shown_review(each)}, json)
    if not any(view.reviews for view in found):
        typer.echo(f"nobody has decided a record with the id {record}", err=True)
        raise typer.Exit(1)


@app.command()
def decide(
    record: UUID,
    label: Annotated[str, typer.Argument(help="One of the model's labels")],
    reason: Annotated[str, typer.Option(help="For later readers and the auditor; sealed beside the label")],
    tier: Annotated[
        int, typer.Option(min=3, max=5, help="At which the record is read first, and the reason sealed")
    ] = 3,
    actor: Annotated[str | None, typer.Option(help="Who decides, for the log; by default who runs the command")] = None,
    json: Json = False,
) -> None:
    """Decide a record, or decide it again: the last decision counts, and every one of them stays in the log."""
    import asyncio

    from agents.erasing import erase_again
    from agents.platform import load_knowledge
    from agents.reading import Reader
    from agents.reviewing import Review, Reviewer
    from sealstream.attachment import attached_settings
    from sealstream.cli.output import emit
    from sealstream.review_labels import KnownLabels
    from sealstream.wiring import connected, open_identity

    async def run() -> Review:
        settings = attached_settings()
        identity = open_identity(settings)
        async with connected(settings, "review", connections=2) as database:
            async with database.session() as connection:
                await erase_again(connection)
            knowledge = await load_knowledge(database, identity, max_tier=tier)
            reader = Reader(database, identity, knowledge, identity.new_worker(), tier=tier, actor=actor)
            labels = KnownLabels(knowledge.models)
            reviewer = Reviewer(database, identity, knowledge, reader, tier=tier, labels=labels, actor=actor)
            return await reviewer.decide(record, label, reason)

    done = asyncio.run(run())
    emit(
        {"record": done.record_id, "review": done.name, "number": done.number, "supersedes": done.supersedes},
        json,
    )
