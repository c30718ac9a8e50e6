"""`sealstream records`: read results at a tier, erase them. A look is a leaf of the log before anything is shown."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Final
from uuid import UUID

import typer

if TYPE_CHECKING:
    from agents.reading import Reader, RecordView, ReviewView
    from security.sealing import OpenedField

app = typer.Typer(help="Results, at a tier.", no_args_is_help=True, rich_markup_mode=None)

Tier = Annotated[int, typer.Option(min=1, max=5, help="Fields above it stay sealed; their key is never unwrapped")]
Domain = Annotated[
    list[str] | None,
    typer.Option(
        "--domain", metavar="TENANT/DOMAIN", help="Only these; no key of another domain reaches the process. Repeatable"
    ),
]
Limit = Annotated[int, typer.Option(min=1, max=1000)]
_ERASED: Final = {"label": "<erased>", "reason": "<erased>"}

Json = Annotated[bool, typer.Option("--json", help="One object a line")]


@app.command("list")
def list_records(
    tier: Tier = 1,
    limit: Limit = 20,
    tenant: Annotated[str | None, typer.Option(help="Only this tenant's")] = None,
    domain: Domain = None,
    json: Json = False,
) -> None:
    """List the newest records."""
    _print(tier, domain, lambda reader: reader.list(tenant=tenant, limit=limit), json)


@app.command()
def show(record: UUID, tier: Tier = 1, domain: Domain = None, json: Json = False) -> None:
    """Show one record, or all records of one message."""
    if not _print(tier, domain, lambda reader: reader.show(record), json):
        typer.echo(f"no record or message has the id {record}", err=True)
        raise typer.Exit(1)


@app.command()
def search(
    field: str, value: str, tier: Tier = 1, limit: Limit = 20, domain: Domain = None, json: Json = False
) -> None:
    """Find records whose searchable field has exactly this value."""
    if not _print(tier, domain, lambda reader: reader.search(field, value, limit=limit), json):
        raise typer.Exit(1)


@app.command()
def erase(
    record: Annotated[UUID, typer.Argument(help="A record, a message with all its records, or a dead letter")],
    reason: Annotated[str, typer.Option(help="For the auditor; sealed beside the leaf")],
    actor: Annotated[str | None, typer.Option(help="Who erases, for the log; by default who runs the command")] = None,
    json: Json = False,
) -> None:
    """Delete a record's fields, blind terms and its message's own bytes; the log says so and still verifies."""
    import asyncio

    from agents.erasing import Eraser, Erasure
    from agents.platform import load_knowledge
    from sealstream.attachment import attached_settings
    from sealstream.cli.output import emit
    from sealstream.wiring import connected, open_identity

    async def run() -> Erasure:
        settings = attached_settings()
        identity = open_identity(settings)
        async with connected(settings, "erase", connections=2) as database:
            knowledge = await load_knowledge(database, identity, max_tier=0)
            return await Eraser(database, identity, knowledge, actor=actor).erase(record, reason)

    done = asyncio.run(run())
    emit(
        {
            "message": done.message_id,
            "record": done.record_id,
            "messages_erased": done.messages,
            "records_erased": done.records,
        },
        json,
    )


def _print(
    tier: int, domains: list[str] | None, read: "Callable[[Reader], Awaitable[Sequence[RecordView]]]", as_json: bool
) -> bool:
    from sealstream.cli.output import emit
    from sealstream.cli.reader import with_reader

    views = with_reader(tier, read, None if domains is None else [_owner(each) for each in domains])
    for view in views:
        row = view.stored
        emit(
            {
                "record": row.record_id,
                "message": row.message_id,
                "tenant": row.tenant,
                "type": row.type,
                "outcome": row.outcome,
                "note": row.note,
                "linked": row.linked,
                "fields": shown_fields(view.fields),
                **({"reviews": [shown_review(each) for each in view.reviews]} if view.reviews else {}),
            },
            as_json,
        )
    return bool(views)


def _owner(text: str) -> tuple[str, str]:
    tenant, _, domain = text.partition("/")
    if not (tenant and domain):
        raise typer.BadParameter("a tenant, a slash and a domain, as in bank-a/payments", param_hint="--domain")
    return tenant, domain


def shown_review(view: "ReviewView") -> dict[str, object]:
    """A person's decision; the last one of a record counts."""
    return {"number": view.stored.n, "time": view.stored.created_at, **(shown_fields(view.fields) or _ERASED)}


def shown_fields(fields: "Mapping[str, OpenedField]") -> dict[str, str]:
    """Field name to its value, or to its state where it is not open."""
    return {
        name: opened.value.decode("utf-8", "replace") if opened.value is not None else f"<{opened.state}>"
        for name, opened in sorted(fields.items())
    }
