"""One `Ntry` becomes its transactions: itself, or its details when there are several and they add up.

Reading and checking the elements is `schemas.camt.content`'s part; keys and balances over many entries are
`schemas.camt.statement`'s and `schemas.camt.balance`'s.
"""

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal

from schemas.camt.content import Parts
from schemas.camt.parties import account_id, agent_bic, counterparty_of
from schemas.camt.values import Money
from schemas.errors import Rejection
from schemas.reasons import Reason
from schemas.transaction import CreditDebit, EntryStatus, Transaction

# FUTR is on the bank's books, but for a future day: marked like a pending entry, never counted as booked.
_STATUSES: dict[str, EntryStatus] = {"BOOK": "BOOK", "PDNG": "PDNG", "INFO": "INFO", "FUTR": "PDNG"}
_NOT_PROVIDED = "NOTPROVIDED"
# The standard bounds a line of remittance text (140), not how many there are.
MAX_REMITTANCE_CHARACTERS = 65_536


@dataclass(frozen=True, slots=True)
class StatementAccount:
    """The account a statement is about, as its entries repeat it."""

    account: str
    servicer: str | None


@dataclass(frozen=True, slots=True)
class EntryFacts:
    """What balances need of an entry, whether or not its details could be used."""

    money: Money
    credit_debit: CreditDebit
    booked: bool


def read_account(parts: Parts) -> StatementAccount:
    """The statement's account.

    Raises:
        Rejection: `schema_violation`; the account has no identification.
    """
    account = account_id(parts)
    if account is None:
        raise Rejection(Reason.SCHEMA_VIOLATION, "Acct has no identification")
    return StatementAccount(account, agent_bic(parts.get("Svcr")))


def entry_facts(entry: Parts) -> EntryFacts:
    """Amount, direction and status of an entry.

    Raises:
        Rejection: `schema_violation`; the status is proprietary or unknown, so nobody can say whether it is booked.
    """
    return EntryFacts(entry["Amt"], entry["CdtDbtInd"], _status(entry) == "BOOK")


def entry_transactions(entry: Parts, account: StatementAccount) -> list[Transaction]:
    """The transactions of an entry, in document order.

    Two or more `TxDtls`, over all its `NtryDtls`, stand for the entry when their amounts add up to its own; the count
    and total of `Btch` prove nothing more and are not asked. Any other entry is one transaction of the entry's amount.

    Raises:
        Rejection: `incomplete`; the details' amounts are missing, in another currency, or do not add up. `oversized`;
            a remittance text beyond `MAX_REMITTANCE_CHARACTERS`.
    """
    details: list[Parts] = [
        detail for block in entry.get("NtryDtls", ()) for detail in block.get("TxDtls", ())
    ] or entry.get("TxDtls", [])
    if len(details) < 2:
        return [_transaction(entry, details[0] if details else {}, account, entry["Amt"], entry["CdtDbtInd"])]
    total: Money = entry["Amt"]
    direction: CreditDebit = entry["CdtDbtInd"]
    transactions = []
    added = Decimal(0)
    for n, detail in enumerate(details, 1):
        money = _detail_money(detail, total.currency)
        if money is None:
            raise Rejection(Reason.INCOMPLETE, f"TxDtls {n} has no amount in the entry's currency")
        sign: CreditDebit = detail.get("CdtDbtInd") or direction
        added += money.amount if sign == direction else -money.amount
        transactions.append(_transaction(entry, detail, account, money, sign))
    if added != total.amount:
        raise Rejection(Reason.INCOMPLETE, f"the amounts of {len(details)} TxDtls do not add up to the entry's")
    return transactions


def _detail_money(detail: Parts, currency: str) -> Money | None:
    """Amount of one detail in the entry's currency: `Amt`, else the transaction amount, else the instructed one."""
    amounts: Parts = detail.get("AmtDtls") or {}
    for money in (detail.get("Amt"), *(amounts[name]["Amt"] for name in ("TxAmt", "InstdAmt") if name in amounts)):
        if money is not None and money.currency == currency:
            found: Money = money
            return found
    return None


def _transaction(
    entry: Parts, detail: Parts, account: StatementAccount, money: Money, credit_debit: CreditDebit
) -> Transaction:
    references: Parts = detail.get("Refs") or {}
    reversal: bool = entry.get("RvslInd", False)
    other = counterparty_of(detail, credit_debit, reversal=reversal)
    remittance, reference = _remittance(detail.get("RmtInf"))
    end_to_end_id: str | None = references.get("EndToEndId")
    return Transaction(
        amount=money.amount,
        currency=money.currency,
        credit_debit=credit_debit,
        status=_status(entry),
        reversal=reversal,
        booking_date=_date(entry.get("BookgDt")),
        value_date=_date(entry.get("ValDt")),
        account=account.account,
        account_servicer=account.servicer,
        counterparty_name=other.name,
        counterparty_account=other.account,
        counterparty_agent=other.agent,
        ultimate_counterparty_name=other.ultimate_name,
        end_to_end_id=None if end_to_end_id == _NOT_PROVIDED else end_to_end_id,
        instruction_id=references.get("InstrId"),
        transaction_id=references.get("TxId"),
        uetr=references.get("UETR"),
        mandate_id=references.get("MndtId"),
        entry_reference=entry.get("NtryRef"),
        account_servicer_reference=references.get("AcctSvcrRef") or entry.get("AcctSvcrRef"),
        structured_reference=reference,
        remittance_information=remittance,
        additional_information=detail.get("AddtlTxInf") or entry.get("AddtlNtryInf"),
        bank_transaction_code=_bank_code(detail.get("BkTxCd")) or _bank_code(entry["BkTxCd"]),
        purpose=_code(detail.get("Purp")),
    )


def _status(entry: Parts) -> EntryStatus:
    """`Sts` is a code itself up to version 06, and a choice of codes from 07."""
    status = entry["Sts"]
    code = status if isinstance(status, str) else status.get("Cd")
    if code not in _STATUSES:
        raise Rejection(Reason.SCHEMA_VIOLATION, "Sts: neither booked, pending, future nor information")
    return _STATUSES[code]


def _date(choice: Parts | None) -> dt.date | None:
    if choice is None:
        return None
    day: dt.date | None = choice.get("Dt") or choice.get("DtTm")
    return day


def _code(choice: Parts | None) -> str | None:
    if choice is None:
        return None
    code: str | None = choice.get("Cd") or choice.get("Prtry")
    return code


def _bank_code(code: Parts | None) -> str | None:
    """`DOMAIN-FAMILY-SUBFAMILY`, else `PRTRY:` and the bank's own code."""
    if code is None:
        return None
    if (domain := code.get("Domn")) is not None:
        parts = (domain["Cd"], domain["Fmly"]["Cd"], domain["Fmly"]["SubFmlyCd"])
        if None not in parts:
            return "-".join(parts)
    if (proprietary := code.get("Prtry")) is not None and proprietary["Cd"] is not None:
        return f"PRTRY:{proprietary['Cd']}"
    return None


def _remittance(information: Parts | None) -> tuple[str | None, str | None]:
    """Unstructured lines joined by a space, and the first creditor reference."""
    if information is None:
        return None, None
    text = " ".join(line for line in information.get("Ustrd", ()) if line) or None
    if text is not None and len(text) > MAX_REMITTANCE_CHARACTERS:
        raise Rejection(Reason.OVERSIZED, f"RmtInf: more than {MAX_REMITTANCE_CHARACTERS} characters")
    for block in information.get("Strd", ()):
        if (given := block.get("CdtrRefInf")) is not None:
            reference: str | None = given.get("Ref") or given.get("CdtrRef")
            if reference is not None:
                return text, reference
    return text, None
