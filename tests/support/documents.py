"""Signed text documents."""

from sealstream.feeds import FeedItem

DOCUMENT_TYPE = "io.sealstream.document.v1"
IBAN = "DE89370400440532013000"


def document(
    name: str, text: str | bytes, media_type: str = "text/plain; charset=utf-8", urgency: str | None = None
) -> FeedItem:
    """A document message."""
    return FeedItem(
        topic="documents",
        type=DOCUMENT_TYPE,
        id=name,
        data=text.encode() if isinstance(text, str) else text,
        datacontenttype=media_type,
        time="2026-01-05T08:00:00Z",
        extensions=(("datalevel", "3"), *((("urgency", urgency),) if urgency else ())),
    )
