"""`sealstream worker`: one process with one or more roles, against a running platform."""

from pathlib import Path
from typing import Annotated

import typer


def attach(app: typer.Typer) -> None:
    """Add the command."""
    app.command("worker")(worker)


def worker(
    role: Annotated[list[str] | None, typer.Option(help="intake, sequence, relay or all; repeat for several")] = None,
    ready_file: Annotated[Path | None, typer.Option(help="Written once the worker has its partitions")] = None,
) -> None:
    """Run a worker until SIGTERM or Ctrl-C; what is in work is committed first."""
    import uvloop

    from sealstream.logs import configure_logs
    from sealstream.settings import load_settings
    from sealstream.workers import Role, run_worker

    try:
        roles = [Role(name) for name in role or ["all"]]
    except ValueError as exc:
        raise typer.BadParameter(f"{exc}; choose from {', '.join(Role)}") from exc
    configure_logs()

    def on_ready() -> None:
        if ready_file is not None:
            ready_file.touch()

    uvloop.run(run_worker(load_settings(), roles, on_ready))
