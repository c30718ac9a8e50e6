"""How big a sample is and what is wrong in it. Making it is `sealstream.samples.feed`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from schemas.errors import ConfigurationError
from sealstream.feeds.fault import Fault

_SIZED = re.compile(r"clean(?:-([1-9][0-9]{0,7}))?")
_CLEAN_SIZE = 2_000
_TRANSACTIONS_FOR_A_STATEMENT = 500


@dataclass(frozen=True, slots=True)
class SamplePlan:
    """The make-up of a sample.

    Attributes:
        transactions: Messages on the transactions topic, the faulty ones included.
        statements: Statements the accounts' banks send, special ones included.
        entries: Entries of an ordinary statement.
        faults: How many of the transaction messages carry which fault.
        special_statements: Whether some statements are empty, overlapping, unbalanced or hold refused entries, and
            whether a few more statement messages are faulty themselves.
        letters: Text documents among them.
    """

    transactions: int
    statements: int
    entries: int
    faults: Mapping[Fault, int] = field(default_factory=dict)
    special_statements: bool = True
    letters: int = 0


PAYMENTS = SamplePlan(
    transactions=20_000,
    statements=40,
    entries=25,
    faults={
        Fault.TAMPERED_PAYLOAD: 25,
        Fault.TAMPERED_ATTRIBUTE: 15,
        Fault.TAMPERED_SIGNATURE: 15,
        Fault.UNSIGNED: 20,
        Fault.UNKNOWN_KEY: 15,
        Fault.REPEATED_HEADER: 6,
        Fault.MISSING_ATTRIBUTE: 6,
        Fault.NUL_IN_ID: 4,
        Fault.REPEATED: 80,
        Fault.CONTRADICTING: 12,
        Fault.UNSUPPORTED_TYPE: 5,
        Fault.MALFORMED_PAYLOAD: 12,
        Fault.SCHEMA_VIOLATION: 20,
    },
)

SMALL = SamplePlan(
    transactions=300,
    statements=12,
    entries=6,
    faults=dict.fromkeys(Fault, 1) | {Fault.REPEATED: 3, Fault.SCHEMA_VIOLATION: 4},
)

MIXED = SamplePlan(
    transactions=1_000,
    statements=8,
    entries=6,
    faults=dict.fromkeys(Fault, 1),
    letters=200,
)


def sample_plan(name: str) -> SamplePlan:
    """The plan of a named sample: `payments`, `small`, `mixed`, `clean` or `clean-` and a number of transactions.

    Raises:
        ConfigurationError: There is no sample of that name.
    """
    if name == "payments":
        return PAYMENTS
    if name == "small":
        return SMALL
    if name == "mixed":
        return MIXED
    match = _SIZED.fullmatch(name)
    if match is None:
        raise ConfigurationError(
            f"there is no sample {name!r}; use payments, small, mixed, clean, or a size as in clean-50000"
        )
    size = int(match[1] or _CLEAN_SIZE)
    return SamplePlan(size, size // _TRANSACTIONS_FOR_A_STATEMENT, PAYMENTS.entries, special_statements=False)
