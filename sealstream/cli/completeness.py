"""`sealstream audit completeness`: did everything that a producer closed come in?"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

if TYPE_CHECKING:
    from agents.completeness import CompletenessReport, FoundMessage, Period


def attach(app: typer.Typer) -> None:
    """Add the command."""
    app.command("completeness")(completeness)


def completeness(
    closing: Annotated[
        UUID | None, typer.Argument(help="Record id of a closing; or give --source, --from and --to")
    ] = None,
    source: Annotated[str | None, typer.Option(help="CloudEvents source")] = None,
    start: Annotated[
        str | None, typer.Option("--from", help="The period's first second: 2026-03-01, or with time")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="The first second after the period")] = None,
    listing: Annotated[
        Path | None, typer.Option("--list", help="The producer's list of ids and digests, to name what is missing")
    ] = None,
    tier: Annotated[int, typer.Option(min=1, max=5, help="Open messages up to this tier; refused ones are at 4")] = 4,
    accepted: Annotated[bool, typer.Option("--accepted", help="List accepted messages too")] = False,
    json: Annotated[bool, typer.Option("--json", help="One object a line")] = False,
) -> None:
    """Compare a producer's closing with what came in; exit 1 unless the period is complete. The look is logged."""
    import asyncio

    from sealstream.attachment import attached_settings
    from sealstream.audit.completeness import completeness as compare
    from sealstream.cli.output import emit

    question = closing or _period(source, start, end)
    if closing is not None and (source or start or end):
        raise typer.BadParameter("a closing says its source and period itself")
    report = asyncio.run(compare(attached_settings(), question, tier=tier, listing=listing))
    for line in _lines(report, accepted=accepted):
        emit(line, json)
    if not report.complete:
        raise typer.Exit(1)


def _period(source: str | None, start: str | None, end: str | None) -> "Period":
    from agents.completeness import Period
    from sealstream.cli.moments import moment

    first, after = moment(start), moment(end)
    if source is None or first is None or after is None:
        raise typer.BadParameter("give the id of a closing, or --source, --from and --to")
    if first >= after or first.microsecond or after.microsecond:
        raise typer.BadParameter("a period goes from a whole second to a later one")
    return Period(source, first, after)


def _lines(report: "CompletenessReport", *, accepted: bool) -> Iterator[Mapping[str, object]]:
    if accepted:
        yield from _messages("accepted", report.accepted)
    yield from _messages("refused", report.refused)
    for entry in report.entries:
        yield {"refused_entry": entry.record, "message": entry.message, "reason": entry.reason}
    yield from _messages("refused_unattested", report.unattested)
    for listed in report.missing:
        yield {"missing": UUID(bytes=listed.record_id), "id": listed.event_id}
    yield from _messages("unexpected", report.unexpected)
    yield from _messages("changed", report.changed)
    for first, last in report.gaps:
        yield {"sequence_gap": f"{first}-{last}" if first < last else str(first)}
    for other in report.contradicting:
        yield {"contradicting_closing": other.message, "id": other.event_id}
    for difference in report.differences:
        yield {"differs": difference.what, "closed": difference.closed, "found": difference.found}
    for remark in report.remarks:
        yield {"remark": remark}
    yield {
        "completeness": "complete" if report.complete else "not complete",
        "source": report.period.source,
        "from": report.period.start,
        "to": report.period.end,
        "closing": report.closing.message if report.closing is not None else None,
        "closed": report.closing.closing.count if report.closing is not None else None,
        "accepted": len(report.accepted),
        "refused": len(report.refused),
        "refused_unattested": len(report.unattested),
        "refused_entries": len(report.entries),
        "repeats": report.repeats,
        "unread": report.unread,
    }


def _messages(what: str, messages: "Sequence[FoundMessage]") -> Iterator[Mapping[str, object]]:
    for each in messages:
        yield {what: each.message, "id": each.event_id, "reason": each.reason}
