"""Kafka records of feed items: signed one by one, or many under one signature. Sending them is `sealstream.publish`."""

import os
from collections.abc import Sequence

import msgspec

from schemas.events import Event, binary_headers
from sealstream.feeds.fault import Fault
from sealstream.feeds.item import FeedItem
from sealstream.samples.spoiling import spoil
from security.batch_signing import batch_materials
from security.signing import Signer
from security.verifiability import with_signature

Headers = list[tuple[str, bytes]]
Signed = tuple[Headers, bytes, bytes]
"""Headers, value and key of a record."""


def sign_item(item: FeedItem, source: str, signer: Signer, *cosigners: Signer) -> Signed:
    """Make the Kafka record of an item: a signed CloudEvent in binary mode, with the item's fault done to it.

    Args:
        item: What to publish.
        source: CloudEvents source.
        signer: The key to sign with.
        cosigners: Further keys that sign too.

    Raises:
        SigningRefusedError: An attribute has no form that could be signed.
    """
    event = _event(item, source)
    if item.fault is not Fault.UNSIGNED:
        event = with_signature(event, signer, tuple(event.extensions), cosigners)
    return _record(item, event)


def sign_batch(items: Sequence[FeedItem], source: str, *signers: Signer) -> list[Signed]:
    """Make the Kafka records of items under one signature of each signer, in the order of the items.

    Args:
        items: What to publish; an item that a sample wants unsigned stays out of the batch.
        source: CloudEvents source.
        signers: The keys that sign.

    Raises:
        SigningRefusedError: An attribute of one has no form that could be signed.
    """
    events = [_event(item, source) for item in items]
    signed = [n for n, item in enumerate(items) if item.fault is not Fault.UNSIGNED]
    if signed:
        asked = [(events[n], tuple(events[n].extensions)) for n in signed]
        for n, material in zip(signed, batch_materials(asked, signers, os.urandom), strict=True):
            events[n] = msgspec.structs.replace(events[n], batchmaterial=material.decode())
    return [_record(item, event) for item, event in zip(items, events, strict=True)]


def _event(item: FeedItem, source: str) -> Event:
    return Event(
        id=item.id,
        source=source,
        type=item.type,
        datacontenttype=item.datacontenttype,
        time=item.time,
        data=item.data,
        extensions=dict(item.extensions),
    )


def _record(item: FeedItem, event: Event) -> Signed:
    headers = binary_headers(event)
    value = item.data
    # An id keeps its partition, so that a repeat comes after what it repeats.
    key = item.id.encode() if item.key is None else item.key
    if item.fault is not None:
        headers, value = spoil(headers, value, item.fault)
    return headers, value, key
