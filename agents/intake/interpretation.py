"""From a verified payload to records: which format it is, and the items that come out of it."""

import json
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from agents.commits.outcomes import Item, MessageOutcome
from agents.commits.routing import DEFERRED, URGENCY, Router
from schemas.camt import decode_statement
from schemas.catalogue import Catalogue
from schemas.closing import CLOSING, closing_values, decode_closing, moment_text
from schemas.errors import Rejection
from schemas.events import canonical_text
from schemas.field_values import record_values
from schemas.identity import item_record_id
from schemas.reasons import Reason
from schemas.sequence import SEQUENCE, parse_sequence
from schemas.statement import EntryKey, StatementItem
from schemas.text_document import decode_text, is_text
from schemas.transaction import Transaction
from schemas.transaction_json import decode_transaction
from security.hmac_sha256 import hmac_sha256
from security.verifiability import VerifiedEvent

TRANSACTION: Final = "io.sealstream.transaction.v1"
STATEMENT: Final = "io.sealstream.statement.v1"
DOCUMENT: Final = "io.sealstream.document.v1"
RECORD: Final = "io.sealstream.record.v1"

ENTRY_KEY: Final = "entry_key"
CLOSING_KEY: Final = "closing_key"
ENTRY_TOKEN_BYTES: Final = 16

COMMITMENT_SPACE: Final = 52
MAX_COMMITMENTS_SPACE: Final = 48_000
"""A leaf holds each field's name and commitment; with everything else it must stay below 65,535 bytes."""

_OUTCOMES: Final = {"BOOK": "booked", "PDNG": "pending", "INFO": "informational", None: "recorded"}


class Interpreter:
    """Decodes verified payloads into items.

    Args:
        catalogue: Names the fields of registered record schemas.
        index_key: (tenant, name) to a keyed-digest key.
        router: Plans what is done later; None when nothing is.
    """

    def __init__(
        self, catalogue: Catalogue, index_key: Callable[[str, str], bytes], router: Router | None = None
    ) -> None:
        self._catalogue = catalogue
        self._router = router
        self._index_key = index_key
        self._by_type: Mapping[str, Callable[[MessageOutcome, VerifiedEvent], None]] = {
            TRANSACTION: self._transaction,
            STATEMENT: self._statement,
            DOCUMENT: self._document,
            RECORD: self._record,
            CLOSING: self._closing,
        }

    def interpret(self, message: MessageOutcome) -> None:
        """Fill in the message's number and its items, or its rejection."""
        event = message.event
        if event is None:
            return
        decode = self._by_type.get(event.event.type)
        try:
            number = event.event.extensions.get(SEQUENCE)
            if number is not None:
                message.sequence = parse_sequence(canonical_text(number))
            if message.rejection is not None:
                return
            if decode is None:
                raise Rejection(Reason.UNSUPPORTED_TYPE, "no reader for this event type")
            decode(message, event)
        except Rejection as rejection:
            message.rejection = rejection
            message.items = []

    def _transaction(self, message: MessageOutcome, event: VerifiedEvent) -> None:
        transaction = decode_transaction(event.event.data or b"")
        message.items = [_transaction_item(message.message_id, None, transaction)]

    def _statement(self, message: MessageOutcome, event: VerifiedEvent) -> None:
        statement = decode_statement(event.event.data or b"")
        message.header_outcome = statement.balance.value
        message.items = [self._statement_item(event, n, item) for n, item in enumerate(statement.items)]

    def _statement_item(self, event: VerifiedEvent, n: int, item: StatementItem) -> Item:
        record_id = item_record_id(event.event.source, event.event.id, n)
        if isinstance(item.transaction, Rejection):
            return Item(record_id, n, TRANSACTION, TRANSACTION, "rejected", [], rejection=item.transaction)
        made = _transaction_item(record_id, n, item.transaction)
        if item.entry_key is not None:
            made.entry_token = self._entry_token(event.tenant, item.entry_key)
        return made

    def _entry_token(self, tenant: str, key: EntryKey, name: str = ENTRY_KEY) -> bytes:
        return hmac_sha256(self._index_key(tenant, name), msgspec.msgpack.encode(key))[:ENTRY_TOKEN_BYTES]

    def _closing(self, message: MessageOutcome, event: VerifiedEvent) -> None:
        closing = decode_closing(event.event.data or b"")
        item = Item(message.message_id, None, CLOSING, CLOSING, "closed", closing_values(closing))
        # The first closing of a period and the first one that replaces another claim their place: what comes after
        # says something else about the same, and its leaf points at them.
        key = (event.event.source, moment_text(closing.start), moment_text(closing.end), closing.replaces or "")
        item.entry_token = self._entry_token(event.tenant, key, CLOSING_KEY)
        item.outcome = "closed" if closing.replaces is None else "corrected"
        message.items = [item]

    def _document(self, message: MessageOutcome, event: VerifiedEvent) -> None:
        if not event.event.data:
            raise Rejection(Reason.UNREADABLE_DOCUMENT, "the document is empty")
        media_type = event.event.datacontenttype
        if self._router is not None and media_type is not None and is_text(media_type):
            decode_text(event.event.data, media_type)  # whoever answers reads it again
            urgency = event.event.extensions.get(URGENCY)
            message.deferral = self._router.plan_text(message.message_id, urgency, message.place.received_at)
            message.header_outcome = DEFERRED
            return
        message.items = [Item(message.message_id, None, DOCUMENT, DOCUMENT, "stored", [])]

    def _record(self, message: MessageOutcome, event: VerifiedEvent) -> None:
        schema = event.event.dataschema
        fields = self._catalogue.fields(event.tenant, schema) if schema else {}
        if schema is None or not fields:
            raise Rejection(Reason.SCHEMA_VIOLATION, "dataschema names no registered schema")
        members = _members(event.event.data or b"")
        if sum(len(name) + COMMITMENT_SPACE for name in members) > MAX_COMMITMENTS_SPACE:
            raise Rejection(Reason.OVERSIZED, "the record has more members than a log entry can commit to")
        if not members.keys() <= fields.keys():
            raise Rejection(Reason.SCHEMA_VIOLATION, "a member has no entry in the catalogue of its schema")
        values = [(name, bytes(members[name])) for name in sorted(members)]
        message.items = [Item(message.message_id, None, RECORD, schema, "stored", values)]


def _members(data: bytes) -> dict[str, msgspec.Raw]:
    """The members of a JSON object, each with its exact text: a number never becomes a float.

    Raises:
        Rejection: `malformed` for what is no JSON object, or has two members of one name.
    """
    try:
        members = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
        # Raw values are not looked into: the second reading checks their text, the third every object's names.
        msgspec.json.decode(data)
        json.loads(data.decode(), object_pairs_hook=_unique)
    except (msgspec.MsgspecError, ValueError, RecursionError) as exc:
        raise Rejection(Reason.MALFORMED, "the data is not a JSON object with each member once") from exc
    return members


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member is there twice")
    return members


def _transaction_item(record_id: bytes, n: int | None, transaction: Transaction) -> Item:
    return Item(
        record_id,
        n,
        TRANSACTION,
        TRANSACTION,
        _OUTCOMES[transaction.status],
        record_values(transaction),
        transaction=transaction,
    )
