"""One movement on one account, whatever format it came in.

Decoding is elsewhere: JSON in `schemas.transaction_json`, bank formats in modules of their own (`schemas.camt`).
"""

import datetime as dt
from decimal import Decimal
from typing import Literal

import msgspec

CreditDebit = Literal["CRDT", "DBIT"]
EntryStatus = Literal["BOOK", "PDNG", "INFO"]


class Transaction(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A transaction as the platform sees it (camt.053 `TxDtls`, or one line of a ledger).

    What the producer did not say stays None; nothing is invented. The counterparty is the other side as seen from
    `account`: the debtor of a credit, the creditor of a debit.

    Attributes:
        amount: Never negative; the sign is `credit_debit`. At most 18 digits, 5 of them after the point.
        currency: ISO 4217 alphabetic code.
        credit_debit: Seen from `account`. None when the producer did not say.
        status: `BOOK` is booked; `PDNG` and `INFO` are marked and never counted as booked. None: the feed has no such
            notion.
        reversal: The entry cancels an earlier one; `credit_debit` already shows the net direction.
        account: IBAN or other identification of the account, without spaces.
        end_to_end_id: The payer's reference. `NOTPROVIDED` is kept as None.
        remittance_information: Unstructured text, the lines joined by a space.
        structured_reference: Creditor reference (ISO 11649, QRR or proprietary).
        bank_transaction_code: `DOMAIN-FAMILY-SUBFAMILY` of ISO 20022, else `PRTRY:` and the proprietary code.
        additional_information: The bank's own description of the entry.
    """

    amount: Decimal
    currency: str | None = None
    credit_debit: CreditDebit | None = None
    status: EntryStatus | None = None
    reversal: bool = False
    booking_date: dt.date | None = None
    value_date: dt.date | None = None
    account: str | None = None
    account_servicer: str | None = None
    counterparty_name: str | None = None
    counterparty_account: str | None = None
    counterparty_agent: str | None = None
    ultimate_counterparty_name: str | None = None
    end_to_end_id: str | None = None
    instruction_id: str | None = None
    transaction_id: str | None = None
    uetr: str | None = None
    mandate_id: str | None = None
    entry_reference: str | None = None
    account_servicer_reference: str | None = None
    structured_reference: str | None = None
    remittance_information: str | None = None
    additional_information: str | None = None
    bank_transaction_code: str | None = None
    purpose: str | None = None
