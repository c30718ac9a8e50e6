"""The Merkle root of a closing: over the messages of a period, by RFC 6962, in the order of their record ids.

A leaf is the record id (16 bytes), the Verifiability `core` digest and, where extensions are signed, the `ext`
digest: what a producer has once it signed, and what the platform finds again in the evidence that it keeps. The order
of record ids is known to both without either having to remember when a message was sent.
"""

from collections.abc import Iterable
from itertools import islice
from typing import Final

from security.merkle import Frontier, leaf_hash

_AT_ONCE: Final = 4096


def closing_root(messages: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The root over (record id, digests) of messages.

    Args:
        messages: In the order of their record ids, each once; taken piece by piece.

    Raises:
        ValueError: They are in another order, or one is there twice.
    """
    tree, before, remaining = Frontier(), b"", iter(messages)
    while chunk := list(islice(remaining, _AT_ONCE)):
        for record_id, _ in chunk:
            if record_id <= before:
                raise ValueError("messages come in the order of their record ids, each once")
            before = record_id
        tree.extend([leaf_hash(record_id + digests) for record_id, digests in chunk])
    return tree.root()
