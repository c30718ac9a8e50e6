"""`sealstream reviews`: records that a model left to a person, and deciding them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from sealstream.cli.reader import As, Purpose, Tier
from sealstream.cli.record_output import print_records, read_records

if TYPE_CHECKING:
    from agents.opening.seen import SeenRecord
    from agents.reading.desk import Desk
    from sealstream.people.principals import Acting, Said

app = typer.Typer(help="Records that a model left to a person.", no_args_is_help=True, rich_markup_mode=None)

Json = Annotated[bool, typer.Option("--json", help="One object a line")]


@app.command("list")
def list_open(
    tier: Tier = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 20,
    tenant: Annotated[str | None, typer.Option(help="Only this tenant's")] = None,
    person: As = None,
    purpose: Purpose = None,
    json: Json = False,
) -> None:
    """List what nobody has decided yet, the oldest first."""

    async def by_right(desk: "Desk", by: "Acting") -> "Sequence[SeenRecord]":
        return (await desk.to_review(by.who, by.purpose, tenant=tenant, limit=limit)).records

    said = _said(person, purpose, tier)
    print_records(said, None, lambda reader: reader.to_review(tenant=tenant, limit=limit), by_right, json)


@app.command()
def show(record: UUID, tier: Tier = None, person: As = None, purpose: Purpose = None, json: Json = False) -> None:
    """Show what was decided about a record, the first decision first; exit 1 when nothing was."""
    from sealstream.cli.output import emit

    async def by_right(desk: "Desk", by: "Acting") -> "Sequence[SeenRecord]":
        return await desk.show(by.who, by.purpose, record)

    said, found = _said(person, purpose, tier), False
    for row in read_records(said, None, lambda reader: reader.show(record), by_right, json):
        fields, reviews = row["fields"], row.get("reviews")
        if row["record"] != record or not isinstance(fields, dict) or not isinstance(reviews, list):
            continue
        for each in reviews:
            found = True
            emit({"record": record, "model_label": fields.get("label"), **each}, json)
    if not found:
        typer.echo(f"nobody has decided a record with the id {record}", err=True)
        raise typer.Exit(1)


@app.command()
def decide(
    record: UUID,
    label: Annotated[str, typer.Argument(help="One of the model's labels")],
    reason: Annotated[str, typer.Option(help="For later readers and the auditor; sealed beside the label")],
    tier: Tier = None,
    person: As = None,
    purpose: Purpose = None,
    json: Json = False,
) -> None:
    """Decide a record, or decide it again: the last decision counts, and every one of them stays in the log."""
    import asyncio

    from agents.reviews.considering import at_tier, by_right
    from agents.reviews.reviewing import Review, Reviewer
    from agents.upkeep.erasing import erase_again
    from sealstream.attachment import attached_settings
    from sealstream.cli.output import emit
    from sealstream.people.principals import open_readers
    from sealstream.review_labels import KnownLabels
    from sealstream.wiring import connected, open_identity

    async def run() -> Review:
        settings = attached_settings()
        identity = open_identity(settings)
        async with connected(settings, "review", connections=2) as database:
            async with database.session() as connection:
                await erase_again(connection)
            readers = await open_readers(settings, database, identity, _said(person, purpose, tier))
            by, knowledge = readers.acting, readers.knowledge
            consider = (
                at_tier(readers.reader, readers.tier) if by is None else by_right(readers.desk, by.who, by.purpose)
            )
            labels, actor = KnownLabels(knowledge.models), by.who.person if by is not None else None
            return await Reviewer(database, identity, knowledge, consider, labels=labels, actor=actor).decide(
                record, label, reason
            )

    done = asyncio.run(run())
    emit(
        {"record": done.record_id, "review": done.name, "number": done.number, "supersedes": done.supersedes},
        json,
    )


def _said(person: str | None, purpose: str | None, tier: int | None) -> "Said":
    from agents.reviews.considering import REVIEW_TIER
    from sealstream.people.principals import Said

    return Said(person, purpose, tier, default_tier=REVIEW_TIER)
