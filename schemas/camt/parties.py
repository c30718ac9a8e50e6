"""Who is meant in camt parts: accounts, agents, and the other side of a movement.

Works on what `schemas.camt.content` has read; which side is the other one depends on direction and reversal.
"""

from typing import NamedTuple

from schemas.camt.content import Parts
from schemas.transaction import CreditDebit


class Counterparty(NamedTuple):
    """The other side as far as the bank names it."""

    name: str | None = None
    account: str | None = None
    agent: str | None = None
    ultimate_name: str | None = None


NOBODY = Counterparty()


def account_id(account: Parts | None) -> str | None:
    """IBAN, else other identification, else the proxy that stands for it; without blanks."""
    if account is None:
        return None
    found: str | None = None
    if (identification := account.get("Id")) is not None:
        found = identification.get("IBAN") or identification.get("BBAN") or identification.get("UPIC")
        if found is None and (other := identification.get("Othr") or identification.get("PrtryAcct")) is not None:
            found = other.get("Id")
    if found is None and (proxy := account.get("Prxy")) is not None:
        found = proxy.get("Id")
    return "".join(found.split()) or None if found is not None else None


def agent_bic(agent: Parts | None) -> str | None:
    """BIC of a financial institution; other identifications are not taken for one."""
    if agent is None:
        return None
    institution: Parts = agent["FinInstnId"]
    combined: Parts = institution.get("CmbndId") or institution
    bic: str | None = combined.get("BICFI") or combined.get("BIC")
    return bic


def counterparty_of(detail: Parts, credit_debit: CreditDebit | None, *, reversal: bool) -> Counterparty:
    """The other side of one `TxDtls`: the debtor of a credit, the creditor of a debit.

    A reversal's parties keep the roles of the movement it cancels (ISO 20022, `RvslInd`), while the indicator already
    shows the net direction: the other side of a reversed credit is still its debtor.
    """
    parties: Parts | None = detail.get("RltdPties")
    agents: Parts | None = detail.get("RltdAgts")
    if credit_debit is None or (parties is None and agents is None):
        return NOBODY
    role = "Dbtr" if (credit_debit == "CRDT") != reversal else "Cdtr"
    agent = agent_bic(agents.get(f"{role}Agt")) if agents is not None else None
    if parties is None:
        return Counterparty(agent=agent)
    return Counterparty(
        name=_name(parties.get(role)),
        account=account_id(parties.get(f"{role}Acct")),
        agent=agent,
        ultimate_name=_name(parties.get(f"Ultmt{role}")),
    )


def _name(party: Parts | None) -> str | None:
    """Name of a party: directly up to version 06, in `Pty` or of the institution in `Agt` from 07."""
    if party is None:
        return None
    if (agent := party.get("Agt")) is not None:
        institution: Parts = agent["FinInstnId"]
        found: str | None = institution.get("Nm")
        return found
    name: str | None = party.get("Pty", party).get("Nm")
    return name
