"""`sealstream records`: read results at a tier, erase them. A look is a leaf of the log before anything is shown."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Final
from uuid import UUID

import typer

from sealstream.cli.reader import As, Purpose, Tier

if TYPE_CHECKING:
    from agents.desk import Desk
    from agents.reading import Reader, RecordView, ReviewView
    from agents.seen import SeenField, SeenRecord
    from sealstream.principals import Acting, Said
    from security.sealing import OpenedField

app = typer.Typer(help="Results, as their reader may see them.", no_args_is_help=True, rich_markup_mode=None)

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
    tier: Tier = None,
    limit: Limit = 20,
    tenant: Annotated[str | None, typer.Option(help="Only this tenant's")] = None,
    domain: Domain = None,
    person: As = None,
    purpose: Purpose = None,
    json: Json = False,
) -> None:
    """List the newest records."""

    async def by_right(desk: "Desk", by: "Acting") -> "Sequence[SeenRecord]":
        return (await desk.list(by.who, by.purpose, tenant=tenant, limit=limit)).records

    _print(_said(person, purpose, tier), domain, lambda reader: reader.list(tenant=tenant, limit=limit), by_right, json)


@app.command()
def show(
    record: UUID,
    tier: Tier = None,
    domain: Domain = None,
    person: As = None,
    purpose: Purpose = None,
    json: Json = False,
) -> None:
    """Show one record, or all records of one message."""

    async def by_right(desk: "Desk", by: "Acting") -> "Sequence[SeenRecord]":
        return await desk.show(by.who, by.purpose, record)

    if not _print(_said(person, purpose, tier), domain, lambda reader: reader.show(record), by_right, json):
        typer.echo(f"no record or message has the id {record}", err=True)
        raise typer.Exit(1)


@app.command()
def search(
    field: str,
    value: str,
    tier: Tier = None,
    limit: Limit = 20,
    domain: Domain = None,
    person: As = None,
    purpose: Purpose = None,
    json: Json = False,
) -> None:
    """Find records whose searchable field has exactly this value."""

    async def by_right(desk: "Desk", by: "Acting") -> "Sequence[SeenRecord]":
        return await desk.search(by.who, by.purpose, field, value, limit=limit)

    said = _said(person, purpose, tier)
    if not _print(said, domain, lambda reader: reader.search(field, value, limit=limit), by_right, json):
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


def _said(person: str | None, purpose: str | None, tier: int | None) -> "Said":
    from sealstream.principals import Said

    return Said(person, purpose, tier)


def _print(
    said: "Said",
    domains: list[str] | None,
    at_tier: "Callable[[Reader], Awaitable[Sequence[RecordView]]]",
    by_right: "Callable[[Desk, Acting], Awaitable[Sequence[SeenRecord]]]",
    as_json: bool,
) -> bool:
    from sealstream.cli.output import emit
    from sealstream.cli.reader import read_by

    async def shown_at_tier(reader: "Reader") -> list[dict[str, object]]:
        return [_shown_view(view) for view in await at_tier(reader)]

    async def shown_by_right(desk: "Desk", by: "Acting") -> list[dict[str, object]]:
        return [_shown_record(record, as_json) for record in await by_right(desk, by)]

    rows = read_by(said, shown_at_tier, shown_by_right, None if domains is None else [_owner(each) for each in domains])
    for row in rows:
        emit(row, as_json)
    return bool(rows)


def _shown_view(view: "RecordView") -> dict[str, object]:
    row = view.stored
    return {
        "record": row.record_id,
        "message": row.message_id,
        "tenant": row.tenant,
        "type": row.type,
        "outcome": row.outcome,
        "note": row.note,
        "linked": row.linked,
        "fields": shown_fields(view.fields),
        **({"reviews": [shown_review(each) for each in view.reviews]} if view.reviews else {}),
    }


def _shown_record(seen: "SeenRecord", as_json: bool) -> dict[str, object]:
    """A record by right; programs are told each field's state, and people see it by its value."""

    def fields(found: "Mapping[str, SeenField]") -> dict[str, object]:
        if as_json:
            return {
                name: {"state": str(each.state), "tier": each.tier, "value": each.value} for name, each in found.items()
            }
        return {name: each.value if each.value is not None else f"<{each.state}>" for name, each in found.items()}

    reviews = [{"number": each.number, "time": each.time, "fields": fields(each.fields)} for each in seen.reviews]
    return {
        "record": seen.record,
        "message": seen.message,
        "tenant": seen.tenant,
        "domain": seen.domain,
        "type": seen.type,
        "kind": seen.kind,
        "source": seen.source,
        "outcome": seen.outcome,
        "note": seen.note,
        "linked": seen.linked,
        "fields": fields(seen.fields),
        **({"reviews": reviews} if reviews else {}),
    }


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
