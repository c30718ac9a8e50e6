import os
from pathlib import Path

import pytest

from schemas.errors import ConfigurationError
from schemas.events.attributes import MAX_MESSAGE_BYTES
from schemas.transaction_json import decode_transaction
from sealstream.producing.open_feed import open_feed

MODIFIED = 1_770_000_000


def write(tmp_path: Path, content: bytes) -> str:
    path = tmp_path / "day.jsonl"
    path.write_bytes(content)
    os.utime(path, (MODIFIED, MODIFIED))
    return str(path)


def published(tmp_path: Path, content: bytes) -> list[tuple[str, bytes]]:
    return [(item.id, item.data) for item in open_feed(write(tmp_path, content)).items()]


def test_the_id_names_the_event_and_every_other_member_keeps_its_text(tmp_path: Path) -> None:
    ((event_id, data),) = published(tmp_path, b'{"id": "A-1", "amount": 5.10, "currency": "EUR"}\n')
    assert (event_id, data) == ("A-1", b'{"amount":5.10,"currency":"EUR"}')
    assert decode_transaction(data).currency == "EUR"


def test_without_an_id_the_line_names_the_event_and_blank_lines_count(tmp_path: Path) -> None:
    lines = b'\xef\xbb\xbf{"amount": "1"}\r\n\r\n{"amount": "2"}'
    assert published(tmp_path, lines) == [("day#1", b'{"amount": "1"}'), ("day#3", b'{"amount": "2"}')]


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b'{"id": "A-1", "amount": ', id="cut-short"),
        pytest.param(b"not json", id="no-json"),
        pytest.param(b'["id"]', id="no-object"),
        pytest.param(b'{"id": "\xff", "amount": 1}', id="no-utf-8"),
        pytest.param(b'{"id": "a", "amount": 1, "amount": 2}', id="a-member-twice"),
        pytest.param(b'{"id": {"a": 1}, "amount": 1}', id="id-is-an-object"),
        pytest.param(b'{"id": "", "amount": 1}', id="id-is-empty"),
        pytest.param(b'{"id": "a\\u0000b", "amount": 1}', id="id-with-nul"),
        pytest.param(b'{"id": "' + b"a" * 2000 + b'", "amount": 1}', id="endless-id"),
        pytest.param(b'{"id": "a", "x": ' + b"[" * 100_000, id="deep"),
    ],
)
def test_a_bad_line_is_published_as_it_is(tmp_path: Path, line: bytes) -> None:
    content = b'{"id": 1, "amount": 1}\n' + line + b'\n{"id": 3, "amount": 3}\n'
    assert published(tmp_path, content) == [("1", b'{"amount":1}'), ("day#2", line), ("3", b'{"amount":3}')]


@pytest.mark.parametrize(
    ("line", "time"),
    [
        pytest.param(b'{"amount": 1, "booking_date": "2026-01-31"}', "2026-01-31T00:00:00Z", id="booking-date"),
        pytest.param(b'{"amount": 1, "value_date": "2026-01-30"}', "2026-01-30T00:00:00Z", id="value-date"),
        pytest.param(b'{"amount": 1, "booking_date": "31.1.2026"}', "2026-02-02T02:40:00Z", id="unreadable"),
        pytest.param(b"junk", "2026-02-02T02:40:00Z", id="junk"),
    ],
)
def test_the_time_comes_from_the_content_else_from_the_file(tmp_path: Path, line: bytes, time: str) -> None:
    assert [item.time for item in open_feed(write(tmp_path, line)).items()] == [time]


def test_a_line_without_end_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=f"line 2 is longer than {MAX_MESSAGE_BYTES} bytes"):
        published(tmp_path, b'{"amount": 1}\n' + b"x" * (MAX_MESSAGE_BYTES + 1))
