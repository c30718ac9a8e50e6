"""Which kind of transaction an ISO 20022 bank transaction code means: the gold labels of the evaluation.

Codes are those of the ISO 20022 external code set (domain, family, sub-family). Proprietary codes mean nothing without
their issuer's list and have no kind, except a few that are plain words.
"""

from collections.abc import Mapping

# Sub-families that mean the same under every domain and family. They go first: a charge is a fee whatever it is for.
KIND_BY_SUBFAMILY: Mapping[str, str] = {
    "CHRG": "fee", "COMM": "fee", "COME": "fee", "COMI": "fee", "COMT": "fee", "FEES": "fee",
    "INTR": "interest", "DINT": "interest",
    "TAXE": "tax",
    "SALA": "salary", "PAYR": "salary",
    "STDO": "standing_order",
    "RRTN": "return", "ARET": "return", "RPCR": "return", "UPCT": "return", "UPDD": "return", "UPCQ": "return",
    "PRDD": "return", "RCDD": "return", "ARPD": "return", "RIMB": "return", "CQRV": "return",
    "CWDL": "cash_withdrawal", "XBCW": "cash_withdrawal", "BCWD": "cash_withdrawal", "FCWD": "cash_withdrawal",
    "CDPT": "cash_deposit", "BCDP": "cash_deposit", "FCDP": "cash_deposit", "MIXD": "cash_deposit",
}  # fmt: skip

KIND_BY_FAMILY: Mapping[str, str] = {
    "PMNT-RCDT": "credit_transfer_in",
    "PMNT-RRCT": "credit_transfer_in",
    "PMNT-ICDT": "credit_transfer_out",
    "PMNT-IRCT": "credit_transfer_out",
    "PMNT-RDDT": "direct_debit",
    "PMNT-IDDT": "direct_debit",
    "PMNT-CCRD": "card_payment",
    "PMNT-MCRD": "card_payment",
    "PMNT-RCHQ": "cheque",
    "PMNT-ICHQ": "cheque",
    "PMNT-DRFT": "other",
    "CAMT-ACCB": "other",
    "CAMT-CAPL": "other",
    "ACMT-OPCL": "other",
    "ACMT-ACOP": "other",
}

# Domains whose entries are none of the payment kinds, whatever the family.
KIND_BY_DOMAIN: Mapping[str, str] = {
    "SECU": "other",
    "LDAS": "other",
    "FORX": "other",
    "DERV": "other",
    "TRAD": "other",
    "PMET": "other",
    "CMDT": "other",
}

KIND_BY_PROPRIETARY_WORDS: Mapping[str, str] = {
    "ach credit payment": "credit_transfer_out",
    "ach credit receipt": "credit_transfer_in",
    "ach credit reject": "return",
    "ach credit payment return": "return",
    "incoming wire": "credit_transfer_in",
}


def kind_of_code(code: str) -> str | None:
    """Kind of a bank transaction code.

    Args:
        code: `DOMAIN-FAMILY-SUBFAMILY`, or `PRTRY:` and a proprietary code, as in `Transaction.bank_transaction_code`.

    Returns:
        One of `sealstream.samples.narratives.KINDS`, or None when the code does not say.
    """
    if code.startswith("PRTRY:"):
        return KIND_BY_PROPRIETARY_WORDS.get(code.removeprefix("PRTRY:").strip().casefold())
    domain, _, rest = code.partition("-")
    family, _, subfamily = rest.partition("-")
    if domain not in _DOMAINS:
        return None
    return KIND_BY_SUBFAMILY.get(subfamily) or KIND_BY_FAMILY.get(f"{domain}-{family}") or KIND_BY_DOMAIN.get(domain)


_DOMAINS = frozenset({"PMNT", "ACMT", "CAMT", *KIND_BY_DOMAIN})
