"""`sealstream api`: the REST API."""

from pathlib import Path
from typing import Annotated

import typer


def attach(app: typer.Typer) -> None:
    """Add the command."""
    app.command("api")(api)


def api(
    listen: Annotated[str, typer.Option(help="host:port; port 0 is any free one")] = "127.0.0.1:8080",
    tls_cert: Annotated[Path | None, typer.Option(help="Certificate chain (PEM)")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its private key (PEM, mode 0600)")] = None,
    client_ca: Annotated[
        Path | None, typer.Option(help="Authorities (PEM) of the certificate that every client must show: mutual TLS")
    ] = None,
    openapi: Annotated[bool, typer.Option("--openapi", help="Print the description (OpenAPI) and end")] = False,
    ready_file: Annotated[Path | None, typer.Option(help="Written once it answers; its URL", hidden=True)] = None,
) -> None:
    """Serve records, logs, approvals and the work over HTTP until Ctrl-C or SIGTERM."""
    try:
        from sealstream.api.description import openapi as describe
        from sealstream.api_server import Certificate, serve
    except ModuleNotFoundError as exc:
        raise typer.BadParameter("the API needs the extra: install sealstream[api]") from exc
    from sealstream.address import parse_address
    from sealstream.attachment import attached_settings
    from sealstream.cli.interruption import run_interruptible
    from sealstream.logs import configure_logs

    if openapi:
        typer.echo(describe(), nl=False)
        return
    try:
        address = parse_address(listen)
    except ValueError:
        address = None
    if address is None:
        raise typer.BadParameter("not host:port", param_hint="--listen")
    if (tls_cert is None) != (tls_key is None):
        raise typer.BadParameter("--tls-cert and --tls-key belong together")
    if client_ca is not None and tls_cert is None:
        raise typer.BadParameter("clients show certificates over TLS: give --tls-cert and --tls-key too")
    certificate = Certificate(tls_cert, tls_key, client_ca) if tls_cert is not None and tls_key is not None else None
    settings = attached_settings()
    configure_logs(settings.log_level, json=settings.json_logs, role="api")

    def on_ready(url: str) -> None:
        typer.echo(f"serving the API at {url}", err=True)
        if ready_file is not None:
            unfinished = ready_file.with_suffix(".unfinished")
            unfinished.write_text(f"{url}\n")
            unfinished.replace(ready_file)

    run_interruptible(serve(settings, address, certificate, on_ready))
