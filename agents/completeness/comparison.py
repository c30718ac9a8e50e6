"""Compares what was found of a period with what its closing says. Pure; finding is agents.completeness.audit.

What can't be told apart is said so: a root shows that two sets of messages differ, and only a list of them shows where.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from typing import Final

from agents.completeness.found import Found, FoundClosing, FoundMessage, Period, RefusedEntry
from agents.completeness.producer_list import ListedMessage, check_list
from schemas.closing import Closing
from schemas.control_totals import ControlTotal, Direction
from schemas.errors import ConfigurationError
from security.closing_root import closing_root


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that the closing says and that is otherwise here."""

    what: str
    closed: str
    found: str


@dataclass(slots=True)
class CompletenessReport:
    """What became of a period's messages.

    Attributes:
        closing: The one that it was compared with; None when there is none that counts.
        contradicting: Other closings of the period that count as well.
        refused: Messages that a key vouches for and that are refused; those that contradict another are among them.
        unattested: Messages that say they are of this source and period, and that no key vouches for.
        missing: Of the producer's list, what did not come in.
        unexpected: What came in and is not in the producer's list.
        changed: What came in with other content than in the producer's list.
        gaps: First and last of the numbers missing from the source's sequence.
        remarks: What could not be told, and why.
    """

    period: Period
    closing: FoundClosing | None
    accepted: Sequence[FoundMessage]
    refused: Sequence[FoundMessage]
    unattested: Sequence[FoundMessage]
    entries: Sequence[RefusedEntry]
    repeats: int
    gaps: Sequence[tuple[int, int]]
    unread: int
    contradicting: Sequence[FoundClosing] = ()
    differences: list[Difference] = field(default_factory=list)
    missing: list[ListedMessage] = field(default_factory=list)
    unexpected: list[FoundMessage] = field(default_factory=list)
    changed: list[FoundMessage] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether everything that the producer closed came in, was accepted, and nothing else did."""
        return self.closing is not None and not (
            self.contradicting or self.differences or self.refused or self.entries or self.unread
        )


def compare(
    period: Period, found: Found, wanted: FoundClosing | None, listed: Sequence[ListedMessage] | None
) -> CompletenessReport:
    """Compare.

    Args:
        wanted: The closing to compare with; the one that counts when not given.
        listed: The producer's list, sorted.

    Raises:
        WrongList: The list is not that of the closing.
        ConfigurationError: There is a list and no closing to check it against.
    """
    counting, remarks = closings_that_count(found.closings)
    if wanted is not None and wanted not in counting:
        remarks.append("another closing replaces this one")
    closing = wanted or (counting[0] if counting else None)
    messages = [message for _, message in sorted(found.arrived.items())]
    names = {message.message for message in messages}
    taken_in = found.taken_in
    report = CompletenessReport(
        period,
        closing,
        accepted=[message for message in messages if message.reason is None],
        refused=[message for message in messages if message.reason is not None]
        + [message for message in found.contradictions if message.message not in taken_in],
        unattested=[message for message in found.unattested if message.message not in taken_in],
        entries=[each for each in found.entries if each.message in names and each.record not in taken_in],
        repeats=sum(found.duplicates[name] for name in names),
        gaps=_gaps(found.numbers, found.all_numbers),
        unread=len(found.unread),
        contradicting=[each for each in counting if each is not closing],
        remarks=remarks,
    )
    if found.untimed:
        report.remarks.append(f"{found.untimed} messages of the source have no time, and so belong to no period")
    if found.sealed:
        report.remarks.append(
            f"{found.sealed} refused messages, which may be the source's, stay sealed: tier 4 opens them"
        )
    if closing is None:
        report.remarks.append(
            "the producer has not closed this period: nothing tells how many messages there should be"
        )
        if listed is not None:
            raise ConfigurationError("a list is checked against a closing, and this period has none")
        return report
    _differences(report, closing.closing, found)
    if listed is not None:
        check_list(listed, closing.closing)
        _name(report, found, listed)
    elif report.differences:
        _tell(report, closing.closing, found)
    return report


def closings_that_count(closings: Iterable[FoundClosing]) -> tuple[list[FoundClosing], list[str]]:
    """The closings of one period that no other one replaces, and what is odd about them."""
    known = {each.event_id: each for each in closings}
    replaced = {each.closing.replaces for each in known.values() if each.closing.replaces != each.event_id}
    remarks = [
        f"closing {each.message} replaces one that is not here"
        for each in known.values()
        if each.closing.replaces is not None and each.closing.replaces not in known
    ]
    counting = [each for name, each in known.items() if name not in replaced]
    if known and not counting:
        return list(known.values()), [*remarks, "the closings replace each other in a circle"]
    return counting, remarks


def _differences(report: CompletenessReport, closing: Closing, found: Found) -> None:
    def differ(what: str, closed: object, here: object) -> None:
        if closed != here:
            report.differences.append(Difference(what, str(closed), str(here)))

    differ("count", closing.count, len(found.arrived))
    ours, theirs = _by_direction(found.totals.totals()), _by_direction(closing.totals)
    for direction in sorted(ours.keys() | theirs.keys(), key=str):
        name = " ".join(part or "unsaid" for part in direction)
        there, here = theirs.get(direction, _NOTHING), ours.get(direction, _NOTHING)
        differ(f"transactions {name}", there.count, here.count)
        differ(f"total {name}", there.amount, here.amount)
    differ("root", closing.root.hex(), _root(found.arrived.values()).hex())


def _name(report: CompletenessReport, found: Found, listed: Sequence[ListedMessage]) -> None:
    wanted = {each.record_id: each for each in listed}
    unread = {name.bytes for name in found.unread}
    report.missing = [each for each in listed if each.record_id not in found.arrived and each.record_id not in unread]
    for record_id, message in sorted(found.arrived.items()):
        if record_id not in wanted:
            report.unexpected.append(message)
        elif message.digests != wanted[record_id].digests:
            report.changed.append(message)
    if not (report.missing or report.unexpected or report.changed or report.unread) and report.differences:
        report.remarks.append("the messages are those of the list: its producer counted or added up otherwise")


def _tell(report: CompletenessReport, closing: Closing, found: Found) -> None:
    """Without a list: what the figures allow to say."""
    if _root(found.arrived.values()) == closing.root:
        report.remarks.append("the root is right, so these are the messages: their producer added up otherwise")
        return
    refused = {each.record_id: each for each in report.unattested if each.digests is not None}
    missing = [each for record_id, each in refused.items() if record_id not in found.arrived]
    if missing and _root([*found.arrived.values(), *missing]) == closing.root:
        report.missing = [ListedMessage(each.record_id, each.event_id, each.digests or b"") for each in missing]
        report.remarks.append("what is missing is what was refused: with those messages the root is right")
        return
    lacking = closing.count - len(found.arrived)
    if lacking > 0:
        said = f"at least {lacking} messages are missing; the root can't tell which"
    elif lacking < 0:
        said = f"at least {-lacking} messages came in that were not closed; the root can't tell which"
    else:
        said = "as many came in as were closed, but not the same: changed, or one for another"
    report.remarks.append(f"{said}: give the producer's list with --list")


def _root(messages: Iterable[FoundMessage]) -> bytes:
    return closing_root(sorted((each.record_id, each.digests or b"") for each in messages))


def _gaps(numbers: Iterable[int], seen: set[int]) -> list[tuple[int, int]]:
    """Numbers between the lowest and the highest of a period that no message of the source has."""
    own = sorted(numbers)
    if not own:
        return []
    between = sorted(number for number in seen if own[0] <= number <= own[-1])
    return [(a + 1, b - 1) for a, b in pairwise(between) if b > a + 1]


_NOTHING: Final = ControlTotal(count=0, amount=Decimal(0))


def _by_direction(totals: Iterable[ControlTotal]) -> Mapping[Direction, ControlTotal]:
    return {each.direction: each for each in totals}
