"""Leaves and rows of records that end: sealed in a pass of their own, one for each tenant."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from agents.commits.leaves import LeafBatch, LogRef
from agents.commits.recording import LABEL_FIELD, data_key_row, rfc3339
from agents.intake.interpretation import DOCUMENT
from schemas.catalogue import Catalogue
from schemas.errors import Rejection
from schemas.leaf import LEAF_VERSION, NewLeaf
from security.sealing import SealedRecord, SealingPass
from security.tier_keys import TierKeys
from streams.storage.commit_rows import CommitRows
from streams.storage.deferring import DONE, FAILED, Granted, Waiting, WaitingRecord
from streams.storage.recovered import Recovered

ERASED: Final = "erased"
"""Outcome of a record that was erased while it waited: it ends without anybody having read it."""

ENTITIES: Final = "entities"


@dataclass(frozen=True, slots=True)
class Ending:
    """How one record ends.

    Attributes:
        outcome: Of its result; None when it is rejected.
        source: CloudEvents source; None where nobody read it.
        values: Field name to canonical bytes, sorted.
        model: All models that answered.
        decision: How they came to.
    """

    record: WaitingRecord
    outcome: str | None = None
    rejection: Rejection | None = None
    source: str | None = None
    values: Sequence[tuple[str, bytes]] = field(default=(), repr=False)
    model: str | None = None
    decision: str | None = None

    @property
    def state(self) -> str:
        """Of its row, afterwards."""
        return FAILED if self.rejection is not None else DONE


class EndingRecorder:
    """Seals endings, and builds the rows of those that are granted.

    Args:
        take_pass: Gives a number for a sealing pass; one for each tenant is needed.
    """

    def __init__(
        self, endings: Sequence[Ending], catalogue: Catalogue, tier_keys: TierKeys, take_pass: Callable[[], int]
    ) -> None:
        self._passes: dict[str, tuple[int, SealingPass]] = {}
        self._sealed: dict[Waiting, SealedRecord] = {}
        self._tier_keys = tier_keys
        self._take_pass = take_pass
        self._endings: dict[Waiting, Ending] = {}
        for ending in endings:
            self._seal(ending, catalogue)

    @property
    def states(self) -> Mapping[Waiting, str]:
        """What each record's state is to be."""
        return {name: ending.state for name, ending in self._endings.items()}

    def rows(self, batch: LeafBatch, granted: Granted, now: dt.datetime) -> CommitRows:
        """The rows of one commit."""
        rows = CommitRows()
        time = rfc3339(now)
        for name, ending in self._endings.items():
            if name in granted.won:
                erased = granted.erased.evidence(ending.record.record_id)
                first = _first(ending.record, granted.recovered)
                if ending.rejection is not None:
                    self._rejected(rows, batch, ending, ending.rejection, time, first=first)
                else:
                    self._result(rows, batch, ending, time, erased=erased, first=first)
        for _, sealing in self._passes.values():
            rows.data_keys += map(data_key_row, sealing.data_keys())
        rows.commits, rows.bundles = batch.commit_rows(), batch.bundle_rows()
        return rows

    def _seal(self, ending: Ending, catalogue: Catalogue) -> None:
        """Seal an ending's values; one whose fields the catalogue doesn't know is rejected, never kept unsealed."""
        record = ending.record
        tenant = record.tenant
        if tenant not in self._passes:
            number = self._take_pass()
            self._passes[tenant] = number, SealingPass(number, tenant, self._tier_keys)
        self._endings[record.name] = ending
        if ending.rejection is not None:
            return
        specs, lowest = catalogue.fields(tenant, DOCUMENT), catalogue.evidence_tier(tenant, DOCUMENT)
        try:
            fields = [
                (name, max(specs[name].tier, lowest) if name == ENTITIES else specs[name].tier, value)
                for name, value in ending.values
            ]
        except Rejection as rejection:
            self._endings[record.name] = Ending(record, rejection=rejection, source=ending.source)
            return
        sealing = self._passes[tenant][1]
        self._sealed[record.name] = sealing.seal_fields(record.domain, record.record_id.bytes, fields)

    def _result(
        self, rows: CommitRows, batch: LeafBatch, ending: Ending, time: str, *, erased: bool, first: str | None
    ) -> None:
        record, sealed = ending.record, self._sealed[ending.record.name]
        log = _log(record)
        # Erased since it was read: its leaf commits to nothing, as if nobody had.
        fields = {} if erased else sealed.commitments.copy()
        outcome = ERASED if erased else ending.outcome
        ordinal = batch.add(
            log,
            NewLeaf(
                v=LEAF_VERSION,
                commit=batch.commit_id,
                commitments=sealed.kind.in_leaf,
                decision=None if erased else ending.decision,
                first=first,
                kind="result",
                label=fields.pop(LABEL_FIELD, None),
                fields=fields,
                message=str(record.record_id),
                model=None if erased else ending.model,
                outcome=outcome,
                record=str(record.record_id),
                source=ending.source,
                time=time,
                type=DOCUMENT,
            ),
        )
        rows.results.append(
            (
                record.record_id, record.record_id, None, log.log_id, log.tenant, record.domain, batch.commit_id,
                ordinal, DOCUMENT, outcome, None, None, self._passes[record.tenant][0],
                None if erased else sealed.blob,
            )
        )  # fmt: skip

    def _rejected(
        self, rows: CommitRows, batch: LeafBatch, ending: Ending, rejection: Rejection, time: str, *, first: str | None
    ) -> None:
        record = ending.record
        log = _log(record)
        ordinal = batch.add(
            log,
            NewLeaf(
                v=LEAF_VERSION,
                commit=batch.commit_id,
                first=first,
                kind="rejected",
                message=str(record.record_id),
                outcome="rejected",
                reason=rejection.reason,
                received=rfc3339(record.received_at),
                record=str(record.record_id),
                source=ending.source,
                time=time,
                type=DOCUMENT,
            ),
        )
        rows.dead_letters.append(
            (
                record.record_id, record.record_id, log.log_id, log.tenant, batch.commit_id, ordinal,
                rejection.reason.value, rejection.detail, record.topic, record.part, record.kafka_offset,
            )
        )  # fmt: skip


def _first(record: WaitingRecord, recovered: Recovered) -> str | None:
    """Where the leaf stands that ended the record before its rows were lost, if one was brought back."""
    return recovered.take(record.log_id, record.record_id, ending=True)


def _log(record: WaitingRecord) -> LogRef:
    return LogRef(record.log_id, record.tenant, record.origin)
