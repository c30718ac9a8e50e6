"""From bytes to text by the charset that was declared."""

import pytest

from schemas.errors import Rejection
from schemas.reasons import Reason
from schemas.text_document import MAX_CHARACTERS, decode_text, is_text


@pytest.mark.parametrize(
    ("media_type", "expected"),
    [("text/plain", True), (" Text/Markdown; charset=utf-8", True), ("application/pdf", False), (None, False)],
)
def test_what_is_text(media_type: str | None, expected: bool) -> None:
    assert is_text(media_type) is expected


@pytest.mark.parametrize(
    ("data", "media_type", "text"),
    [
        pytest.param("Zoé 王伟".encode(), "text/plain", "Zoé 王伟", id="utf-8-by-default"),
        pytest.param("王伟".encode("gb18030"), 'text/plain; charset="GBK"', "王伟", id="gbk"),
        pytest.param("Zoé".encode("latin-1"), "text/plain;charset=ISO-8859-1", "Zoé", id="latin-1"),
        pytest.param("Zoé".encode("utf-16"), "text/plain; charset=utf-16", "Zoé", id="utf-16"),
        pytest.param(b"a\tb\r\nc", "text/plain", "a\tb\r\nc", id="tab-and-line-end"),
        pytest.param("שלום \u202eabc".encode(), "text/plain", "שלום \u202eabc", id="right-to-left"),
        pytest.param(b"x" * MAX_CHARACTERS, "text/plain", "x" * MAX_CHARACTERS, id="as-long-as-may-be"),
    ],
)
def test_what_is_read(data: bytes, media_type: str, text: str) -> None:
    assert decode_text(data, media_type) == text


@pytest.mark.parametrize(
    ("data", "media_type", "reason"),
    [
        pytest.param(b"", "text/plain", Reason.UNREADABLE_DOCUMENT, id="empty"),
        pytest.param(b"\xff", "text/plain", Reason.UNREADABLE_DOCUMENT, id="not-in-its-charset"),
        pytest.param(b"\xed\xa0\x80", "text/plain", Reason.UNREADABLE_DOCUMENT, id="surrogate"),
        pytest.param(b"a\x0cb", "text/plain", Reason.UNREADABLE_DOCUMENT, id="form-feed"),
        pytest.param(b"a", "text/plain; charset=rot13", Reason.UNREADABLE_DOCUMENT, id="no-charset-of-ours"),
        pytest.param(b"x" * (MAX_CHARACTERS + 1), "text/plain", Reason.OVERSIZED, id="too-long"),
    ],
)
def test_what_is_refused(data: bytes, media_type: str, reason: Reason) -> None:
    with pytest.raises(Rejection) as refused:
        decode_text(data, media_type)
    assert refused.value.reason is reason
