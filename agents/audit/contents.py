"""Walk a commit's leaves and compare each with the rows it speaks of, and see that there are no other rows."""

from collections.abc import Sequence

from agents.audit.access_looks import AccessLooks
from agents.audit.commit import CommitInWork, LeafInWork, Statement
from agents.audit.context import AuditContext
from agents.audit.dead_letters import DeadLetterCheck
from agents.audit.deferrals import DeferralCheck, accepts_for_later
from agents.audit.disclosures import DisclosureCheck
from agents.audit.erasures import ErasureCheck
from agents.audit.evidence import EvidenceCheck
from agents.audit.findings import LogReport, VerifyReport
from agents.audit.identities import IdentityCheck
from agents.audit.registered import TenantKeys
from agents.audit.replays import ReplayCheck
from agents.audit.results import CheckedResult, ResultCheck
from agents.audit.reviews import ReviewRows
from agents.audit.sealed import SealedFields
from agents.audit.search import TermCheck
from agents.audit.tier_keys import TierKeyCheck
from agents.audit.tree import LeafAt
from agents.audit.watermarks import SignedSteps, WatermarkCheck, read_watermark
from agents.commits.routing import ends_deferred
from agents.intake.interpretation import RECORD
from agents.platform.data_keys import DataKeyCache
from schemas.reasons import Note
from security.opening import FieldOpener
from security.verifiability import VerifiedEvent
from streams.storage.auditing import TABLES, CommitContents, PlacedCommit


class ContentsCheck:
    """Checks the commits of one log against their rows.

    Args:
        data_keys: Those of the batch in work.
        keys: The producers' keys, as they stand at the commit in work.
        identities: Is told which names were taken.
        replays: Is told what was taken in again.
        deferrals: Is told what was accepted for later, and what ended.
        terms: Is told what searches may find; None when blind terms are not compared.
        erasures: Is told what is not there any more.
        tier_keys: Is told what nobody can open any more.
        watermarks: Is told which commits say that they moved a watermark.
        looks: Is told what was read by requests for access.
    """

    def __init__(
        self,
        log: LogReport,
        report: VerifyReport,
        context: AuditContext,
        data_keys: DataKeyCache,
        keys: TenantKeys,
        identities: IdentityCheck,
        replays: ReplayCheck,
        deferrals: DeferralCheck,
        terms: TermCheck | None,
        erasures: ErasureCheck,
        tier_keys: TierKeyCheck,
        watermarks: WatermarkCheck,
        looks: AccessLooks,
    ) -> None:
        self._log = log
        self._report = report
        self._observe = context.observe
        self._identities = identities
        self._terms = terms
        self._watermarks = watermarks
        sealed = SealedFields(log, report, FieldOpener(context.tier_keys, data_keys.get, context.max_tier), tier_keys)
        self._evidence = EvidenceCheck(log, report, sealed, keys, erasures)
        self._results = ResultCheck(log, report, sealed, erasures)
        self._reviews = ReviewRows(log, report, sealed, erasures)
        self._dead_letters = DeadLetterCheck(log, report)
        self._replays = replays
        self._deferrals = deferrals
        access = FieldOpener(context.access_keys, data_keys.get, context.max_tier)
        self._disclosures = DisclosureCheck(log, report, access, context.provider, looks)

    def check(self, placed: PlacedCommit, leaves: Sequence[LeafAt], rows: CommitContents) -> None:
        """Check one commit.

        Args:
            leaves: Those that can be read; the others are findings already, with all that hangs on them.
        """
        text = read_watermark(placed.commit.watermark) if placed.commit is not None else None
        work = CommitInWork(
            placed.commit_id, len(leaves) == placed.leaf_count, SignedSteps(text) if text is not None else None, rows
        )
        located = [LeafInWork.of(f"{self._log.at(each.index)} (commit {placed.commit_id})", each) for each in leaves]
        if placed.commit is not None and not placed.commit.watermark:
            work.replays = self._replays.open(located)
        spoken_of: dict[str, set[int]] = {table: set() for table in TABLES}
        for at in located:
            tables = _tables(at)
            for table in tables:
                spoken_of[table].add(at.ordinal)
            self._leaf(work, at, tables)
        if work.replays is not None:
            self._replays.close(work)
        self._others(work, placed.leaf_count, spoken_of, {leaf.ordinal for leaf in leaves})

    def _leaf(self, work: CommitInWork, at: LeafInWork, tables: tuple[str, ...]) -> None:
        event = self._message(work, at) if "messages" in tables else None
        if at.leaf.kind == "accepted" and at.message is not None:
            work.statements[at.message] = Statement(at.ordinal, event)
        if accepts_for_later(at):
            self._deferrals.accepted(work, at)
        elif ends_deferred(at.leaf):
            self._deferrals.ended(work, at)
        if "results" in tables:
            self._result(work, at, event)
        else:
            self._observe(at.leaf, {})
        if "dead_letters" in tables:
            if "messages" not in tables and not ends_deferred(at.leaf):
                self._results.item_number(work, at)
            self._dead_letters.check(work, at)
        if "disclosures" in tables:
            self._disclosures.check(work, at)
        if "reviews" in tables:
            self._reviews.check(work, at)
        if "replays" in tables:
            self._replays.row(work, at)
            if at.leaf.outcome == Note.DUPLICATE:
                self._identities.claim(self._log, at, None, None, has_message=True)
        if at.leaf.kind == "recover" and at.leaf.span is not None:
            self._recovery(work, at)

    def _recovery(self, work: CommitInWork, at: LeafInWork) -> None:
        self._watermarks.told(work.commit_id)
        if at.leaf.span is None or work.steps is None or not work.steps.move(at.leaf.span):
            self._report.add(at.where, "its commit did not move the watermark as the leaf says")

    def _message(self, work: CommitInWork, at: LeafInWork) -> VerifiedEvent | None:
        event = self._evidence.check(work, at)
        if work.replays is not None:
            self._replays.message(work, at)
        if at.own_record:
            has_message = at.ordinal in work.rows.tables["messages"]
            # What was verified and refused took its name then.
            taken_by = None if work.replays is not None and work.replays.kept_name(at) else work.commit_id
            self._identities.claim(self._log, at, taken_by, event, has_message=has_message)
        return event

    def _result(self, work: CommitInWork, at: LeafInWork, event: VerifiedEvent | None) -> None:
        if work.replays is not None and not at.own_record and at.message not in work.statements:
            self._replays.entry(work, at)
        result = self._results.check(work, at)
        if event is not None and at.leaf.schema not in (None, event.event.dataschema):
            self._report.add(at.where, "schema is not what its message names")
        if result is not None:
            self._observe(at.leaf, result.opened or {})
        if self._terms is None:
            return
        catalogue_type = _catalogue_type(result, event) if result is not None else None
        if result is None or result.opened is None or catalogue_type is None:
            if at.record is not None:
                self._terms.pass_over(at.record.bytes)
        else:
            self._terms.expect(self._log, result.record.bytes, result.type or "", catalogue_type, result.opened)

    def _others(self, work: CommitInWork, count: int, spoken_of: dict[str, set[int]], read: set[int]) -> None:
        """Rows that no leaf speaks of; a leaf that can't be read is a finding itself, and its rows are not."""
        where = f"log {self._log.origin}, commit {work.commit_id}"
        for table, found in work.rows.tables.items():
            for ordinal in sorted(found.keys() - spoken_of[table]):
                if ordinal in read or not 0 <= ordinal < count:
                    self._report.add(where, f"a row of {table} has no leaf (ordinal {ordinal})")
                if table == "results" and self._terms is not None:
                    for row in found[ordinal]:
                        self._terms.pass_over(row["record_id"].bytes)


def _tables(at: LeafInWork) -> tuple[str, ...]:
    """The tables in which a leaf has a row."""
    match at.leaf.kind:
        case "result" if ends_deferred(at.leaf):
            return ("results",)
        case "accepted" if accepts_for_later(at):
            return ("messages", "deferred")
        case "result" | "closing":
            return ("messages", "results") if at.own_record else ("results",)
        case "accepted":
            return ("messages",)
        case "rejected":
            # An entry of a statement is refused alone: its message has a leaf of its own.
            return ("dead_letters",) if at.leaf.fields is None else ("messages", "dead_letters")
        case "recover" if at.leaf.span is None:
            return ()  # of leaves, see agents.audit.recovery
        case "read" | "search" | "export" | "deny" | "recover" | "erase":
            return ("disclosures",)
        case "replay":
            return ("replays",)
        case "review":
            return ("reviews",)
    return ()


def _catalogue_type(result: CheckedResult, event: VerifiedEvent | None) -> str | None:
    """What the catalogue lists a record's fields under; None when only a message that stays sealed says it."""
    if result.type != RECORD:
        return result.type
    return event.event.dataschema if event is not None else None
