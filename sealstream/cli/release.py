"""`sealstream release`: the process that holds keys for the API."""

from pathlib import Path
from typing import Annotated

import typer


def attach(app: typer.Typer) -> None:
    """Add the command."""
    app.command("release")(release)


def release(
    scope: Annotated[
        list[str] | None, typer.Option(help="tenant/domain/tier, as in bank-a/payments/1-3 or */*/1-5; repeat")
    ] = None,
    socket: Annotated[
        Path | None, typer.Option(help="Where to listen; its directory has mode 0700 and is made if it is not there")
    ] = None,
    ready_file: Annotated[Path | None, typer.Option(help="Written once it answers; its socket", hidden=True)] = None,
) -> None:
    """Open and seal fields for the API, by its looks in the log, until Ctrl-C or SIGTERM."""
    from sealstream.attachment import attached_settings
    from sealstream.cli.interruption import run_interruptible
    from sealstream.logs import configure_logs
    from sealstream.release.serving import serve_release

    settings = attached_settings()
    path = (socket or settings.release_socket or default_socket(settings.data_dir)).absolute()
    configure_logs(settings.log_level, json=settings.json_logs, role="release")

    def on_ready(where: str) -> None:
        typer.echo(f"the key release answers at {where}", err=True)
        if ready_file is not None:
            unfinished = ready_file.with_suffix(".unfinished")
            unfinished.write_text(f"{where}\n")
            unfinished.replace(ready_file)

    run_interruptible(serve_release(settings, scope or list(settings.release_scopes), path, on_ready))


def default_socket(data_dir: Path | None) -> Path:
    """Where it listens if nothing else is said."""
    if data_dir is None:
        raise typer.BadParameter("say where to listen", param_hint="--socket")
    return data_dir / "release" / "socket"
