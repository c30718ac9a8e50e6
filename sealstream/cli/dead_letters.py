"""`sealstream dead-letters`: what was refused, why, where it came from; and taking it in again."""

from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from schemas.reasons import Reason
from sealstream.cli.reader import As, Purpose, Tier

if TYPE_CHECKING:
    from agents.opening.reading import DeadLetterView
    from agents.reading.desk import Desk
    from sealstream.people.principals import Acting

app = typer.Typer(help="Rejected records.", no_args_is_help=True, rich_markup_mode=None)

Json = Annotated[bool, typer.Option("--json", help="One object a line")]


@app.command("list")
def list_letters(
    reason: Annotated[Reason | None, typer.Option(help="Only this reason")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 20,
    json: Json = False,
) -> None:
    """List dead letters, newest first."""
    import asyncio

    from sealstream.attachment import attached_settings
    from sealstream.cli.output import emit
    from sealstream.wiring import connected
    from streams.storage.reading import StoredDeadLetter, list_dead_letters

    async def run() -> list[StoredDeadLetter]:
        async with connected(attached_settings(), "read") as database, database.session() as connection:
            return await list_dead_letters(connection, reason=reason, limit=limit)

    for letter in asyncio.run(run()):
        emit(
            {
                "dead_letter": letter.dead_letter_id,
                "message": letter.message_id,
                "tenant": letter.tenant,
                "reason": letter.reason,
                "detail": letter.detail,
                "place": f"{letter.topic}/{letter.part}@{letter.kafka_offset}",
                "time": letter.created_at,
                "replayed": letter.replayed,
            },
            json,
        )


@app.command()
def show(
    dead_letter: UUID,
    tier: Tier = None,
    person: As = None,
    purpose: Purpose = None,
    json: Json = False,
) -> None:
    """Show one dead letter, with the message as received where it may be seen: it is tier 4."""
    from sealstream.cli.output import emit
    from sealstream.cli.reader import read_by
    from sealstream.people.principals import Said

    async def by_right(desk: "Desk", by: "Acting") -> "DeadLetterView | None":
        from agents.reading.disclosing import Discloser

        return await Discloser(desk, by.who, by.purpose).show_dead_letter(dead_letter)

    said = Said(person, purpose, tier)
    view = read_by(said, lambda reader: reader.show_dead_letter(dead_letter), by_right)
    if view is None:
        typer.echo(f"no dead letter has the id {dead_letter}", err=True)
        raise typer.Exit(1)
    letter = view.stored
    emit(
        {
            "dead_letter": letter.dead_letter_id,
            "message": letter.message_id,
            "reason": letter.reason,
            "detail": letter.detail,
            "place": f"{letter.topic}/{letter.part}@{letter.kafka_offset}",
            "replayed": letter.replayed,
            # A list: a header that is there twice may be why the message was refused.
            "headers": [list(pair) for pair in view.headers] if view.headers is not None else f"<{view.state}>",
            "key": view.key,
            "value": view.value if view.headers is not None else f"<{view.state}>",
        },
        json,
    )


@app.command()
def replay(
    dead_letters: Annotated[list[UUID] | None, typer.Argument(help="Ids; or give a reason")] = None,
    reason: Annotated[Reason | None, typer.Option(help="Every open one of this reason, the oldest first")] = None,
    json: Json = False,
) -> None:
    """Take dead letters in again, under today's keys, catalogue, model and code; exit 1 unless all of them are in.

    A key counts if it did when the message was first received. What is refused again stays a dead letter.
    """
    if bool(dead_letters) == (reason is not None):
        raise typer.BadParameter("give ids of dead letters, or --reason")
    import asyncio

    from sealstream.cli.output import emit
    from sealstream.cli.replay import replayed

    async def run() -> bool:
        all_in = True
        async for each in replayed(dead_letters or [], reason):
            all_in &= each.ok
            if each.problem is not None:
                typer.echo(f"sealstream: {each.problem}", err=True)
                continue
            emit(
                {
                    "dead_letter": each.dead_letter,
                    "outcome": each.outcome,
                    "reason": each.reason,
                    "record": each.record,
                    "message": each.message,
                },
                json,
            )
        return all_in

    if not asyncio.run(run()):
        raise typer.Exit(1)
