"""Decodes `io.sealstream.transaction.v1`: one JSON object whose members are the fields of `Transaction`.

The amount comes as a string or as a number literal; either way its text is read, so no binary float ever stands
between the producer and the `Decimal`. A member that is null, or an empty text, was not said. Bank formats have modules
of their own; the envelope around the JSON is not looked at here.
"""

import json
import re
from typing import Any

import msgspec

from schemas.amounts import parse_amount, parse_currency
from schemas.errors import Rejection
from schemas.reasons import Reason
from schemas.transaction import Transaction

MAX_BYTES = 262_144
MAX_CHARACTERS = 256
MAX_FREE_TEXT_CHARACTERS = 4096

_FREE_TEXT = frozenset(("remittance_information", "additional_information"))
_UNTEXTUAL = frozenset(("credit_debit", "status", "reversal", "booking_date", "value_date"))
_TEXT_FIELDS = tuple(name for name in Transaction.__struct_fields__ if name != "amount" and name not in _UNTEXTUAL)
_NOTHING = (b"null", b'""')
# Line breaks and tabs are part of free text; anywhere else they are as unwelcome as other control characters.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_FREE_TEXT_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
# Anchored to the end: what a producer wrote may be quoted before the path.
_FAULT_PATH = re.compile(r" - at `\$\.([a-z_]+)`\Z")

_DECODER = msgspec.json.Decoder(Transaction)
# The same bytes once more as raw members: their count shows repeated names, the amount's text shows its form.
_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])


def decode_transaction(data: bytes) -> Transaction:
    """Decode one transaction.

    Returns:
        The transaction, accounts without blanks and `NOTPROVIDED` taken for nothing said.

    Raises:
        Rejection: `malformed` for what is not JSON, repeats a member or is nested too deep; `oversized` above
            `MAX_BYTES`; `schema_violation` for unknown members, wrong types, amounts that are no checked decimals,
            texts too long or with control characters. Details name members, never values.
    """
    if len(data) > MAX_BYTES:
        raise Rejection(Reason.OVERSIZED, f"transaction of more than {MAX_BYTES} bytes")
    try:
        transaction = _decoded(data)
        members = _MEMBERS.decode(data)
    except msgspec.ValidationError as exc:
        raise _explain(data, str(exc)) from exc
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise Rejection(Reason.MALFORMED, "not a JSON text") from exc
    # One colon for each member and none in the texts is the usual record; others are settled by a slower reading.
    if data.count(b":") != len(members):
        _refuse_repeated_members(data)
    # msgspec takes `1_0`, `1.5e1`, ` 5 ` and `NaN` for decimals: the form is checked on the text it read.
    parse_amount(_literal(members["amount"]), "amount")
    return _tidied(transaction, data, members)


def _decoded(data: bytes) -> Transaction:
    """The transaction; where a member has no text for a date, a code or a flag, once more without it."""
    try:
        return _DECODER.decode(data)
    except msgspec.ValidationError:
        members = _MEMBERS.decode(data)
        said = {name: raw for name, raw in members.items() if name not in _UNTEXTUAL or bytes(raw) not in _NOTHING}
        if len(said) == len(members):
            raise
        return _DECODER.decode(msgspec.json.encode(said))


def _literal(raw: msgspec.Raw) -> str:
    """The amount's text: inside the quotes of a string, or the number as written."""
    text = str(raw, "utf-8")
    if "\\" in text:
        return str(msgspec.json.decode(raw))
    return text[1:-1] if text[0] == '"' else text


def _tidied(transaction: Transaction, data: bytes, members: dict[str, msgspec.Raw]) -> Transaction:
    """Check the texts and leave out what only looks like a value; most records need no change and no slow look.

    Control characters come as escapes, as DEL or as C1, which is not ASCII: without any of those, without empty texts
    (two quotes) and with every member short enough there is nothing to find.
    """
    changes: dict[str, Any] = {}
    lengths = list(map(len, members.values()))
    if not data.isascii() or b"\\" in data or b"\x7f" in data or min(lengths) <= 2 or max(lengths) > MAX_CHARACTERS + 2:
        changes = dict.fromkeys(_checked_texts(transaction))
    if currency := transaction.currency:
        parse_currency(currency, "currency")
    if (account := transaction.account) is not None and " " in account:
        changes["account"] = account.replace(" ", "") or None
    if (account := transaction.counterparty_account) is not None and " " in account:
        changes["counterparty_account"] = account.replace(" ", "") or None
    if transaction.end_to_end_id == "NOTPROVIDED":
        changes["end_to_end_id"] = None
    return msgspec.structs.replace(transaction, **changes) if changes else transaction


def _checked_texts(transaction: Transaction) -> list[str]:
    """Check length and characters of every text; returns the fields whose text is empty."""
    empty = []
    for name in _TEXT_FIELDS:
        text: str | None = getattr(transaction, name)
        if text is None:
            continue
        if not text:
            empty.append(name)
            continue
        longest, control = (
            (MAX_FREE_TEXT_CHARACTERS, _FREE_TEXT_CONTROL) if name in _FREE_TEXT else (MAX_CHARACTERS, _CONTROL)
        )
        if len(text) > longest:
            raise Rejection(Reason.SCHEMA_VIOLATION, f"{name}: longer than {longest} characters")
        if control.search(text) is not None:
            raise Rejection(Reason.SCHEMA_VIOLATION, f"{name}: holds a control character")
    return empty


def _refuse_repeated_members(data: bytes) -> None:
    def check(pairs: list[tuple[str, object]]) -> None:
        if len({name for name, _ in pairs}) != len(pairs):
            raise Rejection(Reason.MALFORMED, "a member is given twice")

    json.loads(data, object_pairs_hook=check, parse_int=str, parse_float=str)


def _explain(data: bytes, text: str) -> Rejection:
    """Turn a validation error into our own words; broken syntax further on comes before a wrong type."""
    try:
        msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Rejection(Reason.MALFORMED, "not a JSON text")
    if text.startswith("Object missing"):
        return Rejection(Reason.SCHEMA_VIOLATION, "amount is missing")
    if text.startswith("Object contains"):
        return Rejection(Reason.SCHEMA_VIOLATION, "an unknown member")
    if (match := _FAULT_PATH.search(text)) is not None and match[1] in Transaction.__struct_fields__:
        return Rejection(Reason.SCHEMA_VIOLATION, f"{match[1]}: wrong type or form")
    return Rejection(Reason.SCHEMA_VIOLATION, "not a JSON object")
