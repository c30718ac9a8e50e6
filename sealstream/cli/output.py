"""How commands print: a line a thing, or with --json one object a line. Results go to stdout, talk to stderr."""

import datetime as dt
from collections.abc import Mapping
from uuid import UUID

import typer


def emit(values: Mapping[str, object], as_json: bool) -> None:
    """Print one thing."""
    if as_json:
        import msgspec

        typer.echo(msgspec.json.encode(values, enc_hook=str).decode())
        return
    typer.echo("  ".join(f"{name}={_text(value)}" for name, value in values.items() if value is not None))


def _text(value: object) -> str:
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, UUID | str):
        return str(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}: {_text(each)}" for name, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return ",".join(map(_text, value))
    return str(value)
