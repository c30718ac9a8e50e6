"""Bytes of the database that are not what they should be are told, and don't stop an audit."""

import pytest

from agents.audit.watermarks import read_watermark

NO_TEXT = b'{"cluster":"\xa8","group":"g","steps":[]}'


@pytest.mark.parametrize("watermark", [b"", b"{", NO_TEXT, b'{"x":' * 20_000])
def test_a_watermark_that_cannot_be_read_is_none(watermark: bytes) -> None:
    assert read_watermark(watermark) is None
