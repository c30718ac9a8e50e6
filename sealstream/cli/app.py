"""The command tree, and what every command shares: exit codes and how errors look."""

import codecs
import io
import os
import sys
from typing import NoReturn

import typer

from schemas.errors import SealstreamError
from sealstream.cli import (
    access,
    admin,
    api,
    audit,
    catalogue,
    dead_letters,
    keys,
    models,
    produce,
    receipt,
    records,
    release,
    reviews,
    run,
    topics,
    witness,
    worker,
)

EXIT_FAILED = 1
_ESCAPES = "sealstream-escapes"

app = typer.Typer(
    name="sealstream",
    help="Signed records in, sealed and audited results out.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
)

run.attach(app)
produce.attach(app)
worker.attach(app)
witness.attach(app)
admin.attach(app)
api.attach(app)
release.attach(app)
app.add_typer(topics.app, name="topics")
app.add_typer(keys.app, name="keys")
app.add_typer(models.app, name="models")
app.add_typer(records.app, name="records")
app.add_typer(catalogue.app, name="catalogue")
app.add_typer(reviews.app, name="reviews")
app.add_typer(receipt.app, name="receipt")
app.add_typer(dead_letters.app, name="dead-letters")
app.add_typer(audit.app, name="audit")
app.add_typer(access.app, name="access")


def main() -> NoReturn:
    """Run the command line; our own errors, and files that can't be read or written, are one line and exit code 1."""
    _have_standard_descriptors()
    codecs.register_error(_ESCAPES, _escaped)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # not closed by who started us
            stream.reconfigure(errors=_ESCAPES)
    try:
        app()
    except SealstreamError as exc:
        print(f"sealstream: {exc}", file=sys.stderr)
        sys.exit(EXIT_FAILED)
    except OSError as exc:
        where = f"{exc.filename}: " if exc.filename is not None else ""
        print(f"sealstream: {where}{exc.strerror or type(exc).__name__}", file=sys.stderr)
        sys.exit(EXIT_FAILED)
    except KeyboardInterrupt:
        print("sealstream: interrupted", file=sys.stderr)
        sys.exit(130)
    sys.exit(0)


def _have_standard_descriptors() -> None:
    """Open those that whoever started us has closed: a socket in their place ends libuv, and would get our output."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest that is free, which is this one


def _escaped(error: UnicodeError) -> tuple[str, int]:
    """What a terminal or a file can't hold, as JSON escapes it: objects of --json stay JSON in every locale."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    units = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass")
    return "".join([f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2)]), error.end
