"""`sealstream access`: who is who, what they may see and why, and requests for more."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sealstream.cli import access_keys, access_policies, access_projects, access_requests

if TYPE_CHECKING:
    from security.access.person import Person

app = typer.Typer(help="Who may see what.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(access_keys.app, name="keys")
app.add_typer(access_projects.app, name="projects")
access_requests.attach(app)
access_policies.attach(app)

Json = Annotated[bool, typer.Option("--json", help="One object a line")]
Actor = Annotated[str | None, typer.Option(help="Who makes the change, for the log; by default who runs the command")]


@app.command()
def grant(
    person: Annotated[str, typer.Argument(help="Id of the person; replaces what they were")],
    tenant: Annotated[str, typer.Option(help="The organisation they belong to")],
    department: Annotated[str, typer.Option(help="Within it; the same word as a domain of records")],
    role: Annotated[list[str], typer.Option(help="operator, administrator, auditor or reader; repeatable")],
    tier: Annotated[int, typer.Option(min=0, max=5, help="The highest that they read without an approval")] = 0,
    duty: Annotated[
        list[str] | None, typer.Option(help="unit_head, data_provider or exchange_authority; repeatable")
    ] = None,
    key: Annotated[Path | None, typer.Option(help="Their public key: a JWK or PEM file")] = None,
    keep_key: Annotated[
        bool,
        typer.Option("--keep-key", help="They keep the key that they have; compare its thumbprint with them first"),
    ] = False,
    issuer: Annotated[str | None, typer.Option(help="Whose tokens say who they are")] = None,
    subject: Annotated[str | None, typer.Option(help="By this subject")] = None,
    actor: Actor = None,
) -> None:
    """Register a person, or what they are from now on."""
    import asyncio

    from sealstream.key_files import read_key_file
    from sealstream.people.access import access_parts
    from security.access.person import Duty, Person
    from security.access.principal import Role

    if keep_key and key is not None:
        raise typer.BadParameter("a key that is given replaces the one they have", param_hint="--keep-key")
    jwk = None
    if key is not None:
        ((_, found),) = read_key_file(key, name=person)
        jwk = {name: value for name, value in found.jwk.to_members().items() if name != "kid"}
    try:
        roles, duties = frozenset(map(Role, role)), frozenset(map(Duty, duty or ()))
    except ValueError as exc:
        raise typer.BadParameter(str(exc)) from None

    async def run() -> None:
        async with access_parts(actor) as parts:
            granted = Person(
                person=person,
                tenant=tenant,
                department=department,
                roles=roles,
                tier=tier,
                duties=duties,
                issuer=issuer,
                subject=subject,
                jwk=(await parts.registrar.person(person)).jwk if keep_key else jwk,
            )
            await parts.registrar.grant(granted)

    asyncio.run(run())
    typer.echo(f"{person}: {', '.join(sorted(role))} of {tenant}/{department}, tier {tier}")


@app.command()
def token(
    subject: Annotated[str, typer.Argument(help="As a person was granted with --subject and the issuer below")],
) -> None:
    """Print a bearer token of the embedded issuer (urn:sealstream:embedded-issuer); not in production."""
    import datetime as dt

    from sealstream.attachment import attached_settings
    from sealstream.people.access import EMBEDDED_ISSUER, open_embedded_issuer
    from sealstream.wiring import open_identity

    settings = attached_settings()
    issuer = open_embedded_issuer(settings, EMBEDDED_ISSUER, open_identity(settings))
    typer.echo(issuer.token(subject, dt.datetime.now(dt.UTC)))


@app.command()
def dismiss(person: str, actor: Actor = None) -> None:
    """Let a person be nobody here any more; their tokens and API keys count for nothing."""
    import asyncio

    from sealstream.people.access import access_parts

    async def run() -> None:
        async with access_parts(actor) as parts:
            await parts.registrar.dismiss(person)

    asyncio.run(run())
    typer.echo(f"{person} is nobody here any more")


@app.command()
def people(json: Json = False) -> None:
    """List who is registered."""
    import asyncio

    from sealstream.cli.output import emit
    from sealstream.people.access import access_parts

    async def run() -> "dict[str, Person]":
        async with access_parts() as parts:
            return await parts.registrar.list()

    for each in asyncio.run(run()).values():
        emit(
            {
                "person": each.person,
                "tenant": each.tenant,
                "department": each.department,
                "roles": sorted(each.roles),
                "tier": each.tier,
                "duties": sorted(each.duties),
                "key": each.key,
                "active": each.active,
            },
            json,
        )
