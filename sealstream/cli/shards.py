"""`sealstream audit close-shard|drop-shard|restore-shard`: ending a log's shard, and holding it outside."""

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="One object a line")]
Actor = Annotated[str | None, typer.Option(help="Who does it; default: the user of this process")]
Shard = Annotated[str, typer.Argument(help="TENANT for the first shard of a log, TENANT/NUMBER for the others")]
Export = Annotated[Path, typer.Option(help="The folder that `audit export` wrote, with that shard in it")]


def attach(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("close-shard")(close_shard)
    app.command("drop-shard")(drop_shard)
    app.command("restore-shard")(restore_shard)


def close_shard(
    tenant: Annotated[str, typer.Option(help="Whose log")],
    actor: Actor = None,
    json: Json = False,
) -> None:
    """End the open shard of a log; it goes on in the next one once a sequencer has placed all that was committed."""
    import asyncio

    from sealstream.attachment import attached_settings
    from sealstream.audit.shards import close
    from sealstream.cli.output import emit

    closed, vkey = asyncio.run(close(attached_settings(), tenant, actor))
    emit({"closed": closed, "vkey_of_next": vkey}, json)


def drop_shard(shard: Shard, export: Export, actor: Actor = None, json: Json = False) -> None:
    """Drop the leaves and tiles of a closed shard from the database, once its export is checked to be whole."""
    import asyncio

    from sealstream.attachment import attached_settings
    from sealstream.audit.shards import drop
    from sealstream.cli.output import emit

    origin, done = asyncio.run(drop(attached_settings(), shard, export, actor))
    emit({"dropped": origin, "leaves": done.size, "bytes_of_leaves": done.freed}, json)


def restore_shard(shard: Shard, export: Export, actor: Actor = None, json: Json = False) -> None:
    """Bring the leaves and tiles of a dropped shard back from its export."""
    import asyncio

    from sealstream.attachment import attached_settings
    from sealstream.audit.shards import restore
    from sealstream.cli.output import emit

    origin, done = asyncio.run(restore(attached_settings(), shard, export, actor))
    emit({"restored": origin, "leaves": done.size}, json)
