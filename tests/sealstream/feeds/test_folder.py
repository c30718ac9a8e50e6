import os
from pathlib import Path

import pytest

from schemas.errors import ConfigurationError
from schemas.events.attributes import MAX_MESSAGE_BYTES
from sealstream.producing.open_feed import open_feed
from tests.shared_data import shared

XML = (
    b'<Document xmlns="urn:x"><GrpHdr><MsgId>1</MsgId><CreDtTm>2026-01-31T10:00:00+01:00</CreDtTm></GrpHdr></Document>'
)
MODIFIED = 1_770_000_000


def write(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (MODIFIED, MODIFIED))
    return path


def test_an_xml_file_is_one_statement_byte_for_byte(tmp_path: Path) -> None:
    (item,) = open_feed(str(write(tmp_path / "a.XML", XML))).items()
    assert (item.topic, item.type, item.id) == ("statements", "io.sealstream.statement.v1", "a.XML")
    assert (item.data, item.datacontenttype, item.time) == (XML, "application/xml", "2026-01-31T09:00:00Z")


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"<a/>", id="no-header"),
        pytest.param(b"<CreDtTm>2026-02-30T10:00:00Z</CreDtTm>", id="no-such-day"),
        pytest.param(b" " * 20_000 + XML, id="far-in"),
    ],
)
def test_a_message_that_tells_no_time_has_that_of_its_file(tmp_path: Path, content: bytes) -> None:
    (item,) = open_feed(str(write(tmp_path / "a.xml", content))).items()
    assert (item.data, item.time) == (content, "2026-02-02T02:40:00Z")


def test_an_mt940_file_is_a_statement_in_plain_text(tmp_path: Path) -> None:
    (item,) = open_feed(str(write(tmp_path / "a.sta", b":20:STMT\r\n-"))).items()
    assert (item.type, item.data, item.datacontenttype) == (
        "io.sealstream.statement.v1",
        b":20:STMT\r\n-",
        "text/plain",
    )


def test_a_folder_is_all_its_feeds_in_the_order_of_their_paths(tmp_path: Path) -> None:
    write(tmp_path / "b" / "day.csv", b"amount\n1\n2\n")
    write(tmp_path / "a" / "day.csv", b"amount,colour\n3\n")
    write(tmp_path / "a" / "day.jsonl", b'{"amount": 1}')
    write(tmp_path / "c.xml", XML)
    write(tmp_path / "README.md", b"x")
    write(tmp_path / "broken.csv", b"x\n1\n")
    write(tmp_path / ".hidden" / "day.csv", b"amount\n9\n")
    (tmp_path / "link.xml").symlink_to(tmp_path / "c.xml")
    feed = open_feed(str(tmp_path))
    assert [item.id for item in feed.items()] == [
        "a/day.csv#1", "a/day.jsonl#1", "b/day.csv#1", "b/day.csv#2", "c.xml",
    ]  # fmt: skip
    assert {left_out.name for left_out in feed.ignored} == {"README.md", "broken.csv", "a/day.csv: column colour"}
    assert feed.expectation is None


def test_of_the_iso_20022_collection_only_its_messages_count() -> None:
    folder = shared("data/iso20022")
    feed = open_feed(str(folder))
    items = list(feed.items())
    assert len(items) == len([path for path in folder.rglob("*") if path.suffix == ".xml"])
    assert all(item.id.startswith("messages/") and item.datacontenttype == "application/xml" for item in items)
    assert {left_out.name for left_out in feed.ignored if left_out.name.endswith(".xsd")}


@pytest.mark.parametrize(
    ("name", "content", "fact"),
    [
        pytest.param("a.pdf", b"%PDF", "feeds end in .csv, .jsonl, .xml or .sta", id="other-format"),
        pytest.param("a\nb.xml", XML, "rename the file", id="name-with-line-break"),
        pytest.param("big.xml", bytes(MAX_MESSAGE_BYTES + 1), "longer than", id="too-long"),
    ],
)
def test_a_file_that_is_no_feed_is_a_clear_error(tmp_path: Path, name: str, content: bytes, fact: str) -> None:
    with pytest.raises(ConfigurationError, match=fact):
        open_feed(str(write(tmp_path / name, content)))


@pytest.mark.parametrize(
    ("feed", "fact"),
    [
        pytest.param("/nowhere/at/all.csv", "there is no feed", id="no-file"),
        pytest.param("sample:huge", "there is no sample", id="no-sample"),
        pytest.param("sample:clean-0", "there is no sample", id="no-size"),
        pytest.param("", "there is no feed", id="empty-name"),
        pytest.param("a" * 5_000, "can't read the feed", id="name-too-long"),
        pytest.param("a\0b", "there is no feed", id="nul"),
    ],
)
def test_a_feed_that_is_not_there_is_a_clear_error(feed: str, fact: str) -> None:
    with pytest.raises(ConfigurationError, match=fact):
        open_feed(feed)


def test_an_empty_folder_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="nothing to publish"):
        open_feed(str(tmp_path))
