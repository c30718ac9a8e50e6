"""Names of records: the 16 bytes that a (source, id) pair or a place in a topic always gives."""

import hashlib
from typing import NewType

RecordId = NewType("RecordId", bytes)


def message_record_id(source: str, event_id: str) -> RecordId:
    """Id of a message: the first 16 bytes of SHA-256 over `source NUL id`.

    Neither part may hold a NUL; the event decoder refuses those, so two pairs can't collide by concatenation.
    """
    return RecordId(hashlib.sha256(f"{source}\0{event_id}".encode()).digest()[:16])


def item_record_id(source: str, event_id: str, n: int) -> RecordId:
    """Id of the n-th transaction of a message, from 0 in document order: SHA-256 over `source NUL id NUL n`."""
    return RecordId(hashlib.sha256(f"{source}\0{event_id}\0{n}".encode()).digest()[:16])


def position_id(cluster: str, topic: str, partition: int, offset: int) -> RecordId:
    """Id of a message that may not claim its own name, because nothing in it could be verified: its place."""
    return RecordId(hashlib.sha256(f"{cluster}\0{topic}\0{partition}\0{offset}".encode()).digest()[:16])
