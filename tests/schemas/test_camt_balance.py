"""Opening + booked entries = closing: balanced, unbalanced, or not stated."""

import pytest

from schemas.camt import decode_statement
from schemas.statement import BalanceCheck
from tests.schemas.camt_samples import HEADER, balance, entry, message, statement

BALANCED = statement(entry("5"), balances=balance("OPBD", "10") + balance("CLBD", "15.00"))
UNBALANCED = statement(entry("5"), balances=balance("OPBD", "10") + balance("CLBD", "16"))
NOT_STATED = statement(entry("5"), balances=balance("CLBD", "16"))
PAGE = "<PgNb>{}</PgNb><LastPgInd>{}</LastPgInd>"


@pytest.mark.parametrize(
    ("statements", "answer"),
    [
        pytest.param([BALANCED], BalanceCheck.BALANCED, id="balanced"),
        pytest.param([UNBALANCED], BalanceCheck.UNBALANCED, id="unbalanced"),
        pytest.param([NOT_STATED], BalanceCheck.NOT_STATED, id="no-opening"),
        pytest.param([BALANCED, NOT_STATED], BalanceCheck.NOT_STATED, id="one-not-stated"),
        pytest.param([NOT_STATED, UNBALANCED, BALANCED], BalanceCheck.UNBALANCED, id="worst-wins"),
        pytest.param(
            [statement(balances=balance("OPBD", "1") + balance("CLBD", "1"))], BalanceCheck.BALANCED, id="no-movement"
        ),
        pytest.param(
            [statement(entry("5"), balances=balance("PRCD", "10", day="2026-04-09") + balance("CLBD", "15"))],
            BalanceCheck.BALANCED,
            id="previous-closing-opens",
        ),
        pytest.param(
            [statement(entry("5"), balances=balance("OPBD", "10") + balance("ITBD", "15"))],
            BalanceCheck.BALANCED,
            id="interim-closes-a-first-page",
        ),
        pytest.param(
            [statement(entry("5"), balances=balance("ITBD", "10") + balance("CLBD", "15"))],
            BalanceCheck.BALANCED,
            id="interim-opens-a-last-page",
        ),
        pytest.param(
            [statement(entry("5"), balances=balance("OPAV", "10") + balance("CLAV", "15"))],
            BalanceCheck.NOT_STATED,
            id="available-balances-prove-nothing",
        ),
        pytest.param(
            [
                statement(
                    entry("5", sign="DBIT"),
                    entry("1", sign="DBIT", reversal="true"),
                    entry("100", sts="PDNG"),
                    entry("100", sts="INFO"),
                    balances=balance("OPBD", "2") + balance("CLBD", "4", sign="DBIT"),
                )
            ],
            BalanceCheck.BALANCED,
            id="net-signs-and-booked-entries-alone",
        ),
        pytest.param(
            [
                statement(
                    entry("5"),
                    entry("7", currency="USD"),
                    balances=balance("OPBD", "0")
                    + balance("CLBD", "5")
                    + balance("OPBD", "1", currency="USD")
                    + balance("CLBD", "8", currency="USD"),
                )
            ],
            BalanceCheck.BALANCED,
            id="each-currency-for-itself",
        ),
        pytest.param(
            [statement(entry("7", currency="USD"), balances=balance("OPBD", "0") + balance("CLBD", "0"))],
            BalanceCheck.NOT_STATED,
            id="currency-without-balances",
        ),
        pytest.param(
            [
                statement(
                    entry("5"),
                    balances=balance("OPBD", "10", day="2026-04-01")
                    + balance("CLBD", "12", day="2026-04-01")
                    + balance("OPBD", "12", day="2026-04-02")
                    + balance("CLBD", "15", day="2026-04-02"),
                )
            ],
            BalanceCheck.BALANCED,
            id="several-days-first-opens-last-closes",
        ),
        pytest.param(
            [statement(entry("5"), balances=balance("OPBD", "10") + balance("OPBD", "11") + balance("CLBD", "15"))],
            BalanceCheck.NOT_STATED,
            id="two-openings-of-one-day",
        ),
        pytest.param(
            [statement(entry("5"), entry("x"), balances=balance("OPBD", "10") + balance("CLBD", "15"))],
            BalanceCheck.NOT_STATED,
            id="an-unread-entry-proves-nothing",
        ),
    ],
)
def test_answers_for_all_statements(statements: list[str], answer: BalanceCheck) -> None:
    assert decode_statement(message(*statements)).balance is answer


def test_an_entry_refused_for_its_details_still_counts() -> None:
    details = "<NtryDtls><TxDtls/><TxDtls/></NtryDtls>"
    balances = balance("OPBD", "10") + balance("CLBD", "15")
    assert decode_statement(message(statement(entry("5", details=details), balances=balances))).balance == "balanced"


@pytest.mark.parametrize(
    ("page", "answer"),
    [
        pytest.param(PAGE.format(1, "true"), BalanceCheck.UNBALANCED, id="the-only-page"),
        pytest.param(PAGE.format(1, "false"), BalanceCheck.NOT_STATED, id="first-of-several"),
        pytest.param(PAGE.format(2, "true"), BalanceCheck.NOT_STATED, id="last-of-several"),
    ],
)
def test_a_page_may_state_the_balances_of_the_whole(page: str, answer: BalanceCheck) -> None:
    paged_header = HEADER.replace("</GrpHdr>", f"<MsgPgntn>{page}</MsgPgntn></GrpHdr>")
    assert decode_statement(message(UNBALANCED, header=paged_header)).balance is answer
    paged_statement = UNBALANCED.replace("<CreDtTm>", f"<StmtPgntn>{page}</StmtPgntn><CreDtTm>")
    assert decode_statement(message(paged_statement)).balance is answer


def test_a_page_that_adds_up_is_balanced() -> None:
    paged = BALANCED.replace("<CreDtTm>", f"<StmtPgntn>{PAGE.format(1, 'false')}</StmtPgntn><CreDtTm>")
    assert decode_statement(message(paged)).balance is BalanceCheck.BALANCED


def test_exact_to_the_fifth_decimal() -> None:
    entries = [entry("0.00001")] * 3
    exact = balance("OPBD", "999999999999.99997") + balance("CLBD", "1000000000000.00000")
    assert decode_statement(message(statement(*entries, balances=exact))).balance is BalanceCheck.BALANCED
