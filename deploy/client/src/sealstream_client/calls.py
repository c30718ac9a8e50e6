"""What can be asked, as data: a call is a request and how its answer is read. Nothing is sent here.

Both clients are made of these, so neither knows an address that the other doesn't.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Final, Generic, TypeVar
from urllib.parse import quote
from uuid import UUID, uuid4

import msgspec

from sealstream_client.errors import InvalidAnswer, UsageError
from sealstream_client.models import (
    AccessRequest,
    Classification,
    Decided,
    Entry,
    Listed,
    Log,
    Proof,
    Record,
)

T = TypeVar("T")

JSON: Final = "application/json"
RECEIPT: Final = "application/vnd.sealstream.receipt+json"
PLAIN: Final = "text/plain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Generic[T]):
    """A request, and how to read what comes.

    Attributes:
        path: Below the service's URL, quoted.
        read: From the body of an answer that is no error.
        reads_only: A POST that changes nothing but the log of looks.
        idempotency_key: Of a write: the service does it once, however often it is sent.
    """

    method: str
    path: str
    read: Callable[[bytes], T]
    query: tuple[tuple[str, str], ...] = ()
    body: bytes | None = field(default=None, repr=False)
    accept: str = JSON
    reads_only: bool = False
    idempotency_key: str | None = None

    @property
    def repeatable(self) -> bool:
        """Whether sending it again does nothing twice."""
        return self.method == "GET" or self.reads_only or self.idempotency_key is not None


@dataclass(frozen=True, slots=True)
class Part(Generic[T]):
    """One part of a list, and the call for the next."""

    data: list[T] = field(repr=False)
    following: "Call[Part[T]] | None"


def query_data(project_id: str, limit: int, cursor: str | None) -> Call[Part[Record]]:
    """The newest records of a project."""
    return _listing(f"/v1/projects/{_segment(project_id)}/data", Record, {"limit": limit}, "cursor", cursor)


def list_records(purpose: str, tenant: str | None, limit: int, cursor: str | None) -> Call[Part[Record]]:
    """The newest records."""
    query = {"purpose": purpose, "tenant": tenant, "limit": limit}
    return _listing("/v1/records", Record, query, "cursor", cursor)


def get_record(record_id: UUID | str, purpose: str) -> Call[list[Record]]:
    """The record of an id, or the records of a message."""
    return _get(f"/v1/records/{_name(record_id)}", _items(Record), {"purpose": purpose})


def search_records(field: str, value: str, purpose: str, limit: int) -> Call[list[Record]]:
    """Records with exactly this value."""
    body = {"field": field, "value": value, "purpose": purpose, "limit": limit}
    return _post("/v1/records/search", _items(Record), body, reads_only=True)


def get_receipt(record_id: UUID | str, purpose: str, fields: Sequence[str] | None, message: bool) -> Call[bytes]:
    """A receipt, as it is checked."""
    query: dict[str, Any] = {"purpose": purpose, "field": fields, "message": "true" if message else None}
    return replace(_get(f"/v1/records/{_name(record_id)}/receipt", bytes, query), accept=RECEIPT)


def list_access_requests() -> Call[list[AccessRequest]]:
    """The requests for access that concern the caller."""
    return _get("/v1/access-requests", _items(AccessRequest))


def ask_for_access(request: msgspec.Struct, act: msgspec.Struct, key: str | None) -> Call[AccessRequest]:
    """Make a request that was signed."""
    members = _members(request)
    members.pop("v", None)  # the form of what is signed over; the address says which form is sent
    return _post("/v1/access-requests", _one(AccessRequest), {"request": members, "act": _members(act)}, key=_key(key))


def act_on_access_request(request_id: UUID | str, act: msgspec.Struct, key: str | None) -> Call[AccessRequest]:
    """Send a signed act over a request."""
    path = f"/v1/access-requests/{_name(request_id)}/acts"
    return _post(path, _one(AccessRequest), _members(act), key=_key(key))


def list_logs() -> Call[list[Log]]:
    """All logs."""
    return _get("/v1/logs", _items(Log))


def get_checkpoint(tenant: str) -> Call[str]:
    """A log's newest checkpoint, a signed note."""
    return replace(_get(f"/v1/logs/{_segment(tenant)}/checkpoint", _text), accept=PLAIN)


def list_entries(
    tenant: str, name: UUID | str | None, kinds: Sequence[str], since: str | None, until: str | None, limit: int
) -> Call[Part[Entry]]:
    """Leaves, each with its proof."""
    query: dict[str, Any] = {"name": _name(name) if name is not None else None, "kind": kinds}
    query |= {"since": since, "until": until, "limit": limit}
    return _listing(f"/v1/logs/{_segment(tenant)}/entries", Entry, query, "start", None)


def prove_leaf(tenant: str, name: UUID | str | None, index: int | None) -> Call[Proof]:
    """The proof of one leaf."""
    query = {"name": _name(name) if name is not None else None, "index": index}
    return _get(f"/v1/logs/{_segment(tenant)}/proof", _one(Proof), query)


def list_reviews(purpose: str, tenant: str | None, limit: int, cursor: str | None) -> Call[Part[Record]]:
    """What nobody has decided yet."""
    query = {"purpose": purpose, "tenant": tenant, "limit": limit}
    return _listing("/v1/reviews", Record, query, "cursor", cursor)


def decide_review(record_id: UUID | str, label: str, reason: str, purpose: str, key: str | None) -> Call[Decided]:
    """Decide a record."""
    path = f"/v1/reviews/{_name(record_id)}/decisions"
    return _post(path, _one(Decided), {"label": label, "reason": reason, "purpose": purpose}, key=_key(key))


def classify(amount: str, members: Mapping[str, str | None]) -> Call[Classification]:
    """The kind of a transaction."""
    body = {"amount": amount} | {name: value for name, value in members.items() if value is not None}
    return _post("/v1/classify", _one(Classification), body, reads_only=True)


def _listing(path: str, kind: type[T], query: Mapping[str, Any], place: str, cursor: str | int | None) -> Call[Part[T]]:
    decode = _one(Listed[kind])  # type: ignore[valid-type]  # a type that is given

    def read(body: bytes) -> Part[T]:
        found: Listed[T] = decode(body)
        if found.next is None:
            return Part(found.data, None)
        if found.next == cursor:
            raise InvalidAnswer("the list goes on where it began")
        return Part(found.data, _listing(path, kind, query, place, found.next))

    return _get(path, read, {**query, place: cursor})


def _get(path: str, read: Callable[[bytes], T], query: Mapping[str, Any] | None = None) -> Call[T]:
    return Call(method="GET", path=path, read=read, query=tuple(_pairs(query or {})))


def _post(
    path: str, read: Callable[[bytes], T], body: Any, *, reads_only: bool = False, key: str | None = None
) -> Call[T]:
    encoded = msgspec.json.encode(body)
    return Call(method="POST", path=path, read=read, body=encoded, reads_only=reads_only, idempotency_key=key)


def _pairs(query: Mapping[str, Any]) -> list[tuple[str, str]]:
    pairs = []
    for name, value in query.items():
        several = [] if value is None else [value] if isinstance(value, str | int) else value
        pairs += [(name, str(each)) for each in several]
    return pairs


@cache
def _one(kind: type[T]) -> Callable[[bytes], T]:
    decoder = msgspec.json.Decoder(kind)

    def read(body: bytes) -> T:
        try:
            return decoder.decode(body)
        except msgspec.MsgspecError:  # its text names a place only, but a path may hold a field's name
            raise InvalidAnswer("an answer has not the form that it must have") from None

    return read


def _items(kind: type[T]) -> Callable[[bytes], list[T]]:
    decode = _one(Listed[kind])  # type: ignore[valid-type]  # a type that is given
    return lambda body: decode(body).data


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise InvalidAnswer("an answer is no text") from None


def _members(struct: msgspec.Struct) -> dict[str, Any]:
    return {name: value for name, value in msgspec.to_builtins(struct).items() if value is not None}


def _key(given: str | None) -> str:
    return uuid4().hex if given is None else given


def _name(given: UUID | str) -> str:
    try:
        return str(given if isinstance(given, UUID) else UUID(given))
    except ValueError:
        raise UsageError("records, messages and requests are named by a UUID") from None


def _segment(text: str) -> str:
    """A part of a path; a dot alone would lead to another address."""
    if text in ("", ".", ".."):
        raise UsageError("a name is empty, or none")
    return quote(text, safe="")
