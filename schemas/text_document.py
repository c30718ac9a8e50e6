"""Text documents: from a payload's bytes to its text by the charset that was declared, or the reason why not.

What becomes of the text is agents.commits.routing's and agents.lanes' part.
"""

import re
from typing import Final

from schemas.errors import Rejection
from schemas.reasons import Reason

MAX_CHARACTERS: Final = 100_000
"""Characters of a text document; some forty pages. A longer one is `oversized`: split it."""

_CHARSETS: Final = {
    **dict.fromkeys(("utf-8", "utf8", "us-ascii"), "utf-8"),
    **dict.fromkeys(("iso-8859-1", "latin1"), "iso-8859-1"),
    "iso-8859-15": "iso-8859-15",
    "windows-1252": "windows-1252",
    "utf-16": "utf-16",
    # GB 18030 holds GB 2312 and GBK, and is what GB 18030-2022 asks of a reader.
    **dict.fromkeys(("gb18030", "gbk", "gb2312"), "gb18030"),
    "big5": "big5",
}
_CHARSET: Final = re.compile(r';\s*charset\s*=\s*"?([^\s";]+)"?', re.IGNORECASE)
_CONTROL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")
"""C0 but for the tab and both characters of a line's end."""


def is_text(media_type: str | None) -> bool:
    """Whether a media type is one of text."""
    return media_type is not None and media_type.lstrip()[:5].lower() == "text/"


def decode_text(data: bytes, media_type: str) -> str:
    """The text of a document.

    Raises:
        Rejection: `unreadable_document` when it is empty, not in its charset or holds control characters, or the
            charset is none of ours; `oversized` when it is too long.
    """
    found = _CHARSET.search(media_type)
    charset = _CHARSETS.get(found[1].lower()) if found else "utf-8"
    if charset is None:
        raise Rejection(Reason.UNREADABLE_DOCUMENT, "the charset of the document is none that is read")
    try:
        text = data.decode(charset)
    except UnicodeDecodeError:
        raise Rejection(Reason.UNREADABLE_DOCUMENT, f"the document is not in its charset, {charset}") from None
    if not text.strip():
        raise Rejection(Reason.UNREADABLE_DOCUMENT, "the document is empty")
    if len(text) > MAX_CHARACTERS:
        raise Rejection(Reason.OVERSIZED, f"the document has more than {MAX_CHARACTERS} characters")
    if _CONTROL.search(text):
        raise Rejection(Reason.UNREADABLE_DOCUMENT, "the document holds control characters")
    return text
