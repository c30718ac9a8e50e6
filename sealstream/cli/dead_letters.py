"""`sealstream dead-letters`: what was refused, why, and where it came from."""

from typing import Annotated
from uuid import UUID

import typer

from schemas.reasons import Reason

app = typer.Typer(help="Rejected records.", no_args_is_help=True, rich_markup_mode=None)

Json = Annotated[bool, typer.Option("--json", help="One object a line")]


@app.command("list")
def list_letters(
    reason: Annotated[Reason | None, typer.Option(help="Only this reason")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 20,
    json: Json = False,
) -> None:
    """List dead letters, newest first."""
    from sealstream.cli.output import emit
    from sealstream.cli.reader import with_reader

    for letter in with_reader(1, lambda reader: reader.dead_letters(reason=reason, limit=limit)):
        emit(
            {
                "dead_letter": letter.dead_letter_id,
                "message": letter.message_id,
                "tenant": letter.tenant,
                "reason": letter.reason,
                "detail": letter.detail,
                "place": f"{letter.topic}/{letter.part}@{letter.kafka_offset}",
                "time": letter.created_at,
            },
            json,
        )


@app.command()
def show(
    dead_letter: UUID,
    tier: Annotated[int, typer.Option(min=1, max=5, help="A rejected message's bytes are tier 4")] = 1,
    json: Json = False,
) -> None:
    """Show one dead letter, with the message as received where the tier allows it."""
    from sealstream.cli.output import emit
    from sealstream.cli.reader import with_reader

    view = with_reader(tier, lambda reader: reader.show_dead_letter(dead_letter))
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
            "headers": dict(view.headers) if view.headers is not None else f"<{view.state}>",
            "value": view.value if view.headers is not None else f"<{view.state}>",
        },
        json,
    )
