"""`sealstream keys require|policies`: how events of sources must be signed."""

from typing import Annotated

import typer

from sealstream.cli.key_registration import Actor
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
    actor: Actor = None,
) -> None:
    """Set how events of a source (exact, or a prefix ending in *) must be signed, from now on."""
    from sealstream.cli.registrar import with_registrar

    with_registrar(
        actor,
        lambda registrar: registrar.require(source, tenant=tenant, signatures=signatures, algorithms=algorithm or ()),
    )
    typer.echo(f"{source}: {signatures} signature(s), algorithms: {', '.join(algorithm or []) or 'all'}")


def policies(json: Annotated[bool, typer.Option("--json", help="One object a line")] = False) -> None:
    """List how events of sources must be signed; the newest of a source counts."""
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
            },
            json,
        )
