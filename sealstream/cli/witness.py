"""`sealstream witness`: cosign the checkpoints of logs. Needs no platform, no database and no settings."""

from pathlib import Path
from typing import Annotated

import typer


def attach(app: typer.Typer) -> None:
    """Add the command."""
    app.command("witness")(witness)


def witness(
    data_dir: Annotated[Path, typer.Option(help="Keeps key and state; never restore it from a backup")],
    log: Annotated[list[str], typer.Option(help="A log's vkey, its name being the log's origin; repeat for several")],
    listen: Annotated[str, typer.Option(help="host:port; port 0 is any free one")] = "127.0.0.1:8091",
    name: Annotated[
        str | None, typer.Option(help="Name of the key that is made on first use; default <this host>/witness")
    ] = None,
) -> None:
    """Be a witness (C2SP tlog-witness): cosign each checkpoint that extends the last one; prints the witness's vkey."""
    import asyncio
    import socket

    from sealstream.address import parse_address
    from sealstream.cli.interruption import run_interruptible
    from sealstream.logs import configure_logs
    from sealstream.witness import Witness, WitnessDirectory, serving_witness
    from security.note import KeyType, Verifier

    try:
        address = parse_address(listen)
    except ValueError:
        address = None
    if address is None:
        raise typer.BadParameter("not host:port", param_hint="--listen")
    keys = [Verifier.from_vkey(vkey) for vkey in log]
    if any(key.key_type is not KeyType.ED25519 for key in keys):
        raise typer.BadParameter("a log signs with a key of type 0x01", param_hint="--log")
    configure_logs()

    async def serve() -> None:
        with WitnessDirectory.locked(data_dir) as directory:
            cosigner = directory.key(name or directory.key_name() or f"{socket.gethostname()}/witness")
            typer.echo(cosigner.verifier.vkey)
            async with serving_witness(Witness(directory, cosigner, keys), address) as found:
                typer.echo(f"witness at {found.url}", err=True)
                await asyncio.Event().wait()

    run_interruptible(serve())
