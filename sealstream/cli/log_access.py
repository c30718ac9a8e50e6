"""`sealstream audit export|prove|serve|tail`: the log for those who check it with tools of their own."""

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="One object a line")]
Tenant = Annotated[str | None, typer.Option(help="Only this organisation's log")]


def attach(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(export)
    app.command()(prove)
    app.command()(serve)
    app.command()(tail)


def export(folder: Path, tenant: Tenant = None, json: Json = False) -> None:
    """Write logs as tlog-tiles that any web server can serve: FOLDER/<tenant>/checkpoint and tile/; may be repeated."""
    import asyncio

    from sealstream.attachment import attached_settings
    from sealstream.audit.log_access import export_logs
    from sealstream.cli.output import emit

    def progress(log: str, files: int) -> None:
        if files and files % 1_000 == 0:
            typer.echo(f"{log}: {files} files", err=True)

    for row, done in asyncio.run(export_logs(attached_settings(), folder, tenant, progress)):
        emit({"log": row.origin, "size": done.size, "files": done.files, "folder": str(folder / row.folder)}, json)


def prove(
    name: Annotated[str, typer.Argument(help="Id of a record, message or dead letter; or an index, with --tenant")],
    tenant: Tenant = None,
    entry: Annotated[Path | None, typer.Option(help="Write the leaf's bytes to this file")] = None,
    json: Json = False,
) -> None:
    """Print the proof that the log holds a leaf (C2SP tlog-proof), up to the newest checkpoint."""
    import asyncio
    from uuid import UUID

    from sealstream.attachment import attached_settings
    from sealstream.audit.log_access import prove as run
    from sealstream.cli.output import emit

    try:
        wanted = int(name) if name.isascii() and name.isdigit() else UUID(name)
    except ValueError as exc:
        raise typer.BadParameter("neither the id of a record nor an index") from exc
    found = asyncio.run(run(attached_settings(), wanted, tenant))
    if entry is not None:
        entry.write_bytes(found.entry)
    if json:
        emit(
            {
                "log": found.origin,
                "index": found.index,
                "leaf": found.entry.decode(errors="backslashreplace"),
                "proof": found.proof.decode(),
            },
            json,
        )
    else:
        typer.echo(found.proof.decode(), nl=False)


def serve(
    listen: Annotated[str, typer.Option(help="host:port; port 0 is any free one")] = "127.0.0.1:8090",
) -> None:
    """Serve the logs over HTTP as tlog-tiles (http://host:port/<tenant>) until it is ended."""
    from sealstream.address import parse_address
    from sealstream.attachment import attached_settings
    from sealstream.audit.log_access import serve as run
    from sealstream.cli.interruption import run_interruptible

    try:
        address = parse_address(listen)
    except ValueError:
        address = None
    if address is None:
        raise typer.BadParameter("not host:port", param_hint="--listen")
    run_interruptible(run(attached_settings(), address, lambda at: typer.echo(f"serving logs at {at.url}", err=True)))


def tail(
    follow: Annotated[str, typer.Option(help="URL of a served log, as in http://host:port/<tenant>; or local")],
    vkey: Annotated[list[str], typer.Option(help="The log's key; repeat for those of witnesses")],
    state: Annotated[Path | None, typer.Option(help="File that keeps the last verified checkpoint")] = None,
    once: Annotated[bool, typer.Option("--once", help="Look once and end")] = False,
    json: Json = False,
) -> None:
    """Follow a log and verify each step down to its leaves; exit 1, with the evidence, on a fork or a rollback."""
    from agents.log.monitor import LogAlarm, Seen
    from sealstream.audit.monitoring import follow as run
    from sealstream.cli.interruption import run_interruptible
    from sealstream.cli.output import emit
    from security.note import Verifier

    def seen(found: Seen) -> None:
        checkpoint = found.checkpoint
        emit({"log": checkpoint.origin, "size": checkpoint.size, "root": checkpoint.root.hex()}, json)

    def progress(leaves: int) -> None:
        if leaves % 100_000 < 256 <= leaves:
            typer.echo(f"{leaves} leaves", err=True)

    keys = [Verifier.from_vkey(text) for text in vkey]
    try:
        run_interruptible(
            run(
                follow,
                keys,
                state,
                once=once,
                seen=seen,
                waiting=lambda why: typer.echo(f"waiting: {why}", err=True),
                progress=progress,
            )
        )
    except LogAlarm as exc:
        before = exc.before.decode() if exc.before is not None else None
        now = exc.now.decode(errors="backslashreplace")
        if json:
            emit({"alarm": str(exc), "before": before, "now": now}, json)
        else:
            typer.echo(f"ALARM {exc}\n\nlast verified:\n{before or '(nothing)'}\nshown now:\n{now}")
        raise typer.Exit(1) from exc
