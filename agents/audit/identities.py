"""Compare the table that keeps a record from being taken in twice with the leaves of those that were taken in."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from agents.audit.commit import LeafInWork
from agents.audit.findings import MAX_FINDINGS, LogReport, VerifyReport
from agents.intake.door import IDENTITY_KEY, identity_digest
from security.verifiability import VerifiedEvent

_GONE = "its row in identities is gone: the message would be taken in again"


@dataclass(frozen=True, slots=True)
class _Claim:
    where: str
    name: UUID
    commit_id: int | None
    digest: bytes | None


class IdentityCheck:
    """Collects the names that messages took, a batch at a time.

    Args:
        index_key: (tenant, name) to a keyed-digest key.
    """

    def __init__(self, report: VerifyReport, index_key: Callable[[str, str], bytes]) -> None:
        self._report = report
        self._index_key = index_key
        self._keys: dict[str, bytes] = {}
        self._claims: list[_Claim] = []
        self._without_message: set[UUID] = set()

    def claim(
        self, log: LogReport, at: LeafInWork, commit_id: int | None, event: VerifiedEvent | None, *, has_message: bool
    ) -> None:
        """A verified message took its name.

        Args:
            commit_id: The commit that took it; None for an earlier one, which is checked where it says so.
            event: The message, where its evidence could be opened and verified.
            has_message: Whether its row in messages is there.
        """
        if at.record is None:
            return
        digest = None
        if event is not None:
            key = self._keys.get(log.tenant)
            if key is None:
                key = self._keys[log.tenant] = self._index_key(log.tenant, IDENTITY_KEY)
            digest = identity_digest(key, event)
        if not has_message and len(self._without_message) < MAX_FINDINGS:
            self._without_message.add(at.record)
        self._claims.append(_Claim(f"{at.where}, message {at.leaf.message}", at.record, commit_id, digest))

    def names(self) -> list[UUID]:
        """The names of this batch."""
        return [claim.name for claim in self._claims]

    def settle(self, stored: Mapping[UUID, tuple[bytes, int]]) -> None:
        """Compare this batch with the digests and commits that are stored for its names."""
        for claim in self._claims:
            found = stored.get(claim.name)
            if found is None:
                self._report.add(claim.where, _GONE)
            elif claim.commit_id is not None and found[1] != claim.commit_id:
                self._report.add(claim.where, f"its row in identities names commit {found[1]}")
            elif claim.digest is not None and found[0] != claim.digest:
                self._report.add(claim.where, "its row in identities does not have the digest of its evidence")
        self._report.identities += len(self._claims)
        self._claims.clear()

    def finish(self, unclaimed: Sequence[tuple[UUID, int]]) -> None:
        """Name the rows that no message has; those whose message is gone are findings already."""
        for name, commit_id in unclaimed:
            if name not in self._without_message:
                self._report.add(f"record {name}", f"its row in identities (commit {commit_id}) belongs to no message")
