"""Check by whose signature keys and models were changed and records erased: each signed change by its own leaves."""

import datetime as dt
from dataclasses import dataclass, field

from agents.access.warranting import CHANGERS
from agents.audit.access_history import AccessHistory
from agents.audit.findings import LogReport, VerifyReport
from agents.platform.signatory import SIGNED
from agents.platform.warrant import (
    CHANGE_OF_KIND,
    Record,
    change_digest,
    change_text,
    record_of,
    takes_a_signature,
)
from schemas.leaf import AccessChange, Leaf
from schemas.tenant import PLATFORM_TENANT
from security.access.access_request import moment
from security.access.approval import CLOCKS_DIFFER
from security.access.assertion import BadAssertion, verify_assertion


@dataclass(slots=True)
class _Change:
    """The leaves of one kind that one commit has in one log."""

    where: str
    log: LogReport
    kind: str
    time: dt.datetime
    acts: list[AccessChange | None] = field(default_factory=list)
    bases: set[str | None] = field(default_factory=set)
    records: list[Record] = field(default_factory=list)


@dataclass(slots=True)
class SignedChanges:
    """Collects what logs say of changes; nothing is asked of those that nobody signed, and whose leaves say so."""

    report: VerifyReport
    _changes: dict[tuple[str, int, str], _Change] = field(default_factory=dict)

    def see(self, log: LogReport, where: str, leaf: Leaf) -> bool:
        """Go on with a leaf; returns whether it is of a kind that somebody may have signed."""
        if leaf.kind not in CHANGE_OF_KIND:
            return False
        record = record_of(leaf)
        unsigned = leaf.access is None and leaf.basis != SIGNED
        if record is not None and unsigned and not takes_a_signature(record):
            return True
        change = self._changes.setdefault(
            (log.origin, leaf.commit, leaf.kind), _Change(where, log, leaf.kind, moment(leaf.time))
        )
        change.acts.append(leaf.access)
        change.bases.add(leaf.basis)
        if record is not None:
            change.records.append(record)
        return True

    def finish(self, history: AccessHistory) -> None:
        """See that each was signed by somebody who might, and is what they signed."""
        # The platform's log is where changes of models are signed for.
        platform_origin = next((log.origin for log in self.report.logs if log.tenant == PLATFORM_TENANT), "")
        seen: set[tuple[str, str | None, str | None, str | None]] = set()
        for change in self._changes.values():
            act = change.acts[0]
            if any(each != act for each in change.acts):
                self.report.add(change.where, "the leaves of one change are not of one signature")
            elif (act is not None) is not (SIGNED in change.bases):
                self.report.add(change.where, "the basis that it names, and whether somebody signed it, don't agree")
            elif act is not None:
                self._check(change, act, history, platform_origin)
                # Of models it stands in every tenant's log, once in each. One signature can be written in several ways.
                said = change.log.origin, act.key, act.at, act.digest
                if said in seen:
                    self.report.add(change.where, "its signature stands under an earlier change already")
                seen.add(said)

    def _check(self, change: _Change, act: AccessChange, history: AccessHistory, platform_origin: str) -> None:
        origin = platform_origin if change.kind == "model" else change.log.origin
        holder = history.holder(act.key, change.time)
        try:
            if holder is None or holder.change.jwk is None:
                raise BadAssertion("it is signed by a key that was nobody's then, as far as leaves say")
            verify_assertion(origin, act, holder.change.jwk)
        except BadAssertion as exc:
            self.report.add(change.where, str(exc))
            return
        ours = change.kind == "model" or holder.tenant in (change.log.tenant, PLATFORM_TENANT)
        if not ours or CHANGERS.isdisjoint(holder.change.roles):
            self.report.add(change.where, "it is signed by somebody who was neither operator nor administrator there")
        elif (act.change, act.digest) != (CHANGE_OF_KIND[change.kind], change_digest(change_text(change.records))):
            self.report.add(change.where, "another change was signed than the one that was made")
        elif not _is_of_then(act, change.time):
            self.report.add(change.where, "it was signed at another time than it was made")


def _is_of_then(act: AccessChange, time: dt.datetime) -> bool:
    try:
        return abs(moment(act.at or "") - time) <= CLOCKS_DIFFER
    except (TypeError, ValueError):  # no moment, or one without an offset
        return False
