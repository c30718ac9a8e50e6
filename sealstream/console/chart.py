"""The chart of throughput, as SVG that says all with attributes: the strict policy lets no style in it be."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import leather
from leather import theme

WIDTH: Final = 900
HEIGHT: Final = 320
# Dark enough on white for WCAG AA, and apart from each other for those who see no red or green, by their dashes.
_STROKES: Final = (
    ("#0b4f6c", None),
    ("#9c4a00", "8 4"),
    ("#8b1a5c", "2 3"),
    ("#2f6b1f", "12 3 2 3"),
    ("#4a4a4a", "4 8"),
)
_FONT: Final = "system-ui, sans-serif"

# The library is themed as a whole.
for _name in ("axis_title", "legend", "tick", "title"):
    setattr(theme, f"{_name}_font_family", _FONT)
for _name in ("label_color", "legend_color", "title_color", "axis_title_color"):
    setattr(theme, _name, "#16222c")
theme.background_color = "#fff"
theme.tick_color = "#e6ebef"
theme.zero_color = "#6b7a86"


def minutes_chart(
    found: Sequence[tuple[dt.datetime, str, int]], minutes: Sequence[dt.datetime], word: Callable[[str], str]
) -> str:
    """A line for each outcome over these minutes; those in which nothing happened are zero.

    Args:
        word: What an outcome is called.
    """
    counts = {(minute, outcome): records for minute, outcome, records in found}
    outcomes = sorted({outcome for _, outcome, _ in found})
    chart = leather.Chart()
    # Four steps of whole records at the least.
    chart.add_y_scale(0, max(4, *counts.values()) if counts else 4)
    # Hours and minutes as numbers of minutes: a scale of times would choose its own ticks.
    last = len(minutes) - 1
    chart.add_x_scale(0, max(last, 1))
    ticks = sorted({round(last * part / 4) for part in range(5)})
    chart.add_x_axis(ticks=ticks, tick_formatter=lambda at, *_: minutes[int(at)].astimezone(dt.UTC).strftime("%H:%M"))
    for at, outcome in enumerate(outcomes or [""]):
        colour, dashes = _STROKES[at % len(_STROKES)]
        points = [(place, counts.get((minute, outcome), 0)) for place, minute in enumerate(minutes)]
        chart.add_line(points, name=word(outcome) or None, stroke_color=colour, stroke_dasharray=dashes)
    text: str = chart.to_svg(width=WIDTH, height=HEIGHT)
    # Its size is the page's to say, and what it shows is in the table.
    return text.replace("<svg ", f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" aria-hidden="true" ', 1)


def by_minute(found: Sequence[tuple[dt.datetime, str, int]]) -> Mapping[dt.datetime, Mapping[str, int]]:
    """What happened in each minute in which something did, the newest first."""
    table: dict[dt.datetime, dict[str, int]] = {}
    for minute, outcome, records in sorted(found, reverse=True):
        table.setdefault(minute, {})[outcome] = records
    return table
