"""Which column of a bank's CSV export means what: headers by name, in the languages exports come in.

Reading the cells is `sealstream.feeds.csv_values`; a column nobody knows is not published.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# Columns that are not fields themselves: an amount that is a debit or a credit by the column it stands in.
DEBIT = "debit"
CREDIT = "credit"

# Where several columns mean one field, the one named first here is taken. Headers are compared without case, spaces
# and punctuation, so "Booking Date", "booking_date" and "BookingDate" are one.
_HEADERS: Mapping[str, str] = {
    "amount": (
        "amount, transaction amount, betrag, umsatz, bedrag, montant, importe, importo, belopp, 金额, 交易金额, 发生额"
    ),
    DEBIT: "debit, debit amount, withdrawal, paid out, soll, debet, débit, 借方, 借方金额, 借方发生额, 支出",
    CREDIT: "credit, credit amount, deposit, paid in, haben, crédit, 贷方, 贷方金额, 贷方发生额, 收入",
    "currency": "currency, currency code, ccy, währung, waehrung, munt, valuta, devise, moneda, 币种, 货币",
    "credit_debit": (
        "credit debit, credit debit indicator, cdtdbtind, dr cr, cr dr, debit credit, indicator, soll haben, "
        "af bij, d c, c d, 借贷, 借贷标志, 借贷方向, 收支"
    ),
    "status": "status",
    "reversal": "reversal, reversal indicator",
    "booking_date": (
        "booking date, posting date, transaction date, date, date processed, buchungstag, buchungsdatum, datum, fecha, "
        "date comptable, created, 记账日期, 交易日期, 交易时间, 日期"
    ),
    "value_date": "value date, valuta date, valutadatum, wertstellung, rentedatum, date de valeur, 起息日, 起息日期",
    "account": (
        "account, iban, own account, account number, auftragskonto, iban auftraggeberkonto, iban bban, 账号, 本方账号"
    ),
    "account_servicer": "account servicer, own bic, bic",
    "counterparty_name": (
        "counterparty name, payee, payer, beneficiary, beguenstigter zahlungspflichtiger, "
        "begünstigter zahlungspflichtiger, naam tegenpartij, counterparty, name, merchant, "
        "对方户名, 对方名称, 对手方, 收款人"
    ),
    "counterparty_account": (
        "counterparty account, counterparty iban, payee account, payee iban, counter account, kontonummer, "
        "tegenrekening iban bban, tegenrekening, 对方账号"
    ),
    "counterparty_agent": "counterparty agent, counterparty bic, bic tegenpartij, 对方银行, 对方开户行",
    "ultimate_counterparty_name": "ultimate counterparty name, ultimate counterparty, naam uiteindelijke partij",
    "end_to_end_id": "end to end id, end to end reference, reference, payment reference, referenz, eref",
    "instruction_id": "instruction id",
    "transaction_id": "transaction id",
    "uetr": "uetr",
    "mandate_id": "mandate id, mandate reference, mandatsreferenz, machtigingskenmerk",
    "entry_reference": "entry reference, ntryref",
    "account_servicer_reference": (
        "account servicer reference, bank reference, acctsvcrref, transactiereferentie, 流水号, 交易流水号"
    ),
    "structured_reference": "structured reference, creditor reference, betalingskenmerk",
    "remittance_information": (
        "remittance information, remittance, memo, description, text, details, narrative, verwendungszweck, "
        "message, purpose text, omschrijving, omschrijving 1, libellé, concepto, causale, 摘要, 附言, 用途, 备注"
    ),
    "additional_information": "additional information, buchungstext",
    "bank_transaction_code": "bank transaction code, bktxcd",
    "purpose": "purpose",
}


def _folded(header: str) -> str:
    return "".join(character for character in header.casefold() if character.isalnum())


_RANKS: Mapping[str, tuple[str, int]] = {
    _folded(header): (field, rank)
    for field, headers in _HEADERS.items()
    for rank, header in enumerate(headers.split(","))
}


@dataclass(frozen=True, slots=True)
class Columns:
    """The meaning of a header row.

    Attributes:
        positions: Field (or `DEBIT`, `CREDIT`) to the position of its column.
        unknown: Positions of columns that mean nothing to us.
        second: Positions of columns for a field that another column already gives.
        width: Columns in the header row.
    """

    positions: Mapping[str, int]
    unknown: tuple[int, ...]
    second: tuple[int, ...]
    width: int

    @property
    def has_amount(self) -> bool:
        """Whether any column holds amounts."""
        return not self.positions.keys().isdisjoint({"amount", DEBIT, CREDIT})


def recognise_columns(headers: Sequence[str]) -> Columns:
    """Find out what the columns of a header row mean."""
    best: dict[str, tuple[int, int]] = {}
    for position, header in enumerate(headers):
        field, rank = _RANKS.get(_folded(header), (None, 0))
        if field is not None and (rank, position) < best.get(field, (len(_RANKS), 0)):
            best[field] = (rank, position)
    positions = {field: position for field, (_, position) in best.items()}
    # An amount with its sign says it all, and so do a debit and a credit column: the others only repeat it.
    repeating = (
        {DEBIT, CREDIT} if "amount" in positions else {"credit_debit"} if {DEBIT, CREDIT} & positions.keys() else ()
    )
    positions = {field: position for field, position in positions.items() if field not in repeating}
    taken = set(positions.values())
    left = [position for position, header in enumerate(headers) if position not in taken and header.strip()]
    return Columns(
        positions=positions,
        unknown=tuple(position for position in left if _folded(headers[position]) not in _RANKS),
        second=tuple(position for position in left if _folded(headers[position]) in _RANKS),
        width=len(headers),
    )
