"""Storage without sealing, to be measured beside the product's: what encryption and commitments cost."""

from collections.abc import Sequence
from typing import Final

import msgspec

from agents.commits.outcomes import MessageOutcome
from agents.intake.sealing_stage import SealingStage
from security.data_key import WrappedDataKey
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

    def seal(self, messages: Sequence[MessageOutcome]) -> list[WrappedDataKey]:
        """Encode a frame's messages in place."""
        plain = PlainPass(NO_PASS, messages[0].owner.log.tenant, self._tier_keys)
        for message in messages:
            message.pass_id = NO_PASS
            self._seal_items(message, plain)
            self._seal_evidence(message, plain, bytes(16))
        return []
