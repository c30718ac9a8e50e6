"""Compare what a log's leaves say with the rows they speak of: results, evidence, dead letters, sealed fields."""

import base64
import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from uuid import UUID

import asyncpg
import msgspec

from agents.audit.findings import LogReport, VerifyReport
from agents.audit.tree import LeafAt
from agents.intake import Evidence, digests
from agents.recording import LABEL_FIELD
from agents.sealing_stage import SALT_BYTES
from schemas.errors import Rejection, VerificationFailed
from schemas.events import decode_event
from schemas.leaf import Leaf
from security.commitment import commit
from security.key_registry import KeyRegistry
from security.sealing import EVIDENCE_FIELD, FieldOpener, OpenedField
from security.verifiability import VerifiedEvent, verify_event
from streams.storage.auditing import CommitContents

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MILLISECOND = dt.timedelta(milliseconds=1)
_EVIDENCE = msgspec.msgpack.Decoder(Evidence)


Observer = Callable[[Leaf, Mapping[str, OpenedField]], None]
"""Is shown every leaf whose rows exist, with the opened fields of its result (none for other kinds)."""


class ContentsCheck:
    """Checks batches of commits of one log against their rows.

    Args:
        opener: Opens fields up to the auditor's tier.
        registry: The producers' keys, as they stand now; validity is judged at the time of receipt.
        observe: See `Observer`.
    """

    def __init__(
        self,
        log: LogReport,
        report: VerifyReport,
        opener: FieldOpener,
        registry: KeyRegistry,
        observe: Observer,
    ) -> None:
        self._log = log
        self._report = report
        self._opener = opener
        self._registry = registry
        self._observe = observe

    def check(self, commit_id: int, leaves: Sequence[LeafAt], rows: CommitContents) -> None:
        """Check one commit's leaves, and that its rows have no others."""
        spoken_of: set[int] = set()
        for index, ordinal, leaf in leaves:
            spoken_of.add(ordinal)
            where = f"log {self._log.origin}, index {index} (commit {commit_id})"
            at = (commit_id, ordinal)
            if leaf.kind == "result":
                self._result(where, leaf, self._only(where, "results", rows.results.get(at)))
            else:
                self._observe(leaf, {})
            if leaf.kind in {"accepted", "rejected"} or (leaf.kind == "result" and leaf.record == leaf.message):
                self._message(where, leaf, at, rows)
            if leaf.kind == "rejected":
                self._dead_letter(where, leaf, self._only(where, "dead_letters", rows.dead_letters.get(at)))
        where = f"log {self._log.origin}, commit {commit_id}"
        for table, found in rows.by_table():
            for place in found:
                if place[0] == commit_id and place[1] not in spoken_of:
                    self._report.add(where, f"a row of {table} has no leaf (ordinal {place[1]})")

    def _only(self, where: str, table: str, rows: list[asyncpg.Record] | None) -> asyncpg.Record | None:
        if not rows:
            self._report.add(where, f"its row in {table} is gone")
            return None
        if len(rows) > 1:
            self._report.add(where, f"{len(rows)} rows in {table} claim this leaf")
        return rows[0]

    def _result(self, where: str, leaf: Leaf, row: asyncpg.Record | None) -> None:
        if row is None:
            return
        for column, said in (
            ("record_id", leaf.record),
            ("message_id", leaf.message),
            ("outcome", leaf.outcome),
            ("note", leaf.note),
            ("linked", leaf.linked),
            ("tenant", self._log.tenant),
        ):
            stored = row[column]
            if (str(stored) if stored is not None else None) != said:
                self._report.add(where, f"column {column} of its result is not what the leaf says")
        if row["sealed"] is None:
            self._report.add(where, "its sealed fields are gone and no leaf says that they were erased")
            return
        opened = self._open(where, row, row["record_id"], row["sealed"])
        expected = {name: value for name, value in (leaf.fields or {}).items() if name != EVIDENCE_FIELD}
        if leaf.label is not None:
            expected[LABEL_FIELD] = leaf.label
        self._commitments(f"{where}, record {leaf.record}", expected, opened)
        self._observe(leaf, opened)

    def _message(self, where: str, leaf: Leaf, at: tuple[int, int], rows: CommitContents) -> None:
        found = rows.messages.get(at)
        if leaf.kind == "rejected" and leaf.fields is None:
            return  # a bad entry: its message has a leaf of its own
        row = self._only(where, "messages", found)
        if row is None:
            return
        if str(row["message_id"]) != leaf.message:
            self._report.add(where, "column message_id of its message is not what the leaf says")
        if row["outcome"] != ("rejected" if leaf.kind == "rejected" else "accepted"):
            self._report.add(where, "column outcome of its message is not what the leaf says")
        if row["evidence"] is None:
            self._report.add(where, "the evidence is gone and no leaf says that it was erased")
            return
        opened = self._open(where, row, row["message_id"], row["evidence"])
        expected = {EVIDENCE_FIELD: (leaf.fields or {}).get(EVIDENCE_FIELD, "")}
        self._commitments(f"{where}, message {leaf.message}", expected, opened)
        evidence = opened.get(EVIDENCE_FIELD)
        if evidence is not None and evidence.value is not None and leaf.signer is not None:
            self._signature(where, leaf, row, evidence.value)

    def _signature(self, where: str, leaf: Leaf, row: asyncpg.Record, value: bytes) -> None:
        """Verify the producer's signature again, over the bytes that were kept."""
        salt, packed = value[:SALT_BYTES], value[SALT_BYTES:]
        try:
            event = self._verified(packed, (row["received_at"] - _EPOCH) // _MILLISECOND)
        except (Rejection, VerificationFailed) as exc:
            self._report.add(where, f"the kept evidence does not verify again ({exc})")
            return
        self._log.signatures += 1
        if event.key_id != leaf.signer or event.event.source != leaf.source or event.event.type != leaf.type:
            self._report.add(where, "signer, source or type are not those of the evidence")
        if leaf.digest != base64.b64encode(commit(salt, digests(event))).decode():
            self._report.add(where, "digest is not the commitment of the evidence's digests")

    def _verified(self, packed: bytes, received_ms: int) -> VerifiedEvent:
        try:
            evidence = _EVIDENCE.decode(packed)
        except msgspec.MsgspecError as exc:
            raise VerificationFailed("not a packed message") from exc
        return verify_event(decode_event(evidence.headers, evidence.value), self._registry, received_ms)

    def _dead_letter(self, where: str, leaf: Leaf, row: asyncpg.Record | None) -> None:
        if row is None:
            return
        if row["reason"] != leaf.reason:
            self._report.add(where, "column reason of its dead letter is not what the leaf says")
        if str(row["message_id"]) != leaf.message:
            self._report.add(where, "column message_id of its dead letter is not what the leaf says")

    def _open(self, where: str, row: asyncpg.Record, name: UUID, blob: bytes) -> Mapping[str, OpenedField]:
        try:
            return self._opener.open_record(row["tenant"], row["domain"], name.bytes, row["pass_id"], blob)
        except VerificationFailed as exc:
            self._report.add(f"{where}, record {name}", str(exc))
            return {}

    def _commitments(self, where: str, expected: Mapping[str, str], opened: Mapping[str, OpenedField]) -> None:
        if not opened:
            return
        for name in sorted(expected.keys() ^ opened.keys()):
            self._report.add(f"{where}, field {name}", "stands in the leaf or in the row, not in both")
        for name in expected.keys() & opened.keys():
            made = opened[name].commitment
            if made is None:
                self._log.fields_sealed += 1
            elif base64.b64encode(made).decode() != expected[name]:
                self._report.add(f"{where}, field {name}", "its commitment is not the one in the leaf")
            else:
                self._log.fields_opened += 1
