"""`sealstream worker`: one process with one or more roles, against a running platform."""

from pathlib import Path
from typing import Annotated

import typer


def attach(app: typer.Typer) -> None:
    """Add the command."""
    app.command("worker")(worker)


def worker(
    role: Annotated[
        list[str] | None, typer.Option(help="intake, infer, sequence, relay or all; repeat for several")
    ] = None,
    ready_file: Annotated[
        Path | None, typer.Option(help="Written once the worker has its partitions; the URL of its metrics")
    ] = None,
) -> None:
    """Run a worker until SIGTERM or Ctrl-C; what is in work is committed first."""
    import uvloop

    from sealstream.logs import configure_logs
    from sealstream.running.workers import Role, run_worker
    from sealstream.settings import load_settings

    try:
        roles = [Role(name) for name in role or ["all"]]
    except ValueError as exc:
        raise typer.BadParameter(f"{exc}; choose from {', '.join(Role)}") from exc
    settings = load_settings()
    configure_logs(settings.log_level, json=settings.json_logs, role=",".join(roles), group=settings.group)

    def on_ready(url: str | None) -> None:
        if ready_file is not None:
            # Whole or not at all: whoever waits for the file reads the address in it.
            unfinished = ready_file.with_suffix(".unfinished")
            unfinished.write_text(f"{url or ''}\n")
            unfinished.replace(ready_file)

    uvloop.run(run_worker(settings, roles, on_ready))
