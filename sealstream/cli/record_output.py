"""Printing records as their reader may see them: at a tier, or by their right."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from agents.opening.reading import Reader, RecordView, ReviewView
    from agents.opening.seen import SeenRecord
    from agents.reading.desk import Desk
    from sealstream.people.principals import Acting, Said
    from security.access.decision import ShownField
    from security.opening import OpenedField

_ERASED: Final = {"label": "<erased>", "reason": "<erased>"}


def said_of(person: str | None, purpose: str | None, tier: int | None) -> "Said":
    """Who reads, as the options have it."""
    from sealstream.people.principals import Said

    return Said(person, purpose, tier)


def print_records(
    said: "Said",
    domains: "Collection[tuple[str, str]] | None",
    at_tier: "Callable[[Reader], Awaitable[Sequence[RecordView]]]",
    by_right: "Callable[[Desk, Acting], Awaitable[Sequence[SeenRecord]]]",
    as_json: bool,
) -> bool:
    """Read, and print a line for each record; says whether there was any. The arguments are those of `read_records`."""
    from sealstream.cli.output import emit

    rows = read_records(said, domains, at_tier, by_right, as_json)
    for row in rows:
        emit(row, as_json)
    return bool(rows)


def read_records(
    said: "Said",
    domains: "Collection[tuple[str, str]] | None",
    at_tier: "Callable[[Reader], Awaitable[Sequence[RecordView]]]",
    by_right: "Callable[[Desk, Acting], Awaitable[Sequence[SeenRecord]]]",
    as_json: bool,
) -> list[dict[str, object]]:
    """Read records, in the form in which they are printed.

    Args:
        domains: Tenant and domain of the owners whose keys this process may hold; None for all.
        as_json: For programs, which are told each field's state.
    """
    from sealstream.cli.reader import read_by

    async def shown_at_tier(reader: "Reader") -> list[dict[str, object]]:
        return [_shown_view(view) for view in await at_tier(reader)]

    async def shown_by_right(desk: "Desk", by: "Acting") -> list[dict[str, object]]:
        return [_shown_record(record, as_json) for record in await by_right(desk, by)]

    return read_by(said, shown_at_tier, shown_by_right, domains)


def _shown_view(view: "RecordView") -> dict[str, object]:
    row = view.stored
    return {
        "record": row.record_id,
        "message": row.message_id,
        "tenant": row.tenant,
        "type": row.type,
        "outcome": row.outcome,
        "note": row.note,
        "linked": row.linked,
        "fields": shown_fields(view.fields),
        **({"reviews": [shown_review(each) for each in view.reviews]} if view.reviews else {}),
    }


def _shown_record(seen: "SeenRecord", as_json: bool) -> dict[str, object]:
    """A record by right; programs are told each field's state, and people see it by its value."""

    def fields(found: "Mapping[str, ShownField]") -> dict[str, object]:
        if as_json:
            return {
                name: {"state": str(each.state), "tier": each.tier, "value": each.value} for name, each in found.items()
            }
        return {name: each.value if each.value is not None else f"<{each.state}>" for name, each in found.items()}

    reviews = [{"number": each.number, "time": each.time, "fields": fields(each.fields)} for each in seen.reviews]
    return {
        "record": seen.record,
        "message": seen.message,
        "tenant": seen.tenant,
        "domain": seen.domain,
        "type": seen.type,
        "kind": seen.kind,
        "source": seen.source,
        "outcome": seen.outcome,
        "note": seen.note,
        "linked": seen.linked,
        "fields": fields(seen.fields),
        **({"reviews": reviews} if reviews else {}),
    }


def shown_review(view: "ReviewView") -> dict[str, object]:
    """A person's decision; the last one of a record counts."""
    return {"number": view.stored.n, "time": view.stored.created_at, **(shown_fields(view.fields) or _ERASED)}


def shown_fields(fields: "Mapping[str, OpenedField]") -> dict[str, str]:
    """Field name to its value, or to its state where it is not open."""
    return {
        name: opened.value.decode("utf-8", "replace") if opened.value is not None else f"<{opened.state}>"
        for name, opened in sorted(fields.items())
    }
