"""`sealstream audit`: recompute the log and everything it commits to."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sealstream.cli import completeness, log_access, log_reading, shards

if TYPE_CHECKING:
    from agents.audit import LogReport, VerifyReport

app = typer.Typer(help="The audit log.", no_args_is_help=True, rich_markup_mode=None)
log_access.attach(app)
log_reading.attach(app)
completeness.attach(app)
shards.attach(app)

Json = Annotated[bool, typer.Option("--json", help="One object a line")]


@app.command()
def verify(
    tier: Annotated[int, typer.Option(min=1, max=5, help="Open and compare fields up to this tier")] = 5,
    depth: Annotated[
        str,
        typer.Option(help="checkpoints extend each other; tree: down to the leaves; rows: and all that is stored"),
    ] = "rows",
    held: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            file_okay=False,
            help="Folder of `audit export` with the shards that are held outside the database",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Recompute trees, signatures, rows, sealed fields and watermarks; exit 1 if anything is off."""
    import asyncio

    from agents.audit import Depth
    from sealstream.attachment import attached_settings
    from sealstream.audit.auditing import audit

    if depth not in list(Depth):
        raise typer.BadParameter(f"none of {', '.join(Depth)}", param_hint="--depth")
    report = asyncio.run(audit(attached_settings(), tier=tier, depth=Depth(depth), held=held))
    print_report(report, json)
    if not report.ok:
        raise typer.Exit(1)


@app.command()
def checkpoint(json: Json = False) -> None:
    """Print the newest checkpoint of every log with its cosignatures; --json adds vkey and last timestamp."""
    import asyncio
    from base64 import b64encode

    from sealstream.attachment import attached_settings
    from sealstream.cli.output import emit
    from sealstream.wiring import connected, open_identity
    from security.checkpoint import parse_checkpoint
    from security.note import parse_note
    from streams.storage.sequencing import LogRow
    from streams.storage.shards import list_shards
    from streams.storage.timestamping import StoredTimestamp, last_timestamp
    from streams.storage.witnessing import newest_note

    settings = attached_settings()

    async def read() -> list[tuple[LogRow, str, tuple[StoredTimestamp, str] | None]]:
        async with connected(settings, "audit") as database, database.session() as connection:
            return [
                (row, note, await last_timestamp(connection, row.tree))
                for row in await list_shards(connection)
                if (note := await newest_note(connection, row.tree)) is not None
            ]

    identity = open_identity(settings)
    for row, note, stamped in asyncio.run(read()):
        if json:
            size = parse_checkpoint(parse_note(note.encode()).text).size
            vkey = identity.signer_of(row).verifier.vkey
            told: dict[str, object] = {"origin": row.origin, "size": size, "note": note, "vkey": vkey}
            if stamped is not None:
                answer, about = stamped
                told["timestamp"] = {
                    "time": answer.stamped_at,
                    "size": answer.size,
                    "note": about,
                    "response": b64encode(answer.response).decode(),
                }
            emit(told, json)
        else:
            typer.echo(note)


@app.command()
def recover(
    checkpoint: Annotated[
        list[Path] | None, typer.Option(help="A signed checkpoint that somebody kept; repeat for several")
    ] = None,
    successor: Annotated[
        bool, typer.Option(help="Where leaves can't be brought back, go on in a successor that says so")
    ] = False,
    even_if_whole: Annotated[bool, typer.Option(help="With --successor: also where they could be")] = False,
    actor: Annotated[str | None, typer.Option(help="Who declares a successor; default: the process's user")] = None,
    json: Json = False,
) -> None:
    """Bring back from the audit topics what is published and the database lost; all workers must be stopped."""
    import asyncio

    from sealstream.attachment import attached_settings
    from sealstream.audit.recovery import Successor
    from sealstream.audit.recovery import recover as run
    from sealstream.cli.output import emit
    from sealstream.logs import configure_logs

    if even_if_whole and not successor:
        raise typer.BadParameter("only with --successor", param_hint="--even-if-whole")
    configure_logs()
    notes = [_note(path) for path in checkpoint or []]
    declared = Successor(even_if_whole, actor) if successor else None
    for log in asyncio.run(run(attached_settings(), notes, declared)):
        lost: dict[str, object] = {"lost": log.lost, "goes_on_as": log.successor} if log.successor is not None else {}
        emit({"log": log.origin, "leaves_before": log.size, "recovered": log.recovered} | lost, json)


def _note(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as exc:
        raise typer.BadParameter(f"{path} can't be read as a text", param_hint="--checkpoint") from exc


def print_report(report: "VerifyReport", as_json: bool) -> None:
    """Print what was checked, and every finding."""
    from sealstream.cli.output import emit

    for log in report.logs:
        emit({"log": log.origin} | _counts(log, "rows" if log.is_compared else str(report.depth)), as_json)
        if log.is_compared and report.depth == "tree":
            emit({"log": log.origin, "depth": "rows"}, as_json)
        if log.is_outside:
            emit({"log": log.origin, "held_outside": "its leaves are not in the database; --held FOLDER"}, as_json)
        if log.lost:
            emit({"log": log.origin, "lost_leaves_declared": log.lost}, as_json)
        for found in log.recoveries:
            emit(
                {
                    "recovered_log": log.origin,
                    "first_index": found.start,
                    "leaves": found.end - found.start,
                    "said_again": found.again,
                },
                as_json,
            )
        for key, count in sorted(log.affected.items()):
            emit({"affected_by_revocation_of": key, "log": log.origin, "accepted_since": count}, as_json)
    for finding in report.findings:
        emit({"where": finding.where, "what": finding.what}, as_json) if as_json else typer.echo(f"WRONG {finding}")
    answer = "ok" if report.ok else f"{len(report.findings)} findings"
    if report.left_out:
        typer.echo(f"{report.left_out} more findings are not listed", err=True)
    counts: dict[str, object] = {
        "watermark_steps": report.watermarks,
        "identities": report.identities,
        "terms": report.terms,
        "disclosures": report.disclosures,
        "replays": report.replays,
        "deferred": report.deferred,
        "reviews": report.reviews,
        "catalogue_unregistered": report.catalogue_unregistered,
    }
    answered: dict[str, object] = {"verification": answer, "depth": str(report.depth)}
    if report.held_outside and report.depth == "tree":
        answered |= {"not_compared": "rows, where no log says otherwise: that takes the leaves that are held outside"}
    emit(answered | counts if report.depth == "rows" else answered, as_json)


def _counts(log: "LogReport", depth: str) -> dict[str, object]:
    """What was checked of a log: at less than full depth there is no word of what was not looked at."""
    shallow: dict[str, object] = {
        "size": log.size,
        "root": log.root.hex(),
        "commits": log.commits if depth != "checkpoints" else None,
        "checkpoints": log.checkpoints,
        "cosignatures": log.cosignatures,
        "cosignatures_unknown": log.cosignatures_unknown,
        "timestamps": log.timestamps,
        "timestamps_unchecked": log.timestamps_unchecked,
    }
    if depth != "rows":
        return shallow
    return shallow | {
        "signatures": log.signatures,
        "key_changes": log.key_changes,
        "model_changes": log.model_changes,
        "fields_opened": log.fields_opened,
        "fields_sealed": log.fields_sealed,
        "fields_shredded": log.fields_shredded,
        "records_erased": log.records_erased,
        "evidence_erased": log.evidence_erased,
        "waiting": log.waiting,
        "deferred_waiting": log.deferred_waiting,
    }
