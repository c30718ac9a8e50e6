"""Compare people, policies and requests with the leaves about them, and check every signature that a leaf holds.

Leaves alone are enough for the signatures: a `person` leaf has the key, an act's leaf has the act. An approval that was
only written into the database has no leaf, or one that its person did not sign.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from agents.access.catalogue_keeper import ADOPT, PROPOSE, log_tenant
from agents.access.looks import LOOKS
from agents.access.registrar import api_key_change, person_change
from agents.audit.access_history import AccessHistory
from agents.audit.access_looks import AccessLooks
from agents.audit.findings import LogReport, VerifyReport
from agents.audit.signed_changes import SignedChanges
from agents.platform.actor import pseudonym
from agents.platform.vouching import Voucher
from schemas.catalogue_entry import CatalogueEntry
from schemas.errors import ConfigurationError
from schemas.leaf import AccessChange, Leaf
from schemas.tenant import PLATFORM_TENANT
from security.access.access_request import moment
from security.access.assertion import BadAssertion, verify_assertion
from security.key_provider import KeyProvider
from streams.storage.access_requests import RequestRow, list_requests
from streams.storage.catalogue import EntryRow, list_entries
from streams.storage.database import Connection
from streams.storage.people import ApiKeyRow, PersonRow, list_people, sound_api_keys
from streams.storage.policies import PolicyRow, list_policies

_OF_REQUESTS: Final = frozenset({"request", "approve", "refuse", "delegate", "revoke"})
_SIGNED: Final = _OF_REQUESTS | {"propose", "adopt", PROPOSE, ADOPT}
_KINDS: Final = frozenset({"catalogue", "policy", "request", "approve", "refuse", "revoke"})


@dataclass(slots=True)
class StoredAccess:
    """What the database has of it."""

    people: Sequence[PersonRow] = ()
    keys: Sequence[ApiKeyRow] = ()
    faulty_keys: Sequence[str] = ()
    faulty: Sequence[str] = ()
    policies: Sequence[PolicyRow] = ()
    requests: Sequence[RequestRow] = ()
    entries: Sequence[EntryRow] = ()

    @classmethod
    async def read(cls, connection: Connection) -> "StoredAccess":
        """Read it."""
        known, faulty = await list_people(connection)
        keys, faulty_keys = await sound_api_keys(connection)
        return cls(
            known,
            keys,
            faulty_keys,
            faulty,
            await list_policies(connection),
            await list_requests(connection),
            await list_entries(connection),
        )


@dataclass(slots=True)
class AccessCheck:
    """Collects what the logs say, then compares it with the rows.

    Args:
        keyring: Makes the pseudonyms of registered people, and the platform's MAC.
    """

    report: VerifyReport
    stored: StoredAccess
    keyring: KeyProvider
    _people: dict[tuple[str, str], tuple[str, AccessChange]] = field(default_factory=dict)
    _api_keys: dict[str, tuple[str, str, AccessChange]] = field(default_factory=dict)
    _revoked: set[str] = field(default_factory=set)
    _acts: list[tuple[str, LogReport, str, AccessChange]] = field(default_factory=list)
    history: AccessHistory = field(default_factory=AccessHistory)
    looks: AccessLooks = field(init=False)
    changes: SignedChanges = field(init=False)

    def __post_init__(self) -> None:
        self.looks = AccessLooks(self.report, self.history)
        self.changes = SignedChanges(self.report)

    def see(self, log: LogReport, where: str, leaf: Leaf) -> None:
        """Go on with a leaf, if it is about access.

        Args:
            where: Where it stands, for findings.
        """
        change = leaf.access
        if leaf.kind in LOOKS:
            self.looks.see(log, where, leaf)
            return
        if self.changes.see(log, where, leaf) or (leaf.kind not in _KINDS and change is None):
            return
        if change is None or leaf.kind not in _KINDS or leaf.actor is None:
            self.report.add(where, "an act of access control does not say what was done, or who did it")
            return
        if change.change in ("person", "person_gone") and change.person is not None:
            self._people[log.tenant, change.person] = where, change
            self.history.person(log.tenant, moment(leaf.time), change)
        elif change.change == "api_key" and change.id is not None:
            self._api_keys[change.id] = where, log.tenant, change
        elif change.change == "revoke_api_key" and change.id is not None:
            self._revoked.add(change.id)
        elif change.change in _SIGNED:
            self._acts.append((where, log, leaf.time, change))
            if change.change == "adopt" and log.tenant == PLATFORM_TENANT:
                self.history.adopted(moment(leaf.time), change)

    def finish(self) -> None:
        """Check the signatures, and compare every row with its leaf, and every leaf with its row."""
        self.history.close()
        for where, log, time, change in self._acts:
            key = self.history.jwk(change.key, moment(time))
            try:
                if key is None:
                    raise BadAssertion("it is signed by a key that was nobody's then, as far as leaves say")
                verify_assertion(log.origin, change, key)
            except BadAssertion as exc:
                self.report.add(where, str(exc))
        self.changes.finish(self.history)
        voucher = Voucher(self.keyring)
        self._compare_people(voucher)
        self._compare_api_keys(voucher)
        self._compare_requests()
        self._compare_policies(voucher)
        self._compare_entries(voucher)
        self.looks.finish(
            self.stored.requests,
            [(log.tenant, time, change) for _, log, time, change in self._acts],
            [(row.person, pseudonym(self.keyring, row.person.tenant, row.person.person)) for row in self.stored.people],
            {log.tenant: log.origin for _, log, _, _ in self._acts},
        )

    def _compare_api_keys(self, voucher: Voucher) -> None:
        left = dict(self._api_keys)
        for name in self.stored.faulty_keys:
            self.report.add(f"API key {name}", "its row in api_keys is no key's record")
            left.pop(name, None)
        tenants = {row.person.person: row.person.tenant for row in self.stored.people}
        for row in self.stored.keys:
            key, name = row.key, f"API key {row.key.key_id}"
            where, tenant, said = left.pop(key.key_id, ("", "", None))
            if said is None:
                self.report.add(name, "no leaf says that it was made")
                continue
            holder = pseudonym(self.keyring, tenant, key.person)
            if tenants.get(key.person) != tenant or said != api_key_change(key, holder, "api_key"):
                self.report.add(name, f"its row is not what {where} says")
            elif not voucher.is_ours(row):
                self.report.add(name, "its row does not carry the platform's MAC, so that it counts for nothing")
            if (key.revoked_at is not None) is not (key.key_id in self._revoked):
                self.report.add(name, "its row and its leaves don't agree on whether it was revoked")
        for where, _, _ in left.values():
            self.report.add(where, "says that an API key was made, and its row in api_keys is gone")

    def _compare_people(self, voucher: Voucher) -> None:
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
            elif not voucher.is_ours(row):
                what = "their row does not carry the platform's MAC, so that they are nobody here"
                self.report.add(f"person {row.person.person}", what)
        if not self.stored.faulty:
            for where, _ in left.values():
                self.report.add(where, "says that somebody is registered, and their row in people is gone")

    def _compare_requests(self) -> None:
        left = [(log.tenant, change) for _, log, _, change in self._acts if change.change in _OF_REQUESTS]
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

    def _compare_policies(self, voucher: Voucher) -> None:
        said = {(change.change, change.version, change.digest) for _, _, _, change in self._acts}
        for row in self.stored.policies:
            steps = ("propose",) if row.adopter is None else ("propose", "adopt")
            missing = [step for step in steps if (step, row.version, row.digest) not in said]
            if missing:
                self.report.add(f"policies, version {row.version}", f"no leaf has the signature to {missing[0]} them")
            elif row.adopter is not None and not voucher.is_ours(row):
                what = "their row does not carry the platform's MAC, so that nothing is permitted"
                self.report.add(f"policies, version {row.version}", what)
        rows = {(row.version, row.digest) for row in self.stored.policies if row.adopter is not None}
        for change, version, digest in said:
            if change == "adopt" and (version, digest) not in rows:
                self.report.add(f"policies, version {version}", "a leaf says that they are in force, and no row does")

    def _compare_entries(self, voucher: Voucher) -> None:
        said = {
            (log.tenant, change.id, change.change, change.version, change.digest) for _, log, _, change in self._acts
        }
        adopted = set()
        for row in self.stored.entries:
            about = log_tenant(row.tenant), row.record_type
            steps = (PROPOSE,) if row.adopter is None else (PROPOSE, ADOPT)
            missing = [step for step in steps if (*about, step, row.version, row.digest) not in said]
            if missing:
                self.report.add(row.name, f"no leaf has the signature to {missing[0]}")
            elif row.adopter is not None and not voucher.is_ours(row):
                self.report.add(row.name, "its row does not carry the platform's MAC, so that nothing is kept by it")
            elif not _is_of(row):
                self.report.add(row.name, "its text is not the entry that was signed")
            if row.adopter is not None:
                adopted.add((*about, ADOPT, row.version, row.digest))
        for tenant, kind, change, version, digest in said:
            if change == ADOPT and (tenant, kind, change, version, digest) not in adopted:
                what = "a leaf says that it is in force, and no row does"
                self.report.add(f"catalogue of {kind!r} in the log of {tenant}, version {version}", what)


def _is_of(row: EntryRow) -> bool:
    try:
        entry = CatalogueEntry.parse(row.text)
    except ConfigurationError:
        return False
    return (entry.tenant, entry.kind, entry.digest()) == (row.tenant, row.record_type, row.digest)
