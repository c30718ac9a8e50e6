"""Moments and durations as people type them."""

import datetime as dt

import typer


def moment(text: str | None) -> dt.datetime | None:
    """A moment: `2026-03-01`, the start of that day in UTC, or `2026-03-01T08:00:00+01:00`, always with its zone.

    Raises:
        typer.BadParameter: It is none.
    """
    if text is None:
        return None
    try:
        found = dt.datetime.fromisoformat(text)
        if found.tzinfo is None and len(text) > len("2026-03-01"):
            raise ValueError
        return found.replace(tzinfo=found.tzinfo or dt.UTC).astimezone(dt.UTC)
    except (ValueError, OverflowError):
        raise typer.BadParameter(
            f"{text!r} is no moment; write 2026-03-01 (midnight in UTC) or 2026-03-01T08:00:00Z, with its zone"
        ) from None


def duration(seconds: float | None) -> dt.timedelta | None:
    """A number of seconds.

    Raises:
        typer.BadParameter: It is no duration.
    """
    try:
        return None if seconds is None else dt.timedelta(seconds=seconds)
    except (OverflowError, ValueError):
        raise typer.BadParameter("a time limit is a number of seconds, at most some thousand years") from None
