"""`sealstream receipt show|verify`: what a log says of a record, to hand on; and checking it, offline."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from sealstream.cli.reader import As, Purpose, Tier

if TYPE_CHECKING:
    from security.note import Verifier

app = typer.Typer(help="Receipts: offline proofs of a record.", no_args_is_help=True, rich_markup_mode=None)


@app.command()
def show(
    record: UUID,
    tier: Tier = None,
    person: As = None,
    purpose: Purpose = None,
    field: Annotated[
        list[str] | None,
        typer.Option(help="Disclose this field and no other; repeatable. Else all that one may"),
    ] = None,
    evidence: Annotated[
        bool, typer.Option("--evidence", help="Add the message as received, where all of it may be disclosed")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Write it to this file")] = None,
    json: Annotated[bool, typer.Option("--json", help="On one line")] = False,
) -> None:
    """Print the receipt of a record, or of a message of several; the look is a leaf of the log before."""
    import asyncio

    import msgspec

    from sealstream.attachment import attached_settings
    from sealstream.audit.receipts import make_receipt
    from sealstream.people.principals import Said

    said = Said(person, purpose, tier)
    made = asyncio.run(make_receipt(attached_settings(), record, said=said, fields=field or None, evidence=evidence))
    if json:
        made = msgspec.json.format(made, indent=-1) + b"\n"
    if out is None:
        typer.echo(made.decode(), nl=False)
    else:
        out.write_bytes(made)


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False)],
    vkey: Annotated[
        list[str],
        typer.Option(metavar="FILE_OR_TEXT", help="The log's key, which you trust; repeatable"),
    ],
    origin: Annotated[str | None, typer.Option(help="The log's origin; else the name of its first key")] = None,
    witness: Annotated[
        list[str] | None, typer.Option(metavar="VKEY", help="Key of a witness, or a file with it; repeatable")
    ] = None,
    min_witnesses: Annotated[int, typer.Option(min=0, help="How many of them must have cosigned")] = 0,
    leaf_only: Annotated[bool, typer.Option("--leaf-only", help="Check no field and no message")] = False,
    json: Annotated[bool, typer.Option("--json", help="One object a line")] = False,
) -> None:
    """Check a receipt or an evidence pack offline, without settings: print what it established, or exit 1."""
    from sealstream.cli.output import emit

    keys, witnesses = [_verifier(text) for text in vkey], [_verifier(text) for text in witness or []]
    if _is_pack(file):
        from sealstream.audit.evidence import check_pack
        from security.evidence_pack import PackTrust

        found = check_pack(file, PackTrust(keys, witnesses, min_witnesses))
    else:
        from schemas.receipt import MAX_RECEIPT_BYTES, decode_receipt
        from security.receipt import TrustedLog, verify_receipt

        log = TrustedLog(
            keys=keys,
            origin=origin if origin is not None else keys[0].name,
            witnesses=witnesses,
            min_witnesses=min_witnesses,
        )
        with file.open("rb") as opened:
            receipt = decode_receipt(opened.read(MAX_RECEIPT_BYTES + 1))
        found = verify_receipt(receipt, log, leaf_only=leaf_only)
    for each in found:
        shown = (each.item, each.detail) if json else (_printable(each.item), _printable(each.detail))
        emit({"established": shown[0], "detail": shown[1]}, json)


def _is_pack(file: Path) -> bool:
    with file.open("rb") as opened:
        return opened.read(4) == b"PK\x03\x04"


def _printable(text: str) -> str:
    """The text on one line: a value in somebody's receipt must not look like a line of ours, or move the cursor."""
    return "".join([each if each.isprintable() else each.encode("unicode_escape").decode() for each in text])


def _verifier(text: str) -> "Verifier":
    from security.note import Verifier

    if "+" not in text or Path(text).is_file():
        try:
            text = Path(text).read_text().strip()
        except (OSError, UnicodeDecodeError) as exc:
            raise typer.BadParameter("neither a vkey nor a file with one", param_hint="--vkey") from exc
    return Verifier.from_vkey(text)
