"""Made-up bank statements as camt.053.001.08. What happens on the accounts is `sealstream.samples.statement_series`."""

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal
from xml.sax.saxutils import escape

from sealstream.samples.parties import Party

_LINE = 140
_NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"


@dataclass(frozen=True, slots=True)
class SampleDetail:
    """One payment of an entry."""

    amount: Decimal
    counterparty: Party
    end_to_end_id: str
    text: str


@dataclass(frozen=True, slots=True)
class SampleEntry:
    """One entry; its amount is that of its details, unless it is there to be refused.

    Attributes:
        stated_amount: The amount as the message writes it.
    """

    amount: Decimal
    credit_debit: Literal["CRDT", "DBIT"]
    status: Literal["BOOK", "PDNG", "INFO"]
    date: dt.date
    reference: str
    bank_transaction_code: str
    details: tuple[SampleDetail, ...]
    stated_amount: str

    @property
    def booked_amount(self) -> Decimal:
        """What the entry adds to the balance."""
        if self.status != "BOOK":
            return Decimal(0)
        return self.amount if self.credit_debit == "CRDT" else -self.amount


@dataclass(frozen=True, slots=True)
class SampleStatement:
    """One message with one statement."""

    message_id: str
    number: int
    account: Party
    currency: str
    date: dt.date
    opening: Decimal
    closing: Decimal
    entries: tuple[SampleEntry, ...]

    @property
    def created_at(self) -> str:
        """When the bank made it: the evening of its day."""
        return f"{self.date.isoformat()}T22:30:00Z"


def render_statement(statement: SampleStatement) -> bytes:
    """The message in UTF-8."""
    account = statement.account
    parts = [
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Document xmlns="{_NAMESPACE}"><BkToCstmrStmt>'
        f"<GrpHdr><MsgId>{statement.message_id}</MsgId><CreDtTm>{statement.created_at}</CreDtTm></GrpHdr>"
        f"<Stmt><Id>{statement.message_id}-1</Id><ElctrncSeqNb>{statement.number}</ElctrncSeqNb>"
        f"<CreDtTm>{statement.created_at}</CreDtTm>"
        f"<Acct>{_account_id(account)}<Ccy>{statement.currency}</Ccy><Ownr><Nm>{escape(account.name)}</Nm></Ownr>"
        f"<Svcr><FinInstnId><BICFI>{account.bic}</BICFI></FinInstnId></Svcr></Acct>",
        _balance("OPBD", statement.opening, statement),
        _balance("CLBD", statement.closing, statement),
    ]
    parts += [_entry(entry, statement.currency) for entry in statement.entries]
    parts.append("</Stmt></BkToCstmrStmt></Document>\n")
    return "".join(parts).encode()


def _balance(code: str, amount: Decimal, statement: SampleStatement) -> str:
    return (
        f"<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp>"
        f'<Amt Ccy="{statement.currency}">{abs(amount)}</Amt><CdtDbtInd>{"DBIT" if amount < 0 else "CRDT"}</CdtDbtInd>'
        f"<Dt><Dt>{statement.date.isoformat()}</Dt></Dt></Bal>"
    )


def _entry(entry: SampleEntry, currency: str) -> str:
    domain, family, sub_family = entry.bank_transaction_code.split("-")
    batch = len(entry.details) > 1
    block = f"<Btch><NbOfTxs>{len(entry.details)}</NbOfTxs></Btch>" if batch else ""
    block += "".join(_detail(detail, entry.credit_debit, currency) for detail in entry.details)
    return (
        f'\n<Ntry><Amt Ccy="{currency}">{entry.stated_amount}</Amt><CdtDbtInd>{entry.credit_debit}</CdtDbtInd>'
        f"<Sts><Cd>{entry.status}</Cd></Sts><BookgDt><Dt>{entry.date.isoformat()}</Dt></BookgDt>"
        f"<ValDt><Dt>{entry.date.isoformat()}</Dt></ValDt><AcctSvcrRef>{entry.reference}</AcctSvcrRef>"
        f"<BkTxCd><Domn><Cd>{domain}</Cd><Fmly><Cd>{family}</Cd><SubFmlyCd>{sub_family}</SubFmlyCd></Fmly></Domn></BkTxCd>"
        f"<NtryDtls>{block}</NtryDtls></Ntry>"
    )


def _detail(detail: SampleDetail, credit_debit: str, currency: str) -> str:
    role = "Dbtr" if credit_debit == "CRDT" else "Cdtr"
    other = detail.counterparty
    text = " ".join(detail.text.split())
    lines = [text[start : start + _LINE] for start in range(0, len(text), _LINE)]
    remittance = "".join(f"<Ustrd>{escape(line)}</Ustrd>" for line in lines)
    return (
        f"<TxDtls><Refs><EndToEndId>{detail.end_to_end_id}</EndToEndId></Refs>"
        f'<Amt Ccy="{currency}">{detail.amount}</Amt><CdtDbtInd>{credit_debit}</CdtDbtInd>'
        f"<RltdPties><{role}><Pty><Nm>{escape(other.name)}</Nm></Pty></{role}>"
        f"<{role}Acct>{_account_id(other)}</{role}Acct></RltdPties>"
        f"<RltdAgts><{role}Agt><FinInstnId><BICFI>{other.bic}</BICFI></FinInstnId></{role}Agt></RltdAgts>"
        f"{f'<RmtInf>{remittance}</RmtInf>' if remittance else ''}</TxDtls>"
    )


def _account_id(party: Party) -> str:
    if party.script == "chinese":
        return f"<Id><Othr><Id>{party.iban}</Id></Othr></Id>"
    return f"<Id><IBAN>{party.iban}</IBAN></Id>"
