from decimal import Decimal
from functools import cache

from lxml import etree

from schemas.camt import decode_statement
from schemas.errors import Rejection
from schemas.statement import BalanceCheck
from sealstream.feeds import STATEMENT_TYPE, Fault
from sealstream.producing.open_feed import open_feed
from tests.shared_data import shared


@cache
def statements() -> list[bytes]:
    return [
        item.data
        for item in open_feed("sample:payments").items()
        if item.type == STATEMENT_TYPE and item.fault is not Fault.MALFORMED_PAYLOAD
    ]


def test_every_statement_but_the_spoilt_one_is_valid_camt_053() -> None:
    schema = etree.XMLSchema(etree.parse(shared("data/iso20022/xsd/camt.053.001.08.xsd")))
    invalid = [data for data in statements() if not schema.validate(etree.fromstring(data))]
    assert len(invalid) == 1
    assert not schema.validate(etree.fromstring(invalid[0]))
    (fault,) = schema.error_log
    assert "}Amt'" in fault.message


def test_batches_pending_and_information_entries_and_an_empty_day_all_occur() -> None:
    messages = [decode_statement(data) for data in statements()]
    found = [item.transaction for message in messages for item in message.items]
    booked = [transaction for transaction in found if not isinstance(transaction, Rejection)]
    assert {transaction.status for transaction in booked} == {"BOOK", "PDNG", "INFO"}
    assert {transaction.credit_debit for transaction in booked} == {"CRDT", "DBIT"}
    assert any(len(message.items) == 0 for message in messages)
    assert any(b"<Btch>" in data for data in statements())
    assert {message.balance for message in messages} == {
        BalanceCheck.BALANCED, BalanceCheck.UNBALANCED, BalanceCheck.NOT_STATED,
    }  # fmt: skip


def test_balances_carry_on_from_one_statement_of_an_account_to_the_next() -> None:
    closings: dict[str, Decimal] = {}
    carried = 0
    for data in [item.data for item in open_feed("sample:clean-5000").items() if item.type == STATEMENT_TYPE]:
        root = etree.fromstring(data)
        account = root.findtext(".//{*}Acct/{*}Id/{*}IBAN") or root.findtext(".//{*}Acct/{*}Id/{*}Othr/{*}Id")
        opening, closing = (
            Decimal(balance.findtext("{*}Amt")) * (1 if balance.findtext("{*}CdtDbtInd") == "CRDT" else -1)
            for balance in root.iter("{*}Bal")
        )
        carried += closings.get(account) == opening
        assert closings.get(account, opening) == opening
        closings[account] = closing
    assert carried > 5
