"""What entries of each kind look like apart from their words: sign, amount, how silent they are, their codes."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Shape:
    """How entries of one kind look apart from their words.

    `median` and `spread` are those of a log-normal amount; `step` rounds it (cash comes in notes); `codes` are
    (credit, debit); `bank_share` is how often the bank's own words stand beside the payer's.
    """

    credit_share: float
    median: float
    spread: float
    codes: tuple[tuple[str, ...], tuple[str, ...]]
    step: Decimal | None = None
    empty_share: float = 0.02
    bank_share: float = 0.85


SHAPES: Mapping[str, Shape] = {
    "credit_transfer_in": Shape(
        1.0,
        600,
        2.3,
        (("PMNT-RCDT-ESCT", "PMNT-RCDT-DMCT", "PMNT-RCDT-XBCT", "PMNT-RCDT-BOOK", "PMNT-RRCT-ESCT"), ()),
        empty_share=0.3,
        bank_share=0.55,
    ),
    "credit_transfer_out": Shape(
        0.0,
        500,
        2.3,
        ((), ("PMNT-ICDT-ESCT", "PMNT-ICDT-DMCT", "PMNT-ICDT-XBCT", "PMNT-ICDT-BOOK", "PMNT-IRCT-ESCT")),
        empty_share=0.3,
        bank_share=0.55,
    ),
    "direct_debit": Shape(
        0.2, 85, 1.3, (("PMNT-IDDT-ESDD", "PMNT-IDDT-BBDD"), ("PMNT-RDDT-ESDD", "PMNT-RDDT-BBDD", "PMNT-RDDT-PMDD"))
    ),
    "standing_order": Shape(0.1, 450, 1.0, (("PMNT-RCDT-STDO",), ("PMNT-ICDT-STDO",)), Decimal(5)),
    "card_payment": Shape(0.1, 32, 1.1, (("PMNT-MCRD-POSP", "PMNT-CCRD-POSD"), ("PMNT-CCRD-POSD", "PMNT-CCRD-XBCP"))),
    "cash_withdrawal": Shape(0.0, 120, 0.8, ((), ("PMNT-CCRD-CWDL", "PMNT-CNTR-CWDL", "PMNT-CCRD-XBCW")), Decimal(10)),
    "cash_deposit": Shape(1.0, 700, 1.3, (("PMNT-CNTR-CDPT", "PMNT-CNTR-BCDP", "PMNT-CCRD-CDPT"), ()), Decimal(5)),
    "cheque": Shape(0.6, 480, 1.4, (("PMNT-RCHQ-CCHQ", "PMNT-RCHQ-URCQ"), ("PMNT-ICHQ-CCHQ", "PMNT-ICHQ-BCHQ"))),
    "fee": Shape(0.03, 8, 1.2, (("ACMT-MCOP-CHRG",), ("PMNT-ICDT-CHRG", "ACMT-MDOP-CHRG", "ACMT-MDOP-FEES"))),
    "interest": Shape(0.6, 18, 1.9, (("ACMT-MCOP-INTR",), ("ACMT-MDOP-INTR", "LDAS-CSLN-INTR"))),
    "salary": Shape(0.6, 2600, 0.6, (("PMNT-RCDT-SALA",), ("PMNT-ICDT-SALA",))),
    "tax": Shape(0.2, 900, 1.6, (("ACMT-MCOP-TAXE", "PMNT-MCOP-TAXE"), ("ACMT-MDOP-TAXE", "PMNT-MDOP-TAXE"))),
    "return": Shape(0.7, 180, 1.5, (("PMNT-ICDT-RRTN", "PMNT-RDDT-UPDD"), ("PMNT-IDDT-UPDD", "PMNT-RCDT-RRTN"))),
    "other": Shape(
        0.45,
        5000,
        2.0,
        (
            ("SECU-CORP-DVCA", "LDAS-FTLN-DDWN", "CAMT-CAPL-ZABA", "FORX-SPOT-OTHR"),
            ("SECU-SETT-TRAD", "LDAS-FTLN-PPAY", "CAMT-CAPL-ZABA", "FORX-SPOT-OTHR"),
        ),
    ),
}
