"""Whether all of a source's messages of a period came in: its producer's closing compared with what is kept."""

from agents.completeness.audit import CompletenessAudit
from agents.completeness.comparison import CompletenessReport, Difference
from agents.completeness.found import FoundMessage, Period, RefusedEntry
from agents.completeness.producer_list import ListedMessage, read_list

__all__ = [
    "CompletenessAudit",
    "CompletenessReport",
    "Difference",
    "FoundMessage",
    "ListedMessage",
    "Period",
    "RefusedEntry",
    "read_list",
]
