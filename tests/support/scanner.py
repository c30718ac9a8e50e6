"""Looks for plaintext where none may be: in every column, message and log, in every encoding it might hide in."""

import base64
import datetime as dt
import json
import re
import urllib.parse
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg

from schemas.camt import decode_statement
from schemas.errors import Rejection
from schemas.leaf import Leaf
from schemas.reasons import Note, Reason
from schemas.transaction import Transaction
from sealstream.feeds import FeedItem
from sealstream.feeds.item import STATEMENT_TYPE

LEAST_CHARACTERS = 8
LEAST_IDEOGRAPHS = 3
PIECE = 16
"""Long texts are looked for piece by piece: half a remittance text is a leak too."""

SECRET_FIELDS = frozenset(
    {
        "account",
        "account_servicer_reference",
        "counterparty_account",
        "counterparty_agent",
        "counterparty_name",
        "end_to_end_id",
        "remittance_information",
    }
)
_MEMBER = re.compile(r'"([a-z_]+)":"([^"\\]*)"')
_WINDOW = 6
# Names that leaves and rows are full of; a text may happen to consist of a part of one.
_PUBLIC = " ".join([*Transaction.__struct_fields__, *Leaf.__struct_fields__, *Reason, *Note])


@dataclass(frozen=True, slots=True)
class Hit:
    """A needle that was found."""

    place: str
    encoding: str
    needle: str


def encodings(text: str) -> Iterator[tuple[str, bytes]]:
    """All forms in which a text may stand somewhere, each with its name; some are the same for some texts."""
    raw = text.encode()
    forms = {"utf-8": raw, "utf-16le": text.encode("utf-16-le"), "utf-16be": text.encode("utf-16-be")}
    yield from forms.items()
    for name, form in forms.items():
        yield f"hex of {name}", form.hex().encode()
        yield f"upper-case hex of {name}", form.hex().upper().encode()
    for alphabet, encode in (("base64", base64.standard_b64encode), ("url-safe base64", base64.urlsafe_b64encode)):
        for before in range(3):
            # What stands around the text changes the first and the last characters: they are left out.
            whole = encode(bytes(before) + raw + bytes(3))
            yield f"{alphabet} at {before}", whole[-(-8 * before // 6) : 8 * (before + len(raw)) // 6]
    units = text.encode("utf-16-be").hex()
    escapes = [units[at : at + 4] for at in range(0, len(units), 4)]
    yield "JSON escapes", "".join(f"\\u{unit}" for unit in escapes).encode()
    yield "upper-case JSON escapes", "".join(f"\\u{unit.upper()}" for unit in escapes).encode()
    yield "JSON", json.dumps(text)[1:-1].encode()
    yield "percent", urllib.parse.quote(text, safe="").encode()
    yield "percent, plus for space", urllib.parse.quote_plus(text).encode()
    yield "percent throughout", "".join(f"%{byte:02X}" for byte in raw).encode()
    yield "lower-case percent throughout", "".join(f"%{byte:02x}" for byte in raw).encode()


class Scanner:
    """Finds needles in any of their encodings."""

    def __init__(self, needles: Iterable[str]) -> None:
        self._patterns: dict[bytes, list[tuple[bytes, str, str]]] = {}
        for needle in sorted(set(needles)):
            seen = set()
            for name, pattern in encodings(needle):
                if len(pattern) < _WINDOW:
                    raise ValueError("a needle is too short to be looked for")
                if pattern not in seen:
                    seen.add(pattern)
                    self._patterns.setdefault(pattern[:_WINDOW], []).append((pattern, name, needle))

    def scan(self, place: str, data: bytes) -> list[Hit]:
        """Look through some bytes."""
        hits = []
        patterns = self._patterns
        for at in range(len(data) - _WINDOW + 1):
            candidates = patterns.get(data[at : at + _WINDOW])
            if candidates is not None:
                hits += [Hit(place, name, needle) for form, name, needle in candidates if data.startswith(form, at)]
        return hits


def needles_of(items: Iterable[FeedItem]) -> set[str]:
    """What the messages of a feed hold that nobody may see: accounts, names, references, texts."""
    found: set[str] = set()
    for item in items:
        if item.type == STATEMENT_TYPE:
            found |= _of_statement(item.data)
        else:
            text = item.data.decode("utf-8", "replace")
            found |= {value for name, value in _MEMBER.findall(text) if name in SECRET_FIELDS}
    return {needle for text in found for needle in _pieces(text) if _is_telling(needle)}


def _of_statement(data: bytes) -> set[str]:
    try:
        items = decode_statement(data).items
    except Rejection:
        return set()
    transactions = [item.transaction for item in items if not isinstance(item.transaction, Rejection)]
    return {value for each in transactions for name in SECRET_FIELDS if (value := getattr(each, name))}


def _pieces(text: str) -> Iterator[str]:
    yield text
    size = PIECE // 2 if _ideographs(text) > len(text) // 2 else PIECE
    yield from (text[at : at + size] for at in range(0, len(text) - size + 1, size))


def _is_telling(text: str) -> bool:
    if text.lower() in _PUBLIC:
        return False
    return _ideographs(text) >= LEAST_IDEOGRAPHS or (len(text) >= LEAST_CHARACTERS and len(set(text)) > 3)


def _ideographs(text: str) -> int:
    return sum("\u4e00" <= character <= "\u9fff" for character in text)


async def every_column(connection: "asyncpg.Connection[asyncpg.Record]") -> AsyncIterator[tuple[str, bytes]]:
    """Every value of every table, decoded, by table and column."""
    tables = await connection.fetch(
        """
        SELECT c.oid::regclass::text AS name FROM pg_class c
        WHERE c.relkind IN ('r', 'p', 'm') AND NOT c.relispartition AND c.relnamespace = 'public'::regnamespace
        ORDER BY 1
        """
    )
    for table in tables:
        columns = await connection.fetch(
            "SELECT attname AS name, atttypid::regtype::text AS type FROM pg_attribute "
            "WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped",
            table["name"],
        )
        for column in columns:
            plain = f'"{column["name"]}"'
            cast = "" if column["type"] in ("bytea", "bytea[]", "text", "text[]", "uuid") else "::text"
            rows = await connection.fetch(
                f"SELECT {plain}{cast} AS value FROM {table['name']} WHERE {plain} IS NOT NULL"
            )
            yield (
                f"{table['name']}.{column['name']}",
                b"\0\n\0".join(b"\0\n\0".join(decoded(row["value"])) for row in rows),
            )


def decoded(value: Any) -> Iterator[bytes]:
    """The bytes of a value as a database driver gives it, also in the other forms it has."""
    match value:
        case bytes():
            yield value
        case str():
            yield value.encode()
            if value[:1] in ('"', "{", "["):
                # JSON stores some characters as escapes: look at what it says, too.
                yield json.dumps(json.loads(value), ensure_ascii=False).encode() if _is_json(value) else b""
        case UUID():
            yield value.bytes
            yield str(value).encode()
        case list() | tuple():
            for each in value:
                yield from decoded(each)
        case int() | float() | Decimal() | bool() | dt.datetime():
            yield str(value).encode()
        case None:
            return
        case _:
            raise TypeError(f"the scanner can't look into a {type(value).__name__}")


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
