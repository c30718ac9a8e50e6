"""One signature for all notices of a relay transaction; each of them stays verifiable alone (batch attestation)."""

import os
from collections.abc import Callable, Sequence
from typing import Final

from agents.notices import Notice
from schemas.events import Event
from security.batch_signing import batch_materials
from security.batch_statement import MAX_BATCH
from security.signing import Signer

SIGNED_EXTENSIONS: Final = ("seallog", "sealindex", "sealprev")
"""What subscribers order, de-duplicate and find gaps by. The absence of `sealprev` is signed too."""

MATERIAL_HEADER: Final = "ce_batchmaterial"


def attest_notices(
    notices: Sequence[Notice], signer: Signer, random: Callable[[int], bytes] = os.urandom
) -> list[Notice]:
    """The same notices, each with its `batchmaterial`.

    Args:
        notices: Of one log; their topics may differ. More than a batch may hold get further statements.
        signer: The log's notice key.
        random: Gives that many random bytes.
    """
    attested: list[Notice] = []
    for start in range(0, len(notices), MAX_BATCH):
        batch = notices[start : start + MAX_BATCH]
        materials = batch_materials([(_event(each), SIGNED_EXTENSIONS) for each in batch], [signer], random)
        attested += [
            Notice(each.topic, each.key, each.value, [*each.headers, (MATERIAL_HEADER, material)])
            for each, material in zip(batch, materials, strict=True)
        ]
    return attested


def _event(notice: Notice) -> Event:
    """The event that a subscriber decodes; a test holds this equal to what the binding reads."""
    texts = {name: value.decode() for name, value in notice.headers}
    return Event(
        id=texts["ce_id"],
        source=texts["ce_source"],
        type=texts["ce_type"],
        datacontenttype=texts["content-type"],
        time=texts["ce_time"],
        data=notice.value,
        extensions={name: texts[f"ce_{name}"] for name in SIGNED_EXTENSIONS if f"ce_{name}" in texts},
    )
