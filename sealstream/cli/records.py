"""`sealstream records`: read results at a tier, erase them. A look is a leaf of the log before anything is shown."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from sealstream.cli.key_registration import SignsAs, SignsWith
from sealstream.cli.reader import As, Purpose, Tier
from sealstream.cli.record_output import print_records, said_of

if TYPE_CHECKING:
    from agents.opening.seen import SeenRecord
    from agents.reading.desk import Desk
    from sealstream.people.principals import Acting

app = typer.Typer(help="Results, as their reader may see them.", no_args_is_help=True, rich_markup_mode=None)

Domain = Annotated[
    list[str] | None,
    typer.Option(
        "--domain", metavar="TENANT/DOMAIN", help="Only these; no key of another domain reaches the process. Repeatable"
    ),
]
Limit = Annotated[int, typer.Option(min=1, max=1000)]

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

    print_records(
        said_of(person, purpose, tier),
        owners(domain),
        lambda reader: reader.list(tenant=tenant, limit=limit),
        by_right,
        json,
    )


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

    if not print_records(
        said_of(person, purpose, tier), owners(domain), lambda reader: reader.show(record), by_right, json
    ):
        typer.echo(f"no record or message has the id {record}", err=True)
        raise typer.Exit(1)


@app.command()
def waiting(json: Json = False) -> None:
    """Count the documents that wait in each lane for their models; names none, so that it needs no right to read."""
    import asyncio

    from sealstream.attachment import attached_settings
    from sealstream.cli.output import emit
    from sealstream.wiring import connected
    from streams.storage.deferring import LaneDepth, lane_depths

    async def run() -> "Sequence[LaneDepth]":
        async with connected(attached_settings(), "read") as database, database.session() as connection:
            return await lane_depths(connection)

    for depth in asyncio.run(run()):
        emit(
            {
                "lane": depth.lane,
                "records": depth.records,
                "late": depth.late,
                "oldest_seconds": round(depth.seconds, 1),
            },
            json,
        )


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

    said = said_of(person, purpose, tier)
    if not print_records(said, owners(domain), lambda reader: reader.search(field, value, limit=limit), by_right, json):
        raise typer.Exit(1)


@app.command()
def erase(
    record: Annotated[UUID, typer.Argument(help="A record, a message with all its records, or a dead letter")],
    reason: Annotated[str, typer.Option(help="For the auditor; sealed beside the leaf")],
    actor: Annotated[str | None, typer.Option(help="Who erases, for the log; by default who runs the command")] = None,
    by: SignsAs = None,
    key: SignsWith = None,
    json: Json = False,
) -> None:
    """Delete a record's fields, blind terms and its message's own bytes; the log says so and still verifies."""
    import asyncio
    import os

    from agents.platform.knowledge import load_knowledge
    from agents.upkeep.erasing import Eraser, Erasure
    from sealstream.attachment import attached_settings
    from sealstream.cli.output import emit
    from sealstream.people.author import Author
    from sealstream.people.signed_changes import make_change, must_be_signed
    from sealstream.wiring import connected, open_identity

    author, seed = Author(actor, by, key), os.urandom(32)

    async def run() -> Erasure:
        settings = attached_settings()
        identity = open_identity(settings)
        async with connected(settings, "erase", connections=2) as database:
            knowledge = await load_knowledge(database, identity, max_tier=0)
            return await make_change(
                author,
                identity,
                lambda actor, warrant: Eraser(database, identity, knowledge, actor=actor, warrant=warrant, seed=seed),
                lambda eraser: eraser.erase(record, reason),
                signed=must_be_signed(settings),
            )

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


def owners(domains: list[str] | None) -> list[tuple[str, str]] | None:
    """Tenant and domain of each that was named."""
    return None if domains is None else [_owner(each) for each in domains]


def _owner(text: str) -> tuple[str, str]:
    tenant, _, domain = text.partition("/")
    if not (tenant and domain):
        raise typer.BadParameter("a tenant, a slash and a domain, as in bank-a/payments", param_hint="--domain")
    return tenant, domain
