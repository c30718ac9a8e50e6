"""By whose signature keys and models are changed and records erased: shown before it is done, and done as signed.

What is signed is what the leaves will say. A change that only the database sees is tried first, as of a moment, and
undone (`Trial`); its author signs the text of the records that it came to, and with that act it is made as of the same
moment. A change for which the key provider makes keys, or destroys some, can't be undone: there the text is told
beforehand, without what the provider will add to it, and signed before the provider is asked for anything. If anything
came in between that makes it another change, the text is another one, and nothing is done. The text can be told from
the leaves alone, so that an audit needs nothing but them.
"""

import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Protocol

import msgspec

from schemas.leaf import AccessChange, IndexKeyChange, KeyChange, Leaf, ModelChange, TierKeyChange
from schemas.tenant import PLATFORM_TENANT
from streams.storage.database import Connection


class RecordErasure(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a leaf of the kind `erase` says that somebody signs: how much was there is what came of it."""

    commitments: str | None = None
    message: str | None
    purpose: str | None
    record: str | None


Record = KeyChange | TierKeyChange | IndexKeyChange | ModelChange | RecordErasure
"""What a leaf says of a key, a model or a record as it is after a change."""

CHANGE_OF_KIND: Final = {"key": "change_keys", "model": "change_models", "erase": "erase_records"}
"""What the signed act is called, by the kind of the leaves that it stands in."""

_ENDS: Final = frozenset({"reseal", "retire"})
"""Changes that say what came of one that was signed when it began."""

_MADE_BY_PROVIDER: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {"rotate": ("id", "kek", "wrapped"), "rewrap": ("kek", "wrapped")}
)
"""Of a change of tier keys, what nobody knows before the provider made it."""

_CONTEXT: Final = "sealstream/change/v1\n"
_ENCODER: Final = msgspec.json.Encoder(order="deterministic")


def record_of(leaf: Leaf) -> Record | None:
    """What of a leaf somebody may have signed."""
    match leaf.kind:
        case "key":
            return leaf.key or leaf.tier_key or leaf.index_key
        case "model":
            return leaf.model_change
        case "erase":
            return RecordErasure(
                commitments=leaf.commitments, message=leaf.message, purpose=leaf.purpose, record=leaf.record
            )
    return None


def takes_a_signature(record: Record) -> bool:
    """Whether a person signs for it: what a revocation list brings, its authority has signed."""
    match record:
        case KeyChange():
            return record.crl is None
        case TierKeyChange() | IndexKeyChange():
            return record.change not in _ENDS
    return True


def change_context() -> str:
    """What is hashed before the text."""
    return _CONTEXT


def change_text(records: Sequence[Record]) -> str:
    """What is signed: the records of one change in the order of their leaves, one JSON object a line."""
    return "".join(f"{_ENCODER.encode(_foreseen(record)).decode()}\n" for record in records)


def _foreseen(record: Record) -> object:
    """What of a record is known before it is made."""
    if not isinstance(record, TierKeyChange) or record.change not in _MADE_BY_PROVIDER:
        return record
    left_out = _MADE_BY_PROVIDER[record.change]
    return {name: value for name, value in msgspec.to_builtins(record).items() if name not in left_out}


def change_digest(text: str) -> str:
    """SHA-256 of the context and the text, hex: the `digest` of the act."""
    return hashlib.sha256(f"{_CONTEXT}{text}".encode()).hexdigest()


def log_of_change(kind: str, tenant: str) -> str:
    """Whose log a change is signed for: models are the platform's, whichever logs say so."""
    return PLATFORM_TENANT if kind == "model" else tenant


@dataclass(frozen=True, slots=True)
class Signable:
    """What one signature is over.

    Attributes:
        kind: Of the leaves.
        tenant: Whose log it is signed for.
        text: What is signed.
    """

    kind: str
    tenant: str
    text: str

    def unsigned(self, at: str) -> AccessChange:
        """The act to sign, as of a moment in RFC 3339."""
        return AccessChange(change=CHANGE_OF_KIND[self.kind], digest=change_digest(self.text), at=at)


class Warrant(Protocol):
    """Lets one change be made, or not."""

    @property
    def moment(self) -> dt.datetime | None:
        """As of when it is made; None for the moment at which it is."""
        ...

    def act(self, tenant: str) -> AccessChange | None:
        """Stands in each of its leaves that is signed for this tenant's log."""
        ...

    async def settle(self, connection: Connection, now: dt.datetime, change: Sequence[Signable]) -> None:
        """Called when all is done but the commit, and before the key provider is asked; whatever it raises ends it.

        Args:
            now: By the database's clock.
            change: All that is to be signed for it, one for each log.
        """
        ...


class Undone(Exception):
    """A change was tried and undone: no error, it is how a trial ends."""


class Trial:
    """Tries a change and undoes it, or stops before the key provider is asked.

    Attributes:
        at: As of when, in RFC 3339: the moment that is signed then.
        change: What would be signed; empty when nothing has to be.
    """

    def __init__(self, at: str) -> None:
        self.at = at
        self.moment: dt.datetime | None = dt.datetime.fromisoformat(at)
        self.change: Sequence[Signable] = ()

    def act(self, tenant: str) -> AccessChange | None:
        """Nobody has signed yet."""
        return None

    async def settle(self, connection: Connection, now: dt.datetime, change: Sequence[Signable]) -> None:
        """Keep what it came to, and undo it."""
        self.change = change
        raise Undone
