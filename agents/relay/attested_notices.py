"""One signature for all notices of a relay transaction; each of them stays verifiable alone (batch attestation)."""

import os
from collections.abc import Callable, Sequence
from typing import Final

from msgspec import structs

from agents.relay.notices import Notice
from security.batch_signing import batch_materials
from security.batch_statement import MAX_BATCH
from security.signing import Signer

SIGNED_EXTENSIONS: Final = ("seallog", "sealindex", "sealprev")
"""What subscribers order, de-duplicate and find gaps by. The absence of `sealprev` is signed too."""


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
        materials = batch_materials([(each.event, SIGNED_EXTENSIONS) for each in batch], [signer], random)
        attested += [
            Notice(each.topic, each.key, structs.replace(each.event, batchmaterial=material.decode()))
            for each, material in zip(batch, materials, strict=True)
        ]
    return attested
