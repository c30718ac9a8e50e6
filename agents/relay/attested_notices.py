"""One signature for all notices of a relay transaction; each of them stays verifiable alone (batch attestation)."""

import os
from collections.abc import Callable, Sequence
from typing import Final

from msgspec import structs

from agents.relay.notices import Draft, Notice
from schemas.events import Event, binary_headers
from security.batch_signing import batch_materials
from security.batch_statement import MAX_BATCH
from security.signing import Signer

SIGNED_EXTENSIONS: Final = ("seallog", "sealindex", "sealprev")
"""What subscribers order, de-duplicate and find gaps by. The absence of `sealprev` is signed too."""


def attest_notices(
    drafts: Sequence[Draft], signer: Signer, random: Callable[[int], bytes] = os.urandom
) -> list[Notice]:
    """A notice for each draft, with its `batchmaterial`.

    Args:
        drafts: Of one log; their topics may differ. Drafts in a row that share their event share its place in the
            batch. More than a batch may hold get further statements.
        signer: The log's notice key.
        random: Gives that many random bytes.
    """
    distinct: list[Event] = []
    for each in drafts:
        if not distinct or distinct[-1] is not each.event:
            distinct.append(each.event)
    attested = iter(_attested(distinct, signer, random))
    notices: list[Notice] = []
    before: Event | None = None
    for each in drafts:
        if each.event is not before:
            before, event = each.event, next(attested)
            headers = binary_headers(event)
        notices.append(Notice(each.topic, each.key, event, headers))
    return notices


def _attested(events: Sequence[Event], signer: Signer, random: Callable[[int], bytes]) -> list[Event]:
    attested: list[Event] = []
    for start in range(0, len(events), MAX_BATCH):
        batch = events[start : start + MAX_BATCH]
        materials = batch_materials([(event, SIGNED_EXTENSIONS) for event in batch], [signer], random)
        attested += [
            structs.replace(event, batchmaterial=material.decode())
            for event, material in zip(batch, materials, strict=True)
        ]
    return attested
