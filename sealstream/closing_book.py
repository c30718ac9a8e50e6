"""A producer's book of what it has sent in a period, and the closing that it signs at the end.

    with ClosingBook(signer) as book:
        for message in messages:
            record = signer.sign(message)
            book.add(record)
            producer.send("transactions", value=record.value, key=record.key, headers=record.headers)
        closing = book.close()

Ids and digests lie in a temporary file of the system's, which nobody else can open and which is gone with the book;
memory stays the same whatever the period holds. The form of a closing is schemas.closing.
"""

import base64
import datetime as dt
import sqlite3
from collections.abc import Iterator
from types import TracebackType
from typing import Final, Self, TextIO

import msgspec

from schemas.closing import CLOSING, Closing, encode_closing, moment_text, signed_second
from schemas.control_totals import ControlTotals, transactions_of
from schemas.errors import Rejection
from schemas.events import decode_event
from schemas.identity import message_record_id
from sealstream.client import Message, SignedRecord, Signer
from security.closing_root import closing_root
from security.signed_payload import SigningRefusedError
from security.verifiability import claimed_payload

__all__ = ["ClosingBook"]

CACHE_KIB: Final = 4096
DIGEST_BYTES: Final = 32


class ClosingBook:
    """Counts, adds up and remembers the records of one source. Not for two threads.

    Args:
        signer: Signs the closing; the records are its source's.
    """

    def __init__(self, signer: Signer) -> None:
        self._signer = signer
        self._totals = ControlTotals()
        self._first: dt.datetime | None = None
        self._last: dt.datetime | None = None
        self.count = 0
        # The empty name makes a private temporary database that grows into a file.
        self._messages = sqlite3.connect("", isolation_level=None)
        self._messages.execute("PRAGMA journal_mode = OFF")
        self._messages.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        self._messages.execute(
            "CREATE TABLE message (record BLOB PRIMARY KEY, id TEXT NOT NULL, digests BLOB NOT NULL) WITHOUT ROWID"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._messages.close()

    def add(self, record: SignedRecord) -> None:
        """Enter a record that the signer made. The same once more is a repeat, and counts once.

        Raises:
            SigningRefusedError: It is not a record of this source, has no `time`, is a closing itself, or contradicts
                an earlier one of its id.
        """
        try:
            event = decode_event(record.headers, record.value)
            payload = claimed_payload(event)
        except Rejection as rejection:
            raise SigningRefusedError(f"not a record as it was signed: {rejection.detail}") from None
        if event.source != self._signer.source:
            raise SigningRefusedError("the record is of another source than the closing will be")
        if event.type == CLOSING:
            raise SigningRefusedError("closings don't count each other")
        if event.time is None:
            raise SigningRefusedError("a message without time belongs to no period")
        name, digests = message_record_id(event.source, event.id), payload.core + (payload.ext or b"")
        known = self._messages.execute("SELECT digests FROM message WHERE record = ?", (name,)).fetchone()
        if known is not None:
            if known[0] != digests:
                raise SigningRefusedError("an earlier message has this id, and other content")
            return
        self._messages.execute("INSERT INTO message VALUES (?, ?, ?)", (name, event.id, digests))
        self.count += 1
        self._totals.add(transactions_of(event.type, event.data or b""))
        second = signed_second(event.time)
        self._first = min(self._first or second, second)
        self._last = max(self._last or second, second)

    def close(
        self, start: dt.datetime | None = None, end: dt.datetime | None = None, *, replaces: str | None = None
    ) -> SignedRecord:
        """Sign the closing of a period; the same book gives the same closing again, so sending it twice is harmless.

        Args:
            start: The first second of the period, with its zone; that of the earliest message when not given.
            end: The first second after it; the one after the latest message when not given.
            replaces: Id of the closing of this period that this one corrects.

        Raises:
            SigningRefusedError: A message lies outside of the period, the period is none, or verifiers would refuse the
                closing.
        """
        start, end = self._period(start, end)
        root = closing_root(self._rows())
        made = Closing(
            start=start, end=end, count=self.count, totals=self._totals.totals(), root=root, replaces=replaces
        )
        try:
            data = encode_closing(made)
        except ValueError as exc:
            raise SigningRefusedError(str(exc)) from None
        name = f"closing {moment_text(start)} {moment_text(end)} {root.hex()[:16]}"
        return self._signer.sign(Message(id=name, type=CLOSING, data=data, time=moment_text(end)))

    def write_list(self, file: TextIO) -> None:
        """Write the list of messages that names what is missing: `sealstream audit completeness --list`.

        A line is the JSON object {"id": …, "core": b64, "ext": b64}, without `ext` where no extension was signed.
        """
        for name, digests in self._messages.execute("SELECT id, digests FROM message ORDER BY record"):
            line = {"id": name, "core": base64.b64encode(digests[:DIGEST_BYTES]).decode()}
            if len(digests) > DIGEST_BYTES:
                line["ext"] = base64.b64encode(digests[DIGEST_BYTES:]).decode()
            file.write(msgspec.json.encode(line).decode() + "\n")

    def _rows(self) -> Iterator[tuple[bytes, bytes]]:
        return iter(self._messages.execute("SELECT record, digests FROM message ORDER BY record"))

    def _period(self, start: dt.datetime | None, end: dt.datetime | None) -> tuple[dt.datetime, dt.datetime]:
        if self._last is not None:
            start = start or self._first
            end = end or self._last + dt.timedelta(seconds=1)
        if start is None or end is None:
            raise SigningRefusedError("nothing was sent: say which period is closed")
        if start.tzinfo is None or end.tzinfo is None or start.microsecond or end.microsecond or start >= end:
            raise SigningRefusedError("a period is a whole second and a later one, both with their zones")
        if self._first is not None and self._last is not None and not start <= self._first <= self._last < end:
            raise SigningRefusedError("a message lies outside of the period: keep a book for each period")
        return start, end
