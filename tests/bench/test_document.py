from pathlib import Path
from xml.etree import ElementTree

import msgspec

from bench.document import write
from bench.findings import Bar, BarChart, Found, LineChart, Table, findings, keep, kept
from bench.text import lines

FOUND = Found(
    broker="a broker",
    setting=["Measured <so>."],
    figures={"ours": 7_100.0, "ours/reference": 0.75},
    tables=[Table("Speed", ("", "records/s"), [("a | b", "1,234")], ["A note."])],
    charts=[
        BarChart("Bars & ranges", "records/s", [Bar("one", 10.0, 8.0, 12.0), Bar("none", 0.0, 0.0, 0.0)]),
        LineChart("Lines", "s", "MB", {"a": [(0.0, 1.0), (1.0, 2.0)]}),
    ],
)


def test_what_was_kept_is_what_was_found(tmp_path: Path) -> None:
    found = findings("throughput", "python -m bench.throughput", 12.34, FOUND)
    keep(found, tmp_path)
    assert msgspec.json.encode(kept("throughput", tmp_path)) == msgspec.json.encode(found)
    assert kept("transport", tmp_path) is None


def test_the_page_holds_figures_aims_machine_and_command(tmp_path: Path) -> None:
    keep(findings("throughput", "python -m bench.throughput --rounds 1", 90.0, FOUND), tmp_path)
    page = write(tmp_path, tmp_path).read_text()
    assert "`python -m bench.throughput --rounds 1`" in page
    assert "| individually signed transactions, 2 processes | 7,100/s | at least 7,000/s | yes |" in page
    assert "| this pipeline over the reference loop, 2 processes | 0.75x | at least 0.8x | NO |" in page
    assert "| a \\| b | 1,234 |" in page
    assert "faust-streaming" in page
    assert "$" not in page


def test_the_picture_is_well_formed_and_names_every_chart(tmp_path: Path) -> None:
    keep(findings("throughput", "", 1, FOUND), tmp_path)
    write(tmp_path, tmp_path)
    picture = ElementTree.parse(tmp_path / "performance.svg")
    texts = {element.text for element in picture.iter() if element.tag.endswith("text")}
    assert {"Bars & ranges, records/s", "Lines, MB", "one", "a"} <= texts


def test_a_terminal_shows_every_cell() -> None:
    text = "\n".join(lines(findings("throughput", "", 1, FOUND)))
    for part in ("a broker", "Measured <so>.", "a | b  ", "1,234", "A note."):
        assert part in text
