"""Turn message outcomes into leaves and rows, once the database has said which ids are new.

Pure but for what it is given: runs inside the commit's transaction and must not wait.
"""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import Final
from uuid import UUID

from agents.commits.leaves import LeafBatch
from agents.commits.outcomes import FrameOutcome, Item, MessageOutcome
from agents.commits.routing import Plan
from schemas.closing import CLOSING
from schemas.errors import Rejection
from schemas.leaf import LEAF_VERSION, NewLeaf, Span
from schemas.reasons import Note, Reason
from security.data_key import WrappedDataKey
from streams.storage.commit import Claims
from streams.storage.commit_rows import CommitRows
from streams.storage.erasing import Erased
from streams.storage.ordering import pack_arrivals
from streams.storage.record_uuid import record_uuid
from streams.storage.recovered import Recovered

LABEL_FIELD: Final = "label"
CLOSING_KIND: Final = "closing"
CONTRADICTION: Final = Rejection(Reason.CONFLICT, "an earlier message has this source and id, and other content")

Refuse = Callable[[Sequence[MessageOutcome], Rejection], tuple[list[MessageOutcome], list[WrappedDataKey]]]
"""Makes rejected outcomes of verified messages, named by their places and sealed in a pass of their own."""


class Recorder:
    """Builds the rows of one commit.

    Args:
        batch: Collects the leaves.
        now: The time of the decision.
        refuse: Called once, with the verified messages that turned out to contradict earlier ones.
    """

    def __init__(self, batch: LeafBatch, now: dt.datetime, refuse: Refuse) -> None:
        self._batch = batch
        self._refuse = refuse
        self._time = rfc3339(now)
        self._rows = CommitRows()
        self._recovered = Recovered({})
        self._erased = Erased()
        self._arrived: dict[tuple[int, str], list[tuple[int, bytes]]] = {}

    def record(self, frames: Sequence[FrameOutcome], claims: Claims) -> CommitRows:
        """The rows of every frame whose watermark moved."""
        self._recovered, self._erased = claims.recovered, claims.erased
        moved = [frame for frame in frames if frame.step.place in claims.won]
        for frame in moved:
            self._rows.data_keys += map(data_key_row, frame.data_keys)
        messages = [message for frame in moved for message in frame.messages]
        repeats, conflicts = _sort_out(messages, claims.taken)
        refused: dict[int, MessageOutcome] = {}
        if conflicts:
            outcomes, keys = self._refuse(conflicts, CONTRADICTION)
            self._rows.data_keys += map(data_key_row, keys)
            refused = {id(message): outcome for message, outcome in zip(conflicts, outcomes, strict=True)}
        for message in messages:
            if id(message) in repeats:
                self._duplicate(message)
            else:
                self._message(refused.get(id(message), message), claims.first_entries)
                if message.sequence is not None and id(message) not in refused:
                    self._arrival(message, message.sequence)
        return self._finished()

    def _finished(self) -> CommitRows:
        self._rows.commits = self._batch.commit_rows()
        self._rows.bundles = self._batch.bundle_rows()
        self._rows.sequence_arrivals = [
            (log_id, source, self._batch.commit_id, pack_arrivals(arrived))
            for (log_id, source), arrived in self._arrived.items()
        ]
        return self._rows

    def _arrival(self, message: MessageOutcome, number: int) -> None:
        """A message that took its name has arrived, even one whose payload is refused."""
        if message.event is None:
            raise RuntimeError("a message that nobody vouches for has a place in no source's sequence")
        place = message.owner.log.log_id, message.event.event.source
        self._arrived.setdefault(place, []).append((number, message.message_id))

    def _message(self, message: MessageOutcome, first_entries: Mapping[tuple[int, bytes], UUID]) -> None:
        if message.rejection is not None:
            self._rejected(message)
        elif message.header_outcome is not None:
            self._statement(message, first_entries)
        else:
            (item,) = message.items
            ordinal = self._item(message, item, first_entries, message_fields=_evidence_commitment(message))
            self._message_row(message, ordinal, "accepted")

    def _duplicate(self, message: MessageOutcome) -> None:
        self._batch.add(
            message.owner.log,
            self._leaf(message, kind="duplicate", outcome=Note.DUPLICATE, record=_hex(message.message_id)),
        )

    def _rejected(self, message: MessageOutcome) -> None:
        if message.rejection is None:
            raise RuntimeError("a message without a rejection was recorded as rejected")
        ordinal = self._batch.add(
            message.owner.log,
            self._leaf(
                message,
                kind="rejected",
                outcome="rejected",
                reason=message.rejection.reason,
                record=_hex(message.message_id) if message.identity is not None else None,
                received=rfc3339(message.place.received_at),
                count=message.count,
                span=message.passed_over,
                fields=_evidence_commitment(message),
            ),
        )
        self._message_row(message, ordinal, "rejected")
        self._dead_letter(message, message.message_id, message.rejection, ordinal)

    def _statement(self, message: MessageOutcome, first_entries: Mapping[tuple[int, bytes], UUID]) -> None:
        plan = message.deferral
        ordinal = self._batch.add(
            message.owner.log,
            self._leaf(
                message,
                kind="accepted",
                outcome=message.header_outcome,
                record=_hex(message.message_id),
                count=sum(item.rejection is None for item in message.items) if plan is None else None,
                model=" ".join(plan.models) if plan is not None else None,
                decision=plan.text() if plan is not None else None,
                fields=_evidence_commitment(message),
            ),
        )
        self._message_row(message, ordinal, "accepted")
        if plan is not None:
            self._deferred(message, plan, ordinal)
        for item in message.items:
            if item.rejection is None:
                self._item(message, item, first_entries)
            else:
                self._bad_item(message, item, item.rejection)

    def _deferred(self, message: MessageOutcome, plan: Plan, ordinal: int) -> None:
        log = message.owner.log
        deadline = dt.datetime.fromisoformat(plan.deadline)
        self._rows.deferred.append(
            (
                record_uuid(message.message_id), log.log_id, log.tenant, self._batch.commit_id, ordinal,
                plan.lane, " ".join(plan.models), deadline,
            )
        )  # fmt: skip

    def _bad_item(self, message: MessageOutcome, item: Item, rejection: Rejection) -> None:
        ordinal = self._batch.add(
            message.owner.log,
            self._leaf(
                message,
                kind="rejected",
                outcome="rejected",
                reason=rejection.reason,
                record=_hex(item.record_id),
                received=rfc3339(message.place.received_at),
            ),
        )
        self._dead_letter(message, item.record_id, rejection, ordinal)

    def _item(
        self,
        message: MessageOutcome,
        item: Item,
        first_entries: Mapping[tuple[int, bytes], UUID],
        message_fields: Mapping[str, bytes] | None = None,
    ) -> int:
        if item.sealed is None:
            raise RuntimeError("an item reached the commit unsealed")
        log = message.owner.log
        name = record_uuid(item.record_id)
        first = first_entries.get((log.log_id, item.entry_token), name) if item.entry_token else name
        repeated = first != name
        note = (Note.CLOSING_CONFLICT if item.type == CLOSING else Note.DUPLICATE_ENTRY) if repeated else None
        fields = item.sealed.commitments.copy()
        label = fields.pop(LABEL_FIELD, None)
        if message_fields:
            fields.update(message_fields)
        ordinal = self._batch.add(
            log,
            self._leaf(
                message,
                kind=CLOSING_KIND if item.type == CLOSING else "result",
                outcome=item.outcome,
                record=str(name),
                label=label,
                model=item.model,
                schema=item.catalogue_type if item.catalogue_type != item.type else None,
                note=note,
                linked=_hex(first.bytes) if repeated else None,
                fields=fields,
            ),
        )
        # The leaf says what was decided; its commitments are to salts that nobody keeps.
        message_name = record_uuid(message.message_id)
        erased = self._erased.record(message_name, name)
        self._rows.results.append(
            (
                name, message_name, item.n, log.log_id, log.tenant, message.owner.domain,
                self._batch.commit_id, ordinal, item.type, item.outcome,
                note.value if note is not None else None, first if repeated else None,
                message.pass_id, None if erased else item.sealed.blob,
            )
        )  # fmt: skip
        if not erased:
            self._rows.terms += [(log.log_id, field, token, name) for field, token in item.terms]
        return ordinal

    def _leaf(
        self,
        message: MessageOutcome,
        *,
        kind: str,
        outcome: str | None,
        record: str | None = None,
        reason: str | None = None,
        received: str | None = None,
        label: bytes | None = None,
        model: str | None = None,
        decision: str | None = None,
        note: str | None = None,
        linked: str | None = None,
        count: int | None = None,
        span: Span | None = None,
        fields: Mapping[str, bytes] | None = None,
        schema: str | None = None,
    ) -> NewLeaf:
        event = message.event
        return NewLeaf(
            v=LEAF_VERSION,
            commit=self._batch.commit_id,
            commitments=message.commitments.in_leaf,
            kind=kind,
            time=self._time,
            outcome=outcome,
            reason=reason,
            received=received,
            record=record,
            message=_hex(message.message_id),
            label=label,
            model=model,
            decision=decision,
            note=note,
            linked=linked,
            count=count,
            fields=fields,
            first=self._first(message, kind, record),
            schema=schema,
            digest=message.digest,
            signer=event.signer if event else None,
            source=event.event.source if event else None,
            span=span,
            type=event.event.type if event else None,
        )

    def _first(self, message: MessageOutcome, kind: str, record: str | None) -> str | None:
        """Where the leaf stands that was brought back for this record after its rows were lost."""
        if self._recovered.is_empty:
            return None
        log = message.owner.log
        name = UUID(record) if record is not None else record_uuid(message.message_id)
        return self._recovered.take(log.log_id, name, repeat=kind == "duplicate")

    def _message_row(self, message: MessageOutcome, ordinal: int, outcome: str) -> None:
        owner, place, name = message.owner, message.place, record_uuid(message.message_id)
        kept = message.sealed_evidence is not None and not self._erased.evidence(name)
        self._rows.messages.append(
            (
                name, owner.log.log_id, owner.log.tenant, owner.domain,
                self._batch.commit_id, ordinal, message.event.event.type if message.event else None, outcome,
                place.topic, place.partition, place.offset, place.stamped_at, place.received_at, message.pass_id,
                message.sealed_evidence.blob if kept and message.sealed_evidence else None,
            )
        )  # fmt: skip

    def _dead_letter(self, message: MessageOutcome, record_id: bytes, rejection: Rejection, ordinal: int) -> None:
        owner, place = message.owner, message.place
        self._rows.dead_letters.append(
            (
                record_uuid(record_id), record_uuid(message.message_id), owner.log.log_id, owner.log.tenant,
                self._batch.commit_id, ordinal, rejection.reason.value, rejection.detail,
                place.topic, place.partition, place.offset,
            )
        )  # fmt: skip


def rfc3339(moment: dt.datetime) -> str:
    """A moment as leaves have it: in UTC, with milliseconds."""
    return moment.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _sort_out(messages: Sequence[MessageOutcome], taken: Mapping[UUID, bytes]) -> tuple[set[int], list[MessageOutcome]]:
    """Verified messages that repeat an earlier one (by `id`), and those that contradict one."""
    known = dict(taken)
    repeats: set[int] = set()
    conflicts = []
    for message in messages:
        if message.identity is None:
            continue
        name = record_uuid(message.message_id)
        first = known.get(name)
        if first is None:
            known[name] = message.identity
        elif first == message.identity:
            repeats.add(id(message))
        else:
            conflicts.append(message)
    return repeats, conflicts


def _evidence_commitment(message: MessageOutcome) -> dict[str, bytes] | None:
    return None if message.sealed_evidence is None else message.sealed_evidence.commitments


def data_key_row(key: WrappedDataKey) -> tuple[int, str, str, int, str, bytes]:
    """A row of table data_keys."""
    return key.pass_id, key.tenant, key.domain, key.tier, key.tier_key_id, key.wrapped


def _hex(record_id: bytes) -> str:
    return str(record_uuid(record_id))
