"""`sealstream catalogue`: kinds of records, their fields, and registering them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sealstream.cli.access_requests import By, Json, Key

if TYPE_CHECKING:
    from schemas.catalogue_entry import CatalogueEntry
    from streams.storage.catalogue import EntryRow

app = typer.Typer(
    help="How the fields of each kind of record are kept and shared.", no_args_is_help=True, rich_markup_mode=None
)

Entry = Annotated[Path, typer.Argument(help="The entry, as JSON; see docs/access.md")]


@app.command("list")
def list_fields(
    tenant: Annotated[str | None, typer.Option(help="Only this tenant's, as they are for it")] = None,
    kind: Annotated[str | None, typer.Option(help="Only this kind of record")] = None,
    json: Json = False,
) -> None:
    """List the fields of every kind of record, as they are kept now."""
    import asyncio

    from schemas.catalogue import ANY_TENANT, Catalogue
    from sealstream.cli.output import emit
    from sealstream.people.access import access_parts

    async def run() -> Catalogue:
        async with access_parts() as parts:
            return await parts.catalogue()

    owner = tenant or ANY_TENANT
    found = asyncio.run(run())
    for each in found.record_types(owner):
        if kind not in (None, each):
            continue
        for spec in sorted(found.fields(owner, each).values(), key=lambda spec: spec.name):
            emit(
                {"kind": each, "field": spec.name, "tier": spec.tier, "search": spec.search, "sharing": spec.sharing},
                json,
            )


@app.command()
def versions(
    tenant: str,
    kind: str,
    text: Annotated[int | None, typer.Option(help="Print this version's entry instead")] = None,
    json: Json = False,
) -> None:
    """List the versions of an entry, proposed ones too."""
    import asyncio

    from schemas.errors import ConfigurationError
    from sealstream.cli.output import emit
    from sealstream.people.access import access_parts
    from streams.storage.catalogue import entry_versions

    async def run() -> "list[EntryRow]":
        async with access_parts() as parts, parts.database.session() as connection:
            return await entry_versions(connection, tenant, kind)

    rows = asyncio.run(run())
    if text is not None:
        row = next((each for each in rows if each.version == text), None)
        if row is None:
            raise ConfigurationError(f"there is no version {text} of that entry")
        typer.echo(row.text)
        return
    for each in rows:
        emit(
            {
                "version": each.version,
                "based_on": each.based_on,
                "digest": each.digest,
                "proposer": each.proposer,
                "adopter": each.adopter,
            },
            json,
        )


@app.command()
def propose(file: Entry, by: By, key: Key) -> None:
    """Propose an entry, as an administrator; the provider of the data adopts it."""
    import asyncio

    from agents.access.catalogue_keeper import PROPOSE, entry_act, log_tenant
    from sealstream.people.access import access_parts, now_said, sign_act

    async def run() -> "EntryRow":
        async with access_parts(by) as parts:
            entry = _read(file)
            version = await parts.entries.next_version(entry.tenant, entry.kind)
            change = entry_act(PROPOSE, version, entry, now_said())
            origin = parts.identity.origin(log_tenant(entry.tenant))
            return await parts.entries.propose(entry, sign_act(key, by, origin, change))

    row = asyncio.run(run())
    typer.echo(f"version {row.version} is proposed; its provider adopts it with `sealstream catalogue adopt`")


@app.command()
def adopt(version: int, file: Entry, by: By, key: Key) -> None:
    """Put a proposed version in force: exactly the entry in the file, which you sign."""
    import asyncio

    from agents.access.catalogue_keeper import ADOPT, entry_act, log_tenant
    from sealstream.people.access import access_parts, now_said, sign_act

    async def run() -> None:
        async with access_parts(by) as parts:
            entry = _read(file)
            change = entry_act(ADOPT, version, entry, now_said())
            origin = parts.identity.origin(log_tenant(entry.tenant))
            await parts.entries.adopt(entry, sign_act(key, by, origin, change))

    asyncio.run(run())
    typer.echo(f"version {version} is in force")


def _read(file: Path) -> "CatalogueEntry":
    from schemas.catalogue_entry import CatalogueEntry
    from schemas.errors import ConfigurationError

    try:
        return CatalogueEntry.parse(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeError) as exc:
        raise ConfigurationError(f"can't read {file}: {type(exc).__name__}") from exc
