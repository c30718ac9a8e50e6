"""Storage without sealing, to be measured beside the product's: what encryption and commitments cost."""

from collections.abc import Sequence
from typing import Final

import msgspec

from agents.intake.sealing_stage import SealingStage
from security.field_binding import EVIDENCE_FIELD
from security.sealing import SealedRecord, SealingPass

NO_PASS: Final = 0


class PlainPass(SealingPass):
    """Stores what a sealing pass would seal: no cipher, no salt, no commitment, no key."""

    def seal_fields(self, domain: str, record_id: bytes, fields: Sequence[tuple[str, int, bytes]]) -> SealedRecord:
        """The fields as they are."""
        return SealedRecord(msgspec.msgpack.encode(fields), {})

    def seal_evidence(self, domain: str, record_id: bytes, tier: int, evidence: bytes) -> SealedRecord:
        """The bytes as they are."""
        return SealedRecord(msgspec.msgpack.encode([(EVIDENCE_FIELD, tier, evidence)]), {})


class PlainStorage(SealingStage):
    """The sealing stage with `PlainPass`: catalogue, blind terms and the keyed digest of the message stay."""

    def _new_pass(self, tenant: str) -> tuple[int, SealingPass]:
        return NO_PASS, PlainPass(NO_PASS, tenant, self._tier_keys)
