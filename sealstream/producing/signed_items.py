"""Feed items as messages to sign, and the faults of samples done to the records. Signing them is sealstream.client."""

from collections.abc import Sequence

from sealstream.client import Message, SignedRecord, Signer
from sealstream.closing_book import ClosingBook
from sealstream.feeds.item import FeedItem
from sealstream.samples.spoiling import spoil


def sign_item(item: FeedItem, signer: Signer, book: ClosingBook | None = None) -> SignedRecord:
    """The record of an item, with the item's fault done to it.

    Args:
        book: Gets the record as it was signed.

    Raises:
        SigningRefusedError: As `Signer.sign` and `ClosingBook.add`.
    """
    return _with_fault(item, _entered(signer.sign(_message(item)), book))


def sign_batch(items: Sequence[FeedItem], signer: Signer, book: ClosingBook | None = None) -> list[SignedRecord]:
    """The records of items under one signature of each key, in order, with their faults done to them.

    Args:
        book: Gets the records as they were signed.

    Raises:
        SigningRefusedError: As `Signer.sign_batch` and `ClosingBook.add`.
    """
    signed = signer.sign_batch([_message(item) for item in items])
    return [_with_fault(item, _entered(record, book)) for item, record in zip(items, signed, strict=True)]


def _entered(record: SignedRecord, book: ClosingBook | None) -> SignedRecord:
    if book is not None:
        book.add(record)
    return record


def _message(item: FeedItem) -> Message:
    return Message(
        id=item.id,
        type=item.type,
        data=item.data,
        datacontenttype=item.datacontenttype,
        time=item.time,
        extensions=dict(item.extensions),
        key=item.key,
    )


def _with_fault(item: FeedItem, record: SignedRecord) -> SignedRecord:
    if item.fault is None:
        return record
    headers, value = spoil(record.headers, record.value, item.fault)
    return SignedRecord(headers, value, record.key)
