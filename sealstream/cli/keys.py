"""`sealstream keys`: producers' keys, and the tier keys that fields are sealed under (sealstream.cli.tier_keys)."""

from pathlib import Path
from typing import Annotated

import typer

from sealstream.cli import key_policies, key_registration, key_subscriptions, tier_keys
from sealstream.cli.key_registration import Actor, SignsAs, SignsWith
from sealstream.people.author import Author

app = typer.Typer(help="Producers' signing keys, and tier keys.", no_args_is_help=True, rich_markup_mode=None)
key_registration.attach(app)
key_policies.attach(app)
tier_keys.attach(app)
key_subscriptions.attach(app)

Json = Annotated[bool, typer.Option("--json", help="One object a line")]


@app.command("list")
def list_keys(json: Json = False) -> None:
    """List registered keys."""
    import asyncio
    import datetime as dt

    from agents.platform.knowledge import signing_key
    from sealstream.attachment import attached_settings
    from sealstream.cli.output import emit
    from sealstream.wiring import connected
    from streams.storage.keys import SigningKeyRow, list_signing_keys

    async def read() -> list[SigningKeyRow]:
        async with connected(attached_settings(), "keys") as database, database.session() as connection:
            return await list_signing_keys(connection)

    now = dt.datetime.now(dt.UTC)
    for row in asyncio.run(read()):
        emit(
            {
                "key": row.key_id,
                "tenant": row.tenant,
                "domain": row.domain,
                "sources": row.sources,
                "algorithm": signing_key(row).algorithm,
                "state": row.state(now),
                "not_before": row.not_before,
                "not_after": row.not_after,
                "revoked_at": row.revoked_at,
            },
            json,
        )


@app.command()
def revoke(
    name: str,
    since: Annotated[
        str | None, typer.Option("--from", help="From when on, if not from now; may lie in the past or the future")
    ] = None,
    actor: Actor = None,
    by: SignsAs = None,
    key: SignsWith = None,
) -> None:
    """Let a key count for nothing from a moment on; `keys affected` lists what was accepted since."""
    from agents.keys.key_leaf import rfc3339
    from sealstream.cli.moments import moment
    from sealstream.cli.registrar import with_registrar

    at = moment(since)
    row = with_registrar(Author(actor, by, key), lambda registrar: registrar.revoke(name, at))
    typer.echo(f"{name} revoked" if row.revoked_at is None else f"{name} revoked from {rfc3339(row.revoked_at)} on")


@app.command("crl")
def take_crl(file: Path, actor: Actor = None, by: SignsAs = None, key: SignsWith = None) -> None:
    """Hold a newer certificate revocation list, and revoke every registered key whose chain it lists."""
    from agents.keys.key_leaf import rfc3339
    from sealstream.cli.registrar import with_registrar
    from sealstream.key_files import read_crl_file

    crl = read_crl_file(file)
    rows = with_registrar(Author(actor, by, key), lambda registrar: registrar.take_list(crl))
    for row in rows:
        typer.echo(f"{row.key_id} revoked" + ("" if row.revoked_at is None else f" from {rfc3339(row.revoked_at)} on"))
    typer.echo(f"the list is held, {len(rows)} keys revoked by it", err=True)


@app.command()
def confirm(
    names: Annotated[list[str] | None, typer.Argument(help="Keys")] = None,
    policy: Annotated[list[str] | None, typer.Option(help="Sources whose policies are confirmed")] = None,
    actor: Actor = None,
    by: SignsAs = None,
    key: SignsWith = None,
) -> None:
    """Vouch for keys and policies of which `audit verify` says that no leaf is about them; look at them first."""
    from sealstream.cli.registrar import with_registrar

    if not names and not policy:
        raise typer.BadParameter("name keys, or sources with --policy")
    with_registrar(Author(actor, by, key), lambda registrar: registrar.confirm(names or [], policy or []))
    typer.echo(f"confirmed: {', '.join([*(names or []), *(policy or [])])}")


@app.command()
def affected(name: str, json: Json = False) -> None:
    """List what was accepted by a key since the moment from which on it is revoked; exit 1 if there is anything."""
    import asyncio

    from agents.keys.affected import AffectedMessage, affected_messages
    from sealstream.attachment import attached_settings
    from sealstream.cli.output import emit
    from sealstream.wiring import connected

    async def run() -> int:
        count = 0
        async with (
            connected(attached_settings(), "keys", connections=1) as database,
            database.session() as connection,
        ):
            async for each in affected_messages(connection, name):
                count += 1
                show(each)
        return count

    def show(each: AffectedMessage) -> None:
        emit({"message": each.message, "log": each.origin, "index": each.index, "received": each.received}, json)

    if asyncio.run(run()):
        raise typer.Exit(1)


@app.command()
def notices(tenant: str, json: Json = False) -> None:
    """Print the certificate of the key that signs the notices of a tenant's open shard, by that shard's key."""
    import asyncio

    from schemas.errors import ConfigurationError
    from sealstream.attachment import attached_settings
    from sealstream.cli.output import emit
    from sealstream.wiring import connected, open_identity
    from streams.storage.sequencing import LogRow
    from streams.storage.shards import list_shards

    settings = attached_settings()

    async def shards() -> list[LogRow]:
        async with connected(settings, "keys") as database, database.session() as connection:
            return await list_shards(connection, tenant)

    rows = asyncio.run(shards())
    if not rows:
        raise ConfigurationError(f"tenant {tenant!r} has no log here; see `sealstream keys list`")
    newest = rows[-1]
    certificate = open_identity(settings).notice_certificate(tenant, newest.shard, newest.key)
    if json:
        emit({"tenant": tenant, "certificate": certificate.decode()}, json)
    else:
        typer.echo(certificate.decode(), nl=False)


@app.command("rotate-log-key")
def rotate_log_key(
    tenant: Annotated[str, typer.Option(help="Whose log")],
    actor: Actor = None,
    json: Json = False,
) -> None:
    """Have a new key sign a tenant's log: its shard is closed, and the next one has the new key."""
    import asyncio

    from sealstream.attachment import attached_settings
    from sealstream.audit.shards import close
    from sealstream.cli.output import emit

    closed, vkey = asyncio.run(close(attached_settings(), tenant, actor, new_key=True))
    emit({"closed": closed, "vkey_of_next": vkey}, json)
