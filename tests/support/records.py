"""Registered records: JSON under a schema that the catalogue describes."""

from collections.abc import Mapping
from typing import Any

import msgspec

from schemas.events import Event, binary_headers
from security.verifiability import with_signature
from tests.support.installation import BANK_A, Producer
from tests.support.messages import Inbox, Record

RECORD_TYPE = "io.sealstream.record.v1"


def registered_record(
    inbox: Inbox,
    name: str,
    schema: str | None,
    members: Mapping[str, Any] | bytes,
    kind: str = RECORD_TYPE,
    producer: Producer = BANK_A,
) -> Record:
    """Publish a record, or any bytes as one."""
    data = members if isinstance(members, bytes) else msgspec.json.encode(members)
    event = Event(
        id=name, source=producer.source, type=kind, datacontenttype="application/json", dataschema=schema, data=data
    )
    return inbox.put_raw(binary_headers(with_signature(event, producer.signer)), data)
