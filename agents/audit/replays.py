"""Compare replays with their rows, with what they say they brought, and with the leaves of the dead letters."""

from collections.abc import Iterable, Mapping
from typing import Final

from agents.audit.commit import CommitInWork, LeafInWork, ReplayClaim, Replays, compare_columns
from agents.audit.findings import LogReport, VerifyReport
from schemas.errors import VerificationFailed
from schemas.leaf import Leaf, decode_leaf
from schemas.reasons import Note
from streams.storage.auditing_replays import FirstLeaf, LeafPlace

_PLACE: Final = ("topic", "part", "kafka_offset", "received_at")
_ASTRAY: Final = "`first` is not the place of the leaf of its dead letter"


class ReplayCheck:
    """Collects replays, a batch at a time."""

    def __init__(self, log: LogReport, report: VerifyReport) -> None:
        self._log = log
        self._report = report
        self._claims: list[ReplayClaim] = []

    def open(self, leaves: Iterable[LeafInWork]) -> Replays:
        """Read a commit's replays, which say what other leaves of it are."""
        found = Replays()
        for at in leaves:
            if at.leaf.kind != "replay":
                continue
            first = _place(at.leaf.first)
            if first is None:
                self._report.add(at.where, _ASTRAY)
                continue
            claim = ReplayClaim(at, first)
            self._claims.append(claim)
            if at.leaf.reason is not None or at.leaf.outcome == Note.DUPLICATE or at.message is None:
                continue
            if at.own_record:
                found.by_message[at.message] = claim
            elif at.record is not None:
                found.by_entry[at.record] = claim
        return found

    def row(self, work: CommitInWork, at: LeafInWork) -> None:
        """Check the row of a replay."""
        row = work.only(self._report, "replays", at)
        if row is None:
            return
        for claim in self._claims:
            if claim.at.index == at.index:
                claim.letter_commit = row["letter_commit"]
        leaf = at.leaf
        said = {
            "dead_letter_id": leaf.linked,
            "outcome": leaf.outcome,
            "reason": leaf.reason,
            "tenant": self._log.tenant,
        }
        compare_columns(self._report, at, row, "replay", said)

    def message(self, work: CommitInWork, at: LeafInWork) -> None:
        """A message in a commit that moved no watermark: only a replay brings one."""
        replays = work.replays or Replays()
        claim = replays.by_message.get(at.message) if at.message is not None else None
        if claim is None or at.message is None:
            self._unexplained(work, at)
            return
        claim.message = work.messages.get(at.message)
        replays.met.add(at.message)
        if at.leaf.outcome != claim.at.leaf.outcome:
            self._report.add(claim.at.where, "its outcome is not that of what it took in")

    def entry(self, work: CommitInWork, at: LeafInWork) -> None:
        """An entry without its statement: only a replay brings one."""
        replays = work.replays or Replays()
        claim = replays.by_entry.get(at.record) if at.record is not None else None
        if claim is None or at.record is None:
            self._unexplained(work, at)
            return
        rows = work.rows.tables["results"].get(at.ordinal)
        claim.entry = rows[0] if rows else None
        replays.met.add(at.record)
        if (at.leaf.outcome, at.leaf.message) != (claim.at.leaf.outcome, claim.at.leaf.message):
            self._report.add(claim.at.where, "its outcome or message is not that of what it took in")

    def close(self, work: CommitInWork) -> None:
        """Name the replays of a commit that brought nothing, though they say so."""
        if work.replays is None or not work.readable:
            return
        for name, claim in [*work.replays.by_message.items(), *work.replays.by_entry.items()]:
            if name not in work.replays.met:
                self._report.add(claim.at.where, "what it says it took in has no leaf in its commit")

    def places(self) -> list[LeafPlace]:
        """The leaves of this batch's dead letters."""
        return [claim.first for claim in self._claims]

    def settle(self, firsts: Mapping[LeafPlace, FirstLeaf]) -> None:
        """Compare this batch with the leaves and messages of its dead letters."""
        for claim in self._claims:
            first = firsts.get(claim.first)
            leaf = _leaf(first.body, "rejected") if first is not None else None
            later = (place := self._log.place("#".join(map(str, claim.first)))) is not None and place >= claim.at.index
            if first is None or leaf is None or later or (leaf.record or leaf.message) != claim.at.leaf.linked:
                self._report.add(claim.at.where, _ASTRAY)
            else:
                self._compare(claim, leaf, first)
        self._report.replays += len(self._claims)
        self._claims.clear()

    def _compare(self, claim: ReplayClaim, refused: Leaf, first: FirstLeaf) -> None:
        where, leaf = claim.at.where, claim.at.leaf
        if claim.letter_commit not in (None, first.commit_id):
            self._report.add(where, "column letter_commit of its replay is not the commit of its dead letter")
        if leaf.reason is not None and (leaf.record, leaf.message) != (refused.record, refused.message):
            self._report.add(where, "record and message are not those of its dead letter")
        if claim.message is not None and any(
            first.message is None or claim.message[name] != first.message[name] for name in _PLACE
        ):
            self._report.add(where, "topic, part, kafka_offset and received_at are not those of its dead letter")
        if claim.entry is not None and claim.entry["n"] != _item_number(first, refused):
            self._report.add(where, "column n of its result is not the place of its dead letter in its message")

    def _unexplained(self, work: CommitInWork, at: LeafInWork) -> None:
        if work.readable:
            self._report.add(at.where, "its commit moved no watermark, and no leaf says that it was replayed")


def _place(text: str | None) -> LeafPlace | None:
    origin, mark, index = (text or "").rpartition("#")
    return LeafPlace(origin, int(index)) if mark and index.isascii() and index.isdigit() and len(index) < 19 else None


def _leaf(body: bytes, kind: str) -> Leaf | None:
    try:
        leaf = decode_leaf(body)
    except VerificationFailed:
        return None
    return leaf if leaf.kind == kind else None


def _item_number(first: FirstLeaf, entry: Leaf) -> int | None:
    """Which entry of its statement a refused one was: their leaves follow that of the statement, in order."""
    statement = _leaf(first.message_body, "accepted")
    if statement is None or statement.message != entry.message or first.message_leaf is None:
        return None
    return first.ordinal - first.message_leaf - 1
