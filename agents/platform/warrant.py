"""By whose signature producers' keys and models are changed: shown before it is done, and done as it was signed.

What is signed is what the leaves will say. So a change is tried first, as of a moment, and undone (`Trial`); its author
signs the text of the records that it came to, and with that act it is made as of the same moment. If anything came in
between that makes it another change, the text is another one, and nothing is done. The text can be told from the leaves
alone, so that an audit needs nothing but them.
"""

import datetime as dt
import hashlib
from collections.abc import Sequence
from typing import Final, Protocol

import msgspec

from schemas.leaf import AccessChange, KeyChange, ModelChange
from schemas.tenant import PLATFORM_TENANT
from streams.storage.database import Connection

Record = KeyChange | ModelChange
"""What a leaf says of a producer's key or a model as it is after a change."""

CHANGE_OF_KIND: Final = {"key": "change_keys", "model": "change_models"}
"""What the signed act is called, by the kind of the leaves that it stands in."""

_CONTEXT: Final = "sealstream/change/v1\n"
_ENCODER: Final = msgspec.json.Encoder(order="deterministic")


def takes_a_signature(record: Record) -> bool:
    """Whether a person signs for it: what a revocation list brings, its authority has signed."""
    return not isinstance(record, KeyChange) or record.crl is None


def change_context() -> str:
    """What is hashed before the text."""
    return _CONTEXT


def change_text(records: Sequence[Record]) -> str:
    """What is signed: the records of one change in the order of their leaves, one JSON object a line."""
    return "".join(f"{_ENCODER.encode(record).decode()}\n" for record in records)


def change_digest(text: str) -> str:
    """SHA-256 of the context and the text, hex: the `digest` of the act."""
    return hashlib.sha256(f"{_CONTEXT}{text}".encode()).hexdigest()


def log_of_change(kind: str, tenant: str) -> str:
    """Whose log a change is signed for: models are the platform's, whichever logs say so."""
    return PLATFORM_TENANT if kind == "model" else tenant


class Warrant(Protocol):
    """Lets one change of keys or models be made, or not."""

    @property
    def moment(self) -> dt.datetime | None:
        """As of when it is made; None for the moment at which it is."""
        ...

    @property
    def act(self) -> AccessChange | None:
        """Stands in each of its leaves."""
        ...

    async def settle(self, connection: Connection, now: dt.datetime, kind: str, tenant: str, text: str) -> None:
        """Called when all is done but the commit; whatever it raises undoes the change.

        Args:
            now: By the database's clock.
            kind: Of the leaves.
            tenant: Whose log it is signed for.
        """
        ...


class Undone(Exception):
    """A change was tried and undone: no error, it is how a trial ends."""


class Trial:
    """Tries a change and undoes it.

    Attributes:
        kind: Of the leaves that it would make; empty when it would change nothing.
        tenant: Whose log it would be signed for.
        text: What would be signed.
    """

    act: AccessChange | None = None

    def __init__(self, at: str) -> None:
        """As of a moment, in RFC 3339: the one that is signed then."""
        self._at = at
        self.moment: dt.datetime | None = dt.datetime.fromisoformat(at)
        self.kind = self.tenant = self.text = ""

    async def settle(self, connection: Connection, now: dt.datetime, kind: str, tenant: str, text: str) -> None:
        """Keep what it came to, and undo it."""
        self.kind, self.tenant, self.text = kind, tenant, text
        raise Undone

    def unsigned(self) -> AccessChange:
        """The act to sign, once the trial is over."""
        return AccessChange(change=CHANGE_OF_KIND[self.kind], digest=change_digest(self.text), at=self._at)
