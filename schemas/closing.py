"""`io.sealstream.closing.v1`: what a producer says it has sent in a period. Comparing it is agents.completeness.

    {"from": "2026-01-05T00:00:00Z", "to": "2026-01-06T00:00:00Z", "count": 3, "root": b64, "totals":
     [{"currency": "EUR", "credit_debit": "CRDT", "count": 3, "amount": "376.20"}], "replaces": "former closing's id"}

The source is the event's own. The period holds every message of that source whose signed `time` is in it, closings
apart; `from` is the first second, `to` the first one after it. How the root is made is security.closing_root.
"""

import base64
import datetime as dt
import json
import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Final

import msgspec

from schemas.amounts import parse_currency
from schemas.control_totals import FRACTION_DIGITS, ControlTotal
from schemas.errors import Rejection
from schemas.events.attributes import check_text, decode_base64
from schemas.events.timestamp import canonical_timestamp
from schemas.reasons import Reason
from schemas.transaction import CreditDebit

CLOSING: Final = "io.sealstream.closing.v1"
MAX_BYTES: Final = 131_072
MAX_COUNT: Final = 10**12
MAX_TOTALS: Final = 512
"""There are some 180 currencies, and three directions."""

MAX_AMOUNT_DIGITS: Final = 36
"""10^12 transactions of 18 digits each sum up to no more than 30."""

ROOT_BYTES: Final = 32

_MOMENT: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
_AMOUNT: Final = re.compile(rf"([0-9]{{1,{MAX_AMOUNT_DIGITS}}})(?:\.([0-9]{{1,{FRACTION_DIGITS}}}))?")

Count = Annotated[int, msgspec.Meta(ge=0, le=MAX_COUNT)]


class Closing(msgspec.Struct, frozen=True, kw_only=True):
    """A producer's word for a period.

    Attributes:
        start: The first second that belongs to it.
        end: The first second that does not.
        count: How many messages there are, each id counted once.
        totals: Of their transactions, each direction once.
        root: Merkle root over them, 32 bytes.
        replaces: Id of the closing of the same period that this one corrects.
    """

    start: dt.datetime
    end: dt.datetime
    count: int
    totals: tuple[ControlTotal, ...]
    root: bytes
    replaces: str | None = None


class _WireTotal(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    currency: str | None = None
    credit_debit: CreditDebit | None = None
    count: Count
    amount: str


class _WireClosing(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
    rename={"start": "from", "end": "to"},
):
    start: str
    end: str
    count: Count
    root: str
    totals: Annotated[list[_WireTotal], msgspec.Meta(max_length=MAX_TOTALS)]
    replaces: str | None = None


_DECODER: Final = msgspec.json.Decoder(_WireClosing)


def decode_closing(data: bytes) -> Closing:
    """Decode a closing's payload.

    Raises:
        Rejection: `malformed` for what is not JSON or repeats a member; `oversized` above `MAX_BYTES`;
            `schema_violation` for anything else that is not the form above. Details name members, never values.
    """
    if len(data) > MAX_BYTES:
        raise Rejection(Reason.OVERSIZED, f"closing of more than {MAX_BYTES} bytes")
    try:
        wire = _DECODER.decode(data)
    except msgspec.ValidationError:
        raise Rejection(Reason.SCHEMA_VIOLATION, "not an object with from, to, count, root and totals") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Rejection(Reason.MALFORMED, "not a JSON text") from None
    _refuse_repeated_members(data)
    start, end = _moment(wire.start, "from"), _moment(wire.end, "to")
    if start >= end:
        raise Rejection(Reason.SCHEMA_VIOLATION, "to: not after from")
    totals = tuple(map(_total, wire.totals))
    if len({each.direction for each in totals}) != len(totals):
        raise Rejection(Reason.SCHEMA_VIOLATION, "totals: one currency and direction twice")
    if wire.replaces is not None:
        check_text("id", wire.replaces, len(wire.replaces.encode()))
        if not wire.replaces:
            raise Rejection(Reason.SCHEMA_VIOLATION, "replaces: empty")
    return Closing(start=start, end=end, count=wire.count, totals=totals, root=_root(wire.root), replaces=wire.replaces)


def encode_closing(closing: Closing) -> bytes:
    """The payload of a closing.

    Raises:
        ValueError: It has more totals than receivers take.
    """
    if len(closing.totals) > MAX_TOTALS:
        raise ValueError(f"a closing holds {MAX_TOTALS} totals at the most")
    return msgspec.json.encode(
        _WireClosing(
            start=moment_text(closing.start),
            end=moment_text(closing.end),
            count=closing.count,
            root=base64.b64encode(closing.root).decode(),
            totals=[_wire_total(each) for each in closing.totals],
            replaces=closing.replaces,
        )
    )


def closing_values(closing: Closing) -> list[tuple[str, bytes]]:
    """Its fields as name and canonical bytes, sorted by name: what is sealed and committed to."""
    values = {
        "count": b"%d" % closing.count,
        "from": moment_text(closing.start).encode(),
        "root": base64.b64encode(closing.root),
        "to": moment_text(closing.end).encode(),
        "totals": msgspec.json.encode([_wire_total(each) for each in closing.totals]),
    }
    if closing.replaces is not None:
        values["replaces"] = closing.replaces.encode()
    return sorted(values.items())


def signed_second(time: str) -> dt.datetime:
    """The second of an event's `time` that is signed, in UTC; a leap second counts to the one before it.

    Raises:
        ValueError: It is no timestamp.
    """
    text = canonical_timestamp(time)
    return dt.datetime.fromisoformat(text.replace(":60Z", ":59Z"))


def moment_text(moment: dt.datetime) -> str:
    """A whole second as closings write it."""
    return moment.astimezone(dt.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _moment(text: str, where: str) -> dt.datetime:
    if _MOMENT.fullmatch(text) is None:
        raise Rejection(Reason.SCHEMA_VIOLATION, f"{where}: not a second in UTC, as in 2026-01-05T00:00:00Z")
    try:
        return dt.datetime.fromisoformat(text)
    except ValueError:
        raise Rejection(Reason.SCHEMA_VIOLATION, f"{where}: no such date or time") from None


def _total(wire: _WireTotal) -> ControlTotal:
    if wire.currency is not None:
        parse_currency(wire.currency, "currency")
    match = _AMOUNT.fullmatch(wire.amount)
    if match is None or len("".join(match.groups(""))) > MAX_AMOUNT_DIGITS:
        raise Rejection(Reason.SCHEMA_VIOLATION, "amount: not a plain non-negative decimal of a bearable length")
    return ControlTotal(
        currency=wire.currency, credit_debit=wire.credit_debit, count=wire.count, amount=Decimal(wire.amount)
    )


def _wire_total(total: ControlTotal) -> _WireTotal:
    return _WireTotal(
        currency=total.currency,
        credit_debit=total.credit_debit,
        count=total.count,
        amount=format(total.amount, "f"),
    )


def _root(text: str) -> bytes:
    try:
        root = decode_base64(text)
    except ValueError:
        root = b""
    if len(root) != ROOT_BYTES:
        raise Rejection(Reason.SCHEMA_VIOLATION, f"root: not {ROOT_BYTES} bytes in base64")
    return root


def _refuse_repeated_members(data: bytes) -> None:
    def check(pairs: Sequence[tuple[str, object]]) -> None:
        if len({name for name, _ in pairs}) != len(pairs):
            raise Rejection(Reason.MALFORMED, "a member is given twice")

    json.loads(data, object_pairs_hook=check, parse_int=str, parse_float=str)
