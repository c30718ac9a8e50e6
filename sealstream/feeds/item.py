"""One message to publish. Signing and sending it are `sealstream.producing.publish`."""

from dataclasses import dataclass

from sealstream.feeds.fault import Fault

TRANSACTION_TYPE = "io.sealstream.transaction.v1"
STATEMENT_TYPE = "io.sealstream.statement.v1"
DOCUMENT_TYPE = "io.sealstream.document.v1"

TRANSACTIONS_TOPIC = "transactions"
STATEMENTS_TOPIC = "statements"
DOCUMENTS_TOPIC = "documents"


@dataclass(frozen=True, slots=True)
class FeedItem:
    """One message of a feed, not yet signed.

    Attributes:
        topic: Kafka topic.
        type: CloudEvents type.
        id: CloudEvents id; the same input gives the same id on every run.
        data: The payload as it will be published.
        datacontenttype: Media type of `data`.
        time: When it happened (RFC 3339), taken from the content so that a second run signs the same event; None when
            nothing says so.
        fault: Done to the message when it is signed; None for everything that is not a sample.
        key: Kafka key; None means the id, so that a repeat lands in the same partition.
        extensions: CloudEvents extension attributes, name and canonical text; all of them are signed.
    """

    topic: str
    type: str
    id: str
    data: bytes
    datacontenttype: str
    time: str | None = None
    fault: Fault | None = None
    key: bytes | None = None
    extensions: tuple[tuple[str, str], ...] = ()
