"""Compare looks by somebody's right with what held then: the policies that they name, the requests that they used."""

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from agents.audit.access_history import AccessHistory
from agents.audit.findings import LogReport, VerifyReport
from schemas.errors import SealstreamError
from schemas.leaf import AccessChange, Leaf
from security.access.access_request import AccessRequest, moment
from security.access.approval import CLOCKS_DIFFER, RequestState, SignedAct, Standing, advance
from security.access.person import Person
from streams.storage.access_requests import RequestRow

Act = tuple[str, str, AccessChange]
"""Log's tenant, when its leaf was made, and the act."""


@dataclass(slots=True)
class AccessLooks:
    """The looks of all logs."""

    report: VerifyReport
    history: AccessHistory
    _looks: dict[tuple[str, str, str | None, str], str] = field(default_factory=dict)
    _used: Counter[tuple[str, str]] = field(default_factory=Counter)

    def see(self, log: LogReport, where: str, leaf: Leaf) -> None:
        """Take a look in. Looks that say the same within a minute are judged as one."""
        if leaf.policy is not None:
            self._looks.setdefault((log.tenant, leaf.policy, leaf.grant, leaf.time[:16]), where)

    def used(self, tenant: str, digest: str, records: int) -> None:
        """A look says that it read so many records by a request."""
        self._used[tenant, digest] += records

    def finish(
        self,
        requests: Sequence[RequestRow],
        acts: Sequence[Act],
        people: Sequence[tuple[Person, str]],
        origins: Mapping[str, str],
    ) -> None:
        """Judge them.

        Args:
            people: Whose rows there are, each with their pseudonym.
            origins: Of the logs, by tenant.
        """
        known = _requests(requests)
        said = {(tenant, change.digest, change.assertion): moment(time) for tenant, time, change in acts}
        for (tenant, policy, grant, minute), where in self._looks.items():
            time = dt.datetime.fromisoformat(f"{minute}:00+00:00")
            self._policies(where, policy, time)
            for digest in grant.split(",") if grant is not None else ():
                found = known.get((tenant, digest))
                if found is None:
                    self.report.add(where, "it names a request for access that there is not")
                elif not self._was_granted(found, said, people, origins.get(tenant, ""), time):
                    self.report.add(where, f"request {found[0].id} was not granted when it was read by")
        for (tenant, digest), records in self._used.items():
            found = known.get((tenant, digest))
            if found is not None and (found[1].used < records or records > found[0].quota):
                what = f"{records} records were read by it, its row says {found[1].used}, its quota is {found[0].quota}"
                self.report.add(f"request {found[0].id}", what)

    def _policies(self, where: str, policy: str, time: dt.datetime) -> None:
        version, _, digest = policy.partition("@")
        if not version.isdecimal() or not self.history.held(int(version), digest, time):
            self.report.add(where, "it was decided by policies that were not in force then")

    def _was_granted(
        self,
        found: tuple[AccessRequest, RequestRow],
        said: Mapping[tuple[str, str | None, str | None], dt.datetime],
        people: Sequence[tuple[Person, str]],
        origin: str,
        time: dt.datetime,
    ) -> bool:
        """Whether it was granted at a moment that may have been the look's: what was granted may end a minute later."""
        request, row = found
        try:
            changes = [(each.person, msgspec.json.decode(each.act, type=AccessChange)) for each in row.acts]
        except msgspec.MsgspecError:
            return False
        placed = [(said.get((row.tenant, each.digest, each.assertion)), SignedAct(who, each)) for who, each in changes]
        acts = [(when, act) for when, act in placed if when is not None]
        early, late = time - CLOCKS_DIFFER, time + CLOCKS_DIFFER
        moments = [early, time, late, *(when for when, _ in acts if early < when < late)]
        return any(self._granted(request, acts, people, origin, each) for each in moments)

    def _granted(
        self,
        request: AccessRequest,
        acts: Sequence[tuple[dt.datetime, SignedAct]],
        people: Sequence[tuple[Person, str]],
        origin: str,
        time: dt.datetime,
    ) -> bool:
        """Whether it was granted at that time: each act is judged by who people were when its leaf was made."""
        standing = Standing(request)
        try:
            for when, act in acts:
                if when <= time:
                    standing = advance(standing, origin, act, self.history.people(people, when))
        except SealstreamError:
            return False
        return standing.made and standing.state(time) is RequestState.GRANTED


def _requests(rows: Sequence[RequestRow]) -> dict[tuple[str, str], tuple[AccessRequest, RequestRow]]:
    """Requests by tenant and digest; those whose rows are none have no digest that a leaf could name."""
    found = {}
    for row in rows:
        try:
            request = msgspec.json.decode(row.body, type=AccessRequest)
        except msgspec.MsgspecError:
            continue
        found[row.tenant, request.digest()] = request, row
    return found
