"""`python -m bench.document`: docs/performance.md and its picture, from what the parts kept.

The prose is in `performance.template.md`; no figure is written by hand.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from string import Template
from typing import Final

from bench.aims import verdicts
from bench.findings import KEPT, Findings, Table, kept
from bench.plot import svg

PARTS: Final = (
    "throughput",
    "transport",
    "latency",
    "backlog",
    "steps",
    "trust",
    "log",
    "scheduling",
    "engines",
    "inference",
    "rows",
    "claims",
    "search",
)
"""In the order of the page."""

_DOCS: Final = Path(__file__).resolve().parents[1] / "docs"
_TEMPLATE: Final = Path(__file__).parent / "performance.template.md"
_LIBRARIES: Final = " · "


def write(directory: Path = _DOCS, source: Path = KEPT) -> Path:
    """Write page and picture; returns the page's path."""
    found = [each for part in PARTS if (each := kept(part, source)) is not None]
    page = directory / "performance.md"
    page.write_text(Template(_TEMPLATE.read_text()).substitute(aims=_aims(found), parts=_parts(found)))
    (directory / "performance.svg").write_text(svg([chart for each in found for chart in each.charts]))
    return page


def _aims(found: Sequence[Findings]) -> str:
    rows = [verdict.cells() for verdict in verdicts({each.part: each.figures for each in found})]
    return "\n".join(_markdown(("", "measured", "aim", "met"), rows))


def _parts(found: Sequence[Findings]) -> str:
    return "\n".join(line for each in found for line in _part(each)).strip()


def _part(found: Findings) -> Iterator[str]:
    machine = found.machine
    yield f"## {found.part.capitalize()}"
    yield ""
    yield f"`{found.command}`, {machine.date}, {_duration(found.seconds)}, on {found.broker}."
    yield f"{machine.line()}; {_LIBRARIES.join(f'{name} {version}' for name, version in machine.versions.items())}."
    yield ""
    yield from (f"- {_escaped(sentence)}" for sentence in found.setting)
    yield ""
    for table in found.tables:
        yield from _table(table)


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} minutes"


def _table(table: Table) -> Iterator[str]:
    yield f"**{table.title}**"
    yield ""
    yield from _markdown(table.columns, table.rows)
    yield ""
    for note in table.notes:
        yield note
        yield ""


def _markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    for number, row in enumerate((columns, *rows)):
        yield f"| {' | '.join(map(_escaped, row))} |"
        if number == 0:
            yield f"|---|{'--:|' * (len(columns) - 1)}"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    print(write())
