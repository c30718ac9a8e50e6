"""The checks that read every leaf of one log, placed or waiting for its place."""

from dataclasses import dataclass

from agents.audit.access import AccessCheck
from agents.audit.deferrals import DeferralCheck
from agents.audit.erasures import ErasureCheck
from agents.audit.findings import LogReport
from agents.audit.index_keys import IndexKeyCheck
from agents.audit.models import ModelsOfLog
from agents.audit.registered import TenantKeys
from agents.audit.reviews import ReviewCheck
from agents.audit.tier_keys import TierKeyCheck
from schemas.leaf import Leaf


@dataclass(frozen=True, slots=True)
class LogChecks:
    """Those of one log, and those that are common to all logs."""

    log: LogReport
    keys: TenantKeys
    models: ModelsOfLog
    deferrals: DeferralCheck
    reviews: ReviewCheck
    tier_keys: TierKeyCheck
    index_keys: IndexKeyCheck
    erasures: ErasureCheck
    access: AccessCheck

    def see(self, leaf: Leaf, commit_id: int, ordinal: int, index: int | None = None) -> None:
        """Read the next leaf.

        Args:
            index: Its place in the log; None while it waits for one.
        """
        commit = f"commit {commit_id}"
        where = f"log {self.log.origin}, {commit}" if index is None else f"{self.log.at(index)} ({commit})"
        self.keys.see(where, leaf)
        self.models.see(where, leaf, index)
        self.tier_keys.see(self.log, where, leaf, index)
        self.index_keys.see(self.log, where, leaf, index)
        self.erasures.see(self.log, where, commit_id, ordinal, leaf)
        self.access.see(self.log, where, leaf)
        self.reviews.see(where, leaf, ordinal, index)
