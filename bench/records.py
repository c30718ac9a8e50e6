"""The records that every variant gets: payments as a bank's feed has them, each signed by itself."""

from collections.abc import Iterator
from dataclasses import replace
from enum import StrEnum
from typing import Final

import msgspec

from sealstream.client import SignedRecord, Signer
from sealstream.feeds import TRANSACTION_TYPE, FeedItem
from sealstream.open_feed import open_feed
from sealstream.signed_items import sign_item
from security.signing import Signer as Key

__all__ = ["SOURCE", "Payload", "SignedRecord", "payloads", "signed_records"]

SOURCE: Final = "urn:sealstream:bench"

_BRIEF: Final = frozenset(
    {
        "amount", "currency", "credit_debit", "booking_date", "account", "counterparty_name", "counterparty_account",
        "end_to_end_id", "remittance_information",
    }
)  # fmt: skip


class Payload(StrEnum):
    """How much of a payment a record says."""

    BRIEF = "brief"
    """What a bank's list of transactions has for each: nine fields, 300 bytes on average."""

    FULL = "full"
    """With status, value date, agent, the servicer's reference and the bank transaction code: 470 bytes."""


def payloads(count: int, payload: Payload = Payload.BRIEF) -> Iterator[FeedItem]:
    """The transactions of the sample `clean-<count>`.

    The sample's statements are left out: a statement is one message with many records, and is signed once.
    """
    items = (item for item in open_feed(f"sample:clean-{count}").items() if item.type == TRANSACTION_TYPE)
    return map(_brief, items) if payload is Payload.BRIEF else items


def signed_records(count: int, key: Key, payload: Payload = Payload.BRIEF) -> Iterator[SignedRecord]:
    """The same ones, each with an Ed25519 signature of its own."""
    signer = Signer(SOURCE, key)
    return (sign_item(item, signer) for item in payloads(count, payload))


def _brief(item: FeedItem) -> FeedItem:
    said = msgspec.json.decode(item.data)
    return replace(item, data=msgspec.json.encode({name: said[name] for name in said if name in _BRIEF}))
