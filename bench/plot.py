"""Charts as one SVG picture: bars with their ranges, and lines. No library: a few shapes and texts are all it takes."""

from collections.abc import Sequence
from typing import Final
from xml.sax.saxutils import escape

from bench.findings import BarChart, Chart, LineChart

WIDTH: Final = 820
_LABEL: Final = 250
_RIGHT: Final = 90
_ROW: Final = 24
_TITLE: Final = 34
_LINES_HEIGHT: Final = 170
_GAP: Final = 26
_COLOURS: Final = ("#1f6feb", "#bf5b04", "#2da44e", "#8250df", "#cf222e")
_GREY: Final = "#8b949e"


def svg(charts: Sequence[Chart]) -> str:
    """All charts, one below the other."""
    shapes: list[str] = []
    y = 10.0
    for chart in charts:
        body, height = _bars(chart, y) if isinstance(chart, BarChart) else _lines(chart, y)
        shapes += body
        y += height + _GAP
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y:.0f}" viewBox="0 0 {WIDTH} {y:.0f}" '
            'font-family="sans-serif" font-size="13">',
            '<rect width="100%" height="100%" fill="#ffffff"/>',
            *shapes,
            "</svg>",
            "",
        ]
    )


def _bars(chart: BarChart, top: float) -> tuple[list[str], float]:
    most = max((bar.high for bar in chart.bars), default=0) or 1
    scale = (WIDTH - _LABEL - _RIGHT) / most
    shapes = [_text(10, top + 18, f"{chart.title}, {chart.unit}", bold=True)]
    for number, bar in enumerate(chart.bars):
        y = top + _TITLE + number * _ROW
        middle = y + _ROW / 2 - 2
        end = _LABEL + bar.value * scale
        shapes += [
            _text(_LABEL - 8, middle + 4, bar.label, anchor="end"),
            f'<rect x="{_LABEL}" y="{y:.1f}" width="{end - _LABEL:.1f}" height="{_ROW - 6}" fill="{_COLOURS[0]}"/>',
            _line(_LABEL + bar.low * scale, middle, _LABEL + bar.high * scale, middle, "#000000"),
            _text(max(end, _LABEL + bar.high * scale) + 6, middle + 4, f"{bar.value:,.0f}"),
        ]
    return shapes, _TITLE + len(chart.bars) * _ROW


def _lines(chart: LineChart, top: float) -> tuple[list[str], float]:
    points = [point for line in chart.lines.values() for point in line]
    most_x = max((x for x, _ in points), default=0) or 1
    most_y = max((y for _, y in points), default=0) or 1
    left, right, bottom = 70.0, WIDTH - _RIGHT - 60.0, top + _TITLE + _LINES_HEIGHT

    def place(x: float, y: float) -> tuple[float, float]:
        return left + x / most_x * (right - left), bottom - y / most_y * _LINES_HEIGHT

    shapes = [
        _text(10, top + 18, f"{chart.title}, {chart.y_unit}", bold=True),
        _line(left, bottom, right, bottom, _GREY),
        _line(left, bottom, left, bottom - _LINES_HEIGHT, _GREY),
        _text(left - 6, bottom + 4, "0", anchor="end"),
        _text(left - 6, bottom - _LINES_HEIGHT + 4, f"{most_y:,.0f}", anchor="end"),
        _text(right, bottom + 18, f"{most_x:,.0f} {chart.x_unit}", anchor="end"),
    ]
    for number, (label, line) in enumerate(chart.lines.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(place, *zip(*line, strict=True)))
        shapes.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        shapes.append(_text(right + 10, top + _TITLE + 12 + 18 * number, label, colour=colour))
    return shapes, _TITLE + _LINES_HEIGHT + 22


def _text(x: float, y: float, text: str, *, anchor: str = "start", bold: bool = False, colour: str = "#000000") -> str:
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}"{weight}>{escape(text)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, colour: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"/>'
