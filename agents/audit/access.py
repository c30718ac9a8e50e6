"""Compare people, policies and requests with the leaves about them, and check every signature that a leaf holds.

Leaves alone are enough for the signatures: a `person` leaf has the key, an act's leaf has the act. An approval that was
only written into the database has no leaf, or one that its person did not sign.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from agents.access_registrar import person_change
from agents.audit.findings import LogReport, VerifyReport
from schemas.leaf import AccessChange, Leaf
from security.access.assertion import BadAssertion, verify_assertion
from security.key_provider import KeyProvider
from streams.storage.access_requests import RequestRow, list_requests
from streams.storage.database import Connection
from streams.storage.people import PersonRow, list_people
from streams.storage.policies import PolicyRow, list_policies

_SIGNED: Final = frozenset({"propose", "adopt", "request", "approve", "refuse", "delegate", "revoke"})
_KINDS: Final = frozenset({"policy", "request", "approve", "refuse", "revoke"})


@dataclass(slots=True)
class StoredAccess:
    """What the database has of it."""

    people: Sequence[PersonRow] = ()
    faulty: Sequence[str] = ()
    policies: Sequence[PolicyRow] = ()
    requests: Sequence[RequestRow] = ()

    @classmethod
    async def read(cls, connection: Connection) -> "StoredAccess":
        """Read it."""
        known, faulty = await list_people(connection)
        return cls(known, faulty, await list_policies(connection), await list_requests(connection))


@dataclass(slots=True)
class AccessCheck:
    """Collects what the logs say, then compares it with the rows.

    Args:
        keyring: Makes the pseudonyms of registered people.
    """

    report: VerifyReport
    stored: StoredAccess
    keyring: KeyProvider
    _keys: dict[str, Mapping[str, str]] = field(default_factory=dict)
    _people: dict[tuple[str, str], tuple[str, AccessChange]] = field(default_factory=dict)
    _acts: list[tuple[str, str, str, AccessChange]] = field(default_factory=list)

    def see(self, log: LogReport, where: str, leaf: Leaf) -> None:
        """Go on with a leaf, if it is about access.

        Args:
            where: Where it stands, for findings.
        """
        change = leaf.access
        if leaf.kind not in _KINDS and change is None:
            return
        if change is None or leaf.kind not in _KINDS or leaf.actor is None:
            self.report.add(where, "an act of access control does not say what was done, or who did it")
            return
        if change.change in ("person", "person_gone") and change.person is not None:
            self._people[log.tenant, change.person] = where, change
            if change.jwk is not None and change.key is not None:
                self._keys[change.key] = change.jwk
        elif change.change in _SIGNED:
            self._acts.append((where, log.tenant, log.origin, change))

    def finish(self) -> None:
        """Check the signatures, and compare every row with its leaf, and every leaf with its row."""
        for where, _, origin, change in self._acts:
            key = self._keys.get(change.key or "")
            try:
                if key is None:
                    raise BadAssertion("it is signed by a key that no leaf says is a person's")
                verify_assertion(origin, change, key)
            except BadAssertion as exc:
                self.report.add(where, str(exc))
        self._compare_people()
        self._compare_requests()
        self._compare_policies()

    def _compare_people(self) -> None:
        left = dict(self._people)
        for name in self.stored.faulty:
            self.report.add(f"person {name}", "its row in people is no person's record")
        for row in self.stored.people:
            expected = person_change(self.keyring, row.person)
            where, said = left.pop((row.person.tenant, expected.person or ""), ("", None))
            if said is None:
                self.report.add(f"person {row.person.person}", "no leaf says that they were registered")
            elif said != expected:
                self.report.add(f"person {row.person.person}", f"their row is not what {where} says")
        if not self.stored.faulty:
            for where, _ in left.values():
                self.report.add(where, "says that somebody is registered, and their row in people is gone")

    def _compare_requests(self) -> None:
        left = [(tenant, change) for _, tenant, _, change in self._acts if change.change not in ("propose", "adopt")]
        for row in self.stored.requests:
            for n, stored in enumerate(row.acts):
                where = f"request {row.request_id}, act {n}"
                try:
                    act = msgspec.json.decode(stored.act, type=AccessChange)
                except msgspec.MsgspecError:
                    self.report.add(where, "its row in access_acts is no act")
                    continue
                if (row.tenant, act) in left:
                    left.remove((row.tenant, act))
                else:
                    self.report.add(where, "no leaf says that it was done")
        for tenant, change in left:
            self.report.add(f"log of {tenant}", f"its leaf of {change.change} at {change.at} has no row in access_acts")

    def _compare_policies(self) -> None:
        said = {(change.change, change.version, change.digest) for _, _, _, change in self._acts}
        for row in self.stored.policies:
            steps = ("propose",) if row.adopter is None else ("propose", "adopt")
            missing = [step for step in steps if (step, row.version, row.digest) not in said]
            if missing:
                self.report.add(f"policies, version {row.version}", f"no leaf has the signature to {missing[0]} them")
        rows = {(row.version, row.digest) for row in self.stored.policies if row.adopter is not None}
        for change, version, digest in said:
            if change == "adopt" and (version, digest) not in rows:
                self.report.add(f"policies, version {version}", "a leaf says that they are in force, and no row does")
