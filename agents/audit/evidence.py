"""Compare messages with their leaves, and verify again what was kept of each: signature, digests, names, place."""

import base64
import datetime as dt
from typing import Final
from uuid import UUID

import asyncpg

from agents.audit.commit import CommitInWork, LeafInWork, compare_columns
from agents.audit.erasures import ErasureCheck
from agents.audit.findings import LogReport, VerifyReport
from agents.audit.registered import TenantKeys
from agents.audit.sealed import SealedFields
from agents.intake.door import digests, unpack_evidence
from agents.intake.sealing_stage import SALT_BYTES
from schemas.errors import Rejection, VerificationFailed
from schemas.events import decode_event
from schemas.identity import message_record_id, position_id
from schemas.leaf import Leaf
from schemas.reasons import Reason
from security.batch_statement import StatementCache
from security.commitment import Commitments
from security.field_binding import EVIDENCE_FIELD
from security.verifiability import VerifiedEvent, verify_event

_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MILLISECOND: Final = dt.timedelta(milliseconds=1)


class EvidenceCheck:
    """Checks the messages of one log."""

    def __init__(
        self, log: LogReport, report: VerifyReport, sealed: SealedFields, keys: TenantKeys, erasures: ErasureCheck
    ) -> None:
        self._log = log
        self._report = report
        self._sealed = sealed
        self._keys = keys
        self._erasures = erasures
        self._statements = StatementCache()

    def check(self, work: CommitInWork, at: LeafInWork) -> VerifiedEvent | None:
        """Check a message's row; returns the message where its evidence opens and verifies."""
        row = work.only(self._report, "messages", at)
        if row is None or at.message is None:
            return None
        work.messages[at.message] = row
        said = {
            "message_id": at.leaf.message,
            "type": at.leaf.type,
            "outcome": "rejected" if at.leaf.kind == "rejected" else "accepted",
            "tenant": self._log.tenant,
        }
        compare_columns(self._report, at, row, "message", said)
        self._place(work, at, row)
        if at.leaf.signer is not None and at.leaf.kind != "rejected" and row["received_at"] is not None:
            self._keys.accepted(at.leaf.signer, row["received_at"])
        return self._evidence(at, at.message, row)

    def _place(self, work: CommitInWork, at: LeafInWork, row: asyncpg.Record) -> None:
        if work.steps is None:
            return
        topic, partition, offset = row["topic"], row["part"], row["kafka_offset"]
        if not work.steps.cover(topic, partition, offset):
            self._report.add(at.where, "topic, part and kafka_offset of its message are in no step of its commit")
        # What may not use its own name has that of its place.
        elif (at.leaf.signer is None or at.leaf.reason == Reason.CONFLICT) and at.message != UUID(
            bytes=position_id(work.steps.cluster, topic, partition, offset)
        ):
            self._report.add(at.where, "topic, part and kafka_offset of its message are not those of its name")
        span = at.leaf.span
        if span is not None and (
            (span.topic, span.partition, span.start) != (topic, partition, offset)
            or not work.steps.cover(span.topic, span.partition, span.end - 1)
        ):
            self._report.add(at.where, "span is not the place of its message, or in no step of its commit")

    def _evidence(self, at: LeafInWork, name: UUID, row: asyncpg.Record) -> VerifiedEvent | None:
        if row["evidence"] is None:
            self._erasures.gone(self._log, at.where, name)
            return None
        expected = {EVIDENCE_FIELD: (at.leaf.fields or {}).get(EVIDENCE_FIELD, "")}
        where = f"{at.where}, message {at.leaf.message}"
        fields = self._sealed.open(where, at.index, row, name, row["evidence"], expected, at.leaf)
        opened = (fields or {}).get(EVIDENCE_FIELD)
        if opened is None or opened.value is None or at.leaf.signer is None:
            return None
        try:
            event = self._verified(opened.value[SALT_BYTES:], row["received_at"], at.leaf.signer)
        except (Rejection, VerificationFailed) as exc:
            self._report.add(at.where, f"the kept evidence does not verify again ({exc})")
            return None
        self._log.signatures += 1
        self._compare(at.where, at.leaf, event, opened.value[:SALT_BYTES])
        if at.leaf.reason != Reason.CONFLICT and name.bytes != message_record_id(event.event.source, event.event.id):
            self._report.add(at.where, "message is not the name of the evidence's source and id")
        return event

    def _verified(self, packed: bytes, received_at: dt.datetime | None, signer: str) -> VerifiedEvent:
        """Verify the producer's signature again, over the bytes that were kept, by the keys as they stood then."""
        if received_at is None:
            raise VerificationFailed("received_at is no moment")
        received_ms = (received_at - _EPOCH) // _MILLISECOND
        evidence = unpack_evidence(packed)
        event = decode_event(evidence.headers, evidence.value)
        *likelier, last = self._keys.registries()
        for registry in likelier:
            try:
                verified = verify_event(event, registry, received_ms, self._statements)
            except Rejection:
                continue
            if verified.signer == signer:
                return verified
        return verify_event(event, last, received_ms, self._statements)

    def _compare(self, where: str, leaf: Leaf, event: VerifiedEvent, salt: bytes) -> None:
        said = (leaf.signer, leaf.source, leaf.type, self._log.tenant)
        if said != (event.signer, event.event.source, event.event.type, event.tenant):
            self._report.add(where, "signer, source, type or tenant are not those of the evidence")
        digest = Commitments.of_leaf(leaf.commitments).commit(salt, digests(event))
        if leaf.digest != base64.b64encode(digest).decode():
            self._report.add(where, "digest is not the commitment of the evidence's digests")
