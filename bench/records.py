"""The records that every variant gets: payments as a bank's feed has them, signed by themselves or in batches."""

from collections.abc import Iterator
from dataclasses import replace
from enum import StrEnum
from itertools import islice
from typing import Final

import msgspec

from sealstream.client import SignedRecord, Signer
from sealstream.feeds import TRANSACTION_TYPE, FeedItem
from sealstream.producing.open_feed import open_feed
from sealstream.producing.signed_items import sign_batch, sign_item
from security.signing import Signer as Key

__all__ = ["BATCH", "SOURCE", "Payload", "SignedRecord", "payloads", "signed_records"]

SOURCE: Final = "urn:sealstream:bench"
BATCH: Final = 256
"""Records under one signature, where they are attested in batches."""

_BRIEF: Final = frozenset(
    {
        "amount", "currency", "credit_debit", "booking_date", "account", "counterparty_name", "counterparty_account",
        "end_to_end_id", "remittance_information",
    }
)  # fmt: skip


class Payload(StrEnum):
    """How much of a payment a record says, and how it is signed."""

    BRIEF = "brief"
    """What a bank's list of transactions has for each: nine fields, 300 bytes on average."""

    FULL = "full"
    """With status, value date, agent, the servicer's reference and the bank transaction code: 470 bytes."""

    ATTESTED = "attested"
    """As brief ones, with one signature for a batch of them."""


def payloads(count: int, payload: Payload = Payload.BRIEF) -> Iterator[FeedItem]:
    """The transactions of the sample `clean-<count>`.

    The sample's statements are left out: a statement is one message with many records, and is signed once.
    """
    items = (item for item in open_feed(f"sample:clean-{count}").items() if item.type == TRANSACTION_TYPE)
    return items if payload is Payload.FULL else map(_brief, items)


def signed_records(count: int, key: Key, payload: Payload = Payload.BRIEF) -> Iterator[SignedRecord]:
    """The same ones, each with an Ed25519 signature of its own unless they are attested in batches."""
    signer, items = Signer(SOURCE, key), payloads(count, payload)
    if payload is not Payload.ATTESTED:
        return (sign_item(item, signer) for item in items)
    return (each for batch in iter(lambda: list(islice(items, BATCH)), []) for each in sign_batch(batch, signer))


def _brief(item: FeedItem) -> FeedItem:
    said = msgspec.json.decode(item.data)
    return replace(item, data=msgspec.json.encode({name: said[name] for name in said if name in _BRIEF}))
