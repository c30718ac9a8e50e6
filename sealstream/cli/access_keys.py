"""`sealstream access keys`: API keys."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from security.access.api_key import ApiKey

app = typer.Typer(help="API keys, which act for a person.", no_args_is_help=True, rich_markup_mode=None)

Json = Annotated[bool, typer.Option("--json", help="One object a line")]
Actor = Annotated[str | None, typer.Option(help="Who makes the change, for the log; by default who runs the command")]


@app.command()
def add(
    person: Annotated[str, typer.Argument(help="For whom it acts")],
    action: Annotated[list[str], typer.Option(help="What it is good for, as read or search; repeatable")],
    tier: Annotated[int, typer.Option(min=0, max=5, help="The highest that it reads")] = 0,
    project: Annotated[list[str] | None, typer.Option(help="Only in these; repeatable")] = None,
    days: Annotated[int, typer.Option(min=1, max=400, help="How long it counts")] = 90,
    actor: Actor = None,
) -> None:
    """Make an API key and show it, once."""
    import asyncio
    import datetime as dt

    from sealstream.people.access import access_parts
    from security.access.principal import Action

    try:
        actions = [Action(each) for each in action]
    except ValueError as exc:
        raise typer.BadParameter(str(exc)) from None

    async def run() -> "tuple[str, ApiKey]":
        async with access_parts(actor) as parts:
            return await parts.registrar.add_key(
                person, tier=tier, actions=actions, projects=project, lifetime=dt.timedelta(days=days)
            )

    text, key = asyncio.run(run())
    typer.echo(text)
    typer.echo(f"key {key.key_id} of {person}; keep it now, it is shown this once", err=True)


@app.command("list")
def list_keys(json: Json = False) -> None:
    """List API keys; their secrets are nowhere."""
    import asyncio

    from sealstream.cli.output import emit
    from sealstream.people.access import access_parts

    async def run() -> "Sequence[ApiKey]":
        async with access_parts() as parts:
            return await parts.registrar.keys()

    for key in asyncio.run(run()):
        emit(
            {
                "key": key.key_id,
                "person": key.person,
                "tier": key.tier,
                "actions": sorted(key.actions),
                "projects": None if key.projects is None else sorted(key.projects),
                "not_after": key.not_after,
                "revoked_at": key.revoked_at,
            },
            json,
        )


@app.command()
def revoke(key: Annotated[str, typer.Argument(help="Its id, not its text")], actor: Actor = None) -> None:
    """Let an API key count no more."""
    import asyncio

    from sealstream.people.access import access_parts

    async def run() -> None:
        async with access_parts(actor) as parts:
            await parts.registrar.revoke_key(key)

    asyncio.run(run())
    typer.echo(f"key {key} counts no more")
