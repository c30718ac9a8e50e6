"""`sealstream keys require|policies`: what events of sources must be like."""

from typing import Annotated

import typer

from sealstream.cli.key_registration import Actor, SignsAs, SignsWith
from sealstream.people.author import Author
from security.algorithms import Algorithm


def attach(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(require)
    app.command()(policies)


def require(
    source: str,
    tenant: Annotated[str, typer.Option(help="The organisation whose source it is")],
    signatures: Annotated[int, typer.Option(help="Distinct keys that must sign each event")] = 1,
    algorithm: Annotated[list[Algorithm] | None, typer.Option(help="Only these count; all when not given")] = None,
    max_age: Annotated[float | None, typer.Option(help="Seconds that an event's time may lie back")] = None,
    max_ahead: Annotated[float | None, typer.Option(help="Seconds that it may lie ahead")] = None,
    expiry: Annotated[bool, typer.Option("--expiry", help="Refuse events after their expirytime")] = False,
    actor: Actor = None,
    by: SignsAs = None,
    key: SignsWith = None,
) -> None:
    """Set what events of a source (exact, or a prefix ending in *) must be like, from now on; replaces its policy."""
    from sealstream.cli.moments import duration
    from sealstream.cli.registrar import with_registrar

    with_registrar(
        Author(actor, by, key),
        lambda registrar: registrar.require(
            source,
            tenant=tenant,
            signatures=signatures,
            algorithms=algorithm or (),
            max_age=duration(max_age),
            max_ahead=duration(max_ahead),
            expiry=expiry,
        ),
    )
    typer.echo(f"{source}: {signatures} signature(s), algorithms: {', '.join(algorithm or []) or 'all'}")
    for name, seconds in {"max age": max_age, "max ahead": max_ahead}.items():
        if seconds is not None:
            typer.echo(f"{source}: {name} {seconds:g} s")
    if expiry:
        typer.echo(f"{source}: refused after expirytime")


def policies(json: Annotated[bool, typer.Option("--json", help="One object a line")] = False) -> None:
    """List what events of sources must be like; the newest of a source counts."""
    import asyncio

    from sealstream.attachment import attached_settings
    from sealstream.cli.output import emit
    from sealstream.wiring import connected
    from streams.storage.registry import SourcePolicyRow, list_source_policies

    async def read() -> list[SourcePolicyRow]:
        async with connected(attached_settings(), "keys") as database, database.session() as connection:
            return await list_source_policies(connection)

    for row in asyncio.run(read()):
        emit(
            {
                "source": row.source,
                "tenant": row.tenant,
                "signatures": row.signatures,
                "algorithms": row.algorithms,
                "since": row.since,
                "max_age": row.max_age.total_seconds() if row.max_age is not None else None,
                "max_ahead": row.max_ahead.total_seconds() if row.max_ahead is not None else None,
                "expiry": row.expiry,
            },
            json,
        )
