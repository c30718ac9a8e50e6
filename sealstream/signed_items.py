"""Feed items as messages to sign, and the faults of samples done to the records. Signing them is sealstream.client."""

from collections.abc import Sequence

from sealstream.client import Message, SignedRecord, Signer
from sealstream.feeds.item import FeedItem
from sealstream.samples.spoiling import spoil


def sign_item(item: FeedItem, signer: Signer) -> SignedRecord:
    """The record of an item, with the item's fault done to it.

    Raises:
        SigningRefusedError: As `Signer.sign`.
    """
    return _with_fault(item, signer.sign(_message(item)))


def sign_batch(items: Sequence[FeedItem], signer: Signer) -> list[SignedRecord]:
    """The records of items under one signature of each key, in order, with their faults done to them.

    Raises:
        SigningRefusedError: As `Signer.sign_batch`.
    """
    signed = signer.sign_batch([_message(item) for item in items])
    return [_with_fault(item, record) for item, record in zip(items, signed, strict=True)]


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
