"""`sealstream run`: the main job once, embedded."""

from typing import Annotated

import typer


def attach(app: typer.Typer) -> None:
    """Add the command."""
    app.command("run")(run)


def run(
    feed: Annotated[
        str, typer.Option(help=".csv .jsonl .xml .sta, a folder of them, or sample:NAME")
    ] = "sample:payments",
    workers: Annotated[int, typer.Option(min=1, max=64, help="Intake processes")] = 2,
    rate: Annotated[float, typer.Option(min=1, help="Messages a second in the paced phase")] = 200.0,
    json: Annotated[bool, typer.Option("--json", help="Print the report as one JSON object")] = False,
) -> None:
    """Produce, process, verify and report a feed, on servers that start and end with this command."""
    import msgspec

    from sealstream.cli.interruption import run_interruptible
    from sealstream.logs import configure_logs
    from sealstream.oneshot import RunOptions, run_once
    from sealstream.settings import load_settings

    configure_logs()
    report = run_interruptible(
        run_once(
            load_settings(),
            RunOptions(feed=feed, workers=workers, rate=rate),
            lambda line: typer.echo(f"… {line}", err=True),
        )
    )
    if json:
        typer.echo(msgspec.json.encode(report.as_json()).decode())
    else:
        for line in report.lines():
            typer.echo(line)
    if not report.ok:
        raise typer.Exit(1)
