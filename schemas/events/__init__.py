"""CloudEvents 1.0 as they travel over Kafka: the event, its attributes, and both content modes of the binding.

    event = decode_event(record.headers, record.value)

Whether anybody vouches for an event is security.verifiability; what its data means is schemas.transaction and others.
"""

from schemas.events.attributes import AttributeType, AttributeValue, canonical_bytes, canonical_text
from schemas.events.event import Event
from schemas.events.kafka_binding import binary_headers, decode_event
from schemas.events.timestamp import canonical_timestamp

__all__ = [
    "AttributeType",
    "AttributeValue",
    "Event",
    "binary_headers",
    "canonical_bytes",
    "canonical_text",
    "canonical_timestamp",
    "decode_event",
]
