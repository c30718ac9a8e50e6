"""Builds small camt.053 messages for tests, in the forms that versions 02 and 08 ask for."""

ACCOUNT = "DE89370400440532013000"
HEADER = "<GrpHdr><MsgId>M-1</MsgId><CreDtTm>2026-04-30T17:00:00+02:00</CreDtTm></GrpHdr>"
BANK_CODE = "<BkTxCd><Prtry><Cd>XYZ</Cd></Prtry></BkTxCd>"


def namespace(version: int) -> str:
    return f"urn:iso:std:iso:20022:tech:xsd:camt.053.001.{version:02}"


def balance(code: str, amount: str, *, sign: str = "CRDT", currency: str = "EUR", day: str = "2026-04-10") -> str:
    return (
        f"<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp>"
        f'<Amt Ccy="{currency}">{amount}</Amt><CdtDbtInd>{sign}</CdtDbtInd><Dt><Dt>{day}</Dt></Dt></Bal>'
    )


def status(code: str, version: int) -> str:
    return f"<Sts><Cd>{code}</Cd></Sts>" if version >= 7 else f"<Sts>{code}</Sts>"


def entry(
    amount: str = "10.00",
    *,
    version: int = 8,
    currency: str = "EUR",
    sign: str = "CRDT",
    sts: str = "BOOK",
    reversal: str = "",
    reference: str | None = None,
    dates: str = "<BookgDt><Dt>2026-04-10</Dt></BookgDt><ValDt><Dt>2026-04-11</Dt></ValDt>",
    bank_reference: str | None = None,
    bank_code: str = BANK_CODE,
    details: str = "",
    info: str = "",
) -> str:
    return (
        "<Ntry>"
        + (f"<NtryRef>{reference}</NtryRef>" if reference else "")
        + f'<Amt Ccy="{currency}">{amount}</Amt><CdtDbtInd>{sign}</CdtDbtInd>'
        + (f"<RvslInd>{reversal}</RvslInd>" if reversal else "")
        + status(sts, version)
        + dates
        + (f"<AcctSvcrRef>{bank_reference}</AcctSvcrRef>" if bank_reference else "")
        + bank_code
        + details
        + (f"<AddtlNtryInf>{info}</AddtlNtryInf>" if info else "")
        + "</Ntry>"
    )


def statement(*entries: str, balances: str = balance("OPBD", "0"), account: str = "", head: str = "") -> str:
    account = account or f"<Id><IBAN>{ACCOUNT}</IBAN></Id>"
    return (
        f"<Stmt><Id>S-1</Id>{head}<CreDtTm>2026-04-30T17:00:00</CreDtTm>"
        f"<Acct>{account}</Acct>{balances}{''.join(entries)}</Stmt>"
    )


def message(*statements: str, version: int = 8, header: str = HEADER, prefix: str = "") -> bytes:
    body = "".join(statements)
    return (
        f'{prefix}<Document xmlns="{namespace(version)}"><BkToCstmrStmt>{header}{body}</BkToCstmrStmt></Document>'
    ).encode()
