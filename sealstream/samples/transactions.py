"""Made-up transactions as JSON payloads, sound ones and ones the platform must refuse."""

import datetime as dt
from decimal import Decimal
from random import Random

import msgspec

from sealstream.samples.narratives import make_narrative
from sealstream.samples.parties import Party
from sealstream.samples.world import World, currency_of

TransactionMembers = dict[str, str]

_ENCODER = msgspec.json.Encoder()
_UNSAID_SHARE = 0.02


def make_transaction(rng: Random, world: World, number: int, date: dt.date) -> TransactionMembers:
    """One transaction; every member is a text, the amount too.

    A few leave out the currency, the direction or the other side's account, as some systems do.
    """
    account = world.account(rng)
    counterparty: Party = world.counterparty(rng, account)
    narrative = make_narrative(rng, counterparty)
    members = {
        "amount": str(narrative.amount),
        "currency": currency_of(account),
        "credit_debit": narrative.credit_debit,
        "status": "BOOK",
        "booking_date": date.isoformat(),
        "value_date": date.isoformat(),
        "account": account.iban,
        "counterparty_name": counterparty.name,
        "counterparty_account": counterparty.iban,
        "counterparty_agent": counterparty.bic,
        "end_to_end_id": f"E2E-{rng.randrange(10**10):010}",
        "account_servicer_reference": f"LDG{number:09}",
        "remittance_information": narrative.text,
        "bank_transaction_code": narrative.bank_transaction_code,
    }
    if rng.random() < _UNSAID_SHARE:
        del members[rng.choice(("currency", "credit_debit", "counterparty_account"))]
    return {name: text for name, text in members.items() if text}


def encode_transaction(members: TransactionMembers) -> bytes:
    """The payload."""
    return _ENCODER.encode(members)


def contradicting(members: TransactionMembers) -> TransactionMembers:
    """The same transaction with one cent more."""
    return members | {"amount": str(Decimal(members["amount"]) + Decimal("0.01"))}


def cut_short(payload: bytes) -> bytes:
    """A payload that is no JSON any more."""
    return payload[: len(payload) * 2 // 3]


def violating(rng: Random, members: TransactionMembers) -> TransactionMembers:
    """A transaction that breaks the schema in one of the ways producers do."""
    broken = rng.choice(
        (
            {"amount": f"-{members['amount']}"},
            {"amount": members["amount"].replace(".", ",")},
            {"currency": "EURO"},
            {"booking_date": "2026-02-30"},
            {"credit_debit": "D"},
            {"colour": "green"},
        )
    )
    return members | broken
