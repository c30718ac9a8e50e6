"""Follow the `key` leaves of the logs: how producers' keys stood at each place, and whether the stored rows say so too.

Evidence is judged by the keys as they stood at its place: a revocation that was made later, and reaches back, makes
nothing wrong that was right when it was committed. What it reaches is counted. Making changes is agents.keys.registrar.
"""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Final

import msgspec

from agents.audit.findings import LogReport, VerifyReport
from agents.keys.key_leaf import key_change, policy_change
from agents.platform.knowledge import signing_key, source_policy
from schemas.errors import ConfigurationError
from schemas.leaf import KeyChange, Leaf
from schemas.reasons import Reason
from security.key_registry import KeyRegistry, SigningKey
from security.source_policy import SourcePolicy
from streams.storage.keys import SigningKeyRow
from streams.storage.registry import SourcePolicyRow

_MAY_CHANGE: Final[Mapping[str, frozenset[str]]] = {
    "register": frozenset(),
    "confirm": frozenset(),
    "limit": frozenset({"not_after"}),
    "revoke": frozenset({"revoked"}),
}
"""What of a key's record each change may set anew; `change`, `crl` and `follows` say something of the change itself."""

_OF_THE_CHANGE: Final = frozenset({"change", "crl", "follows"})
_ORIGIN: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class RegisteredKeys:
    """The stored keys and policies of all tenants, to be compared with what their logs say.

    Args:
        rows: The keys as stored.
        policies: The policies as stored.
    """

    def __init__(
        self, report: VerifyReport, rows: Sequence[SigningKeyRow], policies: Sequence[SourcePolicyRow]
    ) -> None:
        self._report = report
        self._rows = rows
        self._policies = policies
        self._keys: dict[str, dict[str, SigningKey]] = {}
        for row in rows:
            try:
                self._keys.setdefault(row.tenant, {})[row.key_id] = signing_key(row)
            except (ConfigurationError, OverflowError) as exc:
                report.add(f"key {row.key_id}", f"its row in signing_keys is no key that we can use ({exc})")
        self._in_force: list[SourcePolicy] = []
        for policy in policies:
            try:
                self._in_force.append(source_policy(policy))
            except (ConfigurationError, OverflowError) as exc:
                report.add(f"policy of {policy.source}", f"its row in source_policies is none ({exc})")
        self._said: dict[str, TenantKeys] = {}

    def open_log(self, log: LogReport) -> "TenantKeys":
        """The keys of the log's tenant, before its first leaf."""
        found = TenantKeys(log, self._report, self._keys.get(log.tenant, {}), self._in_force)
        self._said[log.tenant] = found
        return found

    def finish(self, damaged: Collection[str] = ()) -> None:
        """Compare every row with the last leaf about it, and every last leaf with its row.

        Args:
            damaged: Keys whose certificates are not what their rows say.
        """
        for name in damaged:
            self._report.add(f"key {name}", "a certificate of its chain is gone, or is not what its digest says")
        left = {(tenant, name) for tenant, said in self._said.items() for name in said.said}
        for row in self._rows:
            left.discard((row.tenant, row.key_id))
            said = self._said[row.tenant].said.get(row.key_id) if row.tenant in self._said else None
            self._compare_key(row, said)
        policies = {
            (tenant, *place): what for tenant, said in self._said.items() for place, what in said.policies.items()
        }
        for policy in self._policies:
            self._compare_policy(policy, policies)
        for tenant, name in sorted(left):
            where, _ = self._said[tenant].said[name]
            self._report.add(f"key {name}", f"{where} says that it is registered, and its row in signing_keys is gone")
        for (tenant, source, since), (where, _) in sorted(policies.items()):
            self._report.add(
                f"policy of {source} since {since}",
                f"{where} says that it is in force for {tenant}, and its row in source_policies is gone",
            )

    def _compare_key(self, row: SigningKeyRow, said: tuple[str, KeyChange] | None) -> None:
        if said is None:
            what = f"no leaf says that it was registered; `sealstream keys confirm {row.key_id}` vouches for it"
            self._report.add(f"key {row.key_id}", what)
            return
        where, leaf = said
        try:
            stored = key_change(row, leaf.change, leaf.follows)
        except (ConfigurationError, OverflowError):
            return  # a finding already
        if different := _different(stored, leaf):
            self._report.add(f"key {row.key_id}", f"{', '.join(different)} in its row: not what {where} says")

    def _compare_policy(
        self, row: SourcePolicyRow, policies: dict[tuple[str, str, str], tuple[str, KeyChange]]
    ) -> None:
        try:
            stored = policy_change(row, "policy")
        except OverflowError:
            return  # a finding already
        where = f"policy of {row.source} since {stored.since}"
        said = policies.pop((row.tenant, row.source, stored.since or ""), None)
        if said is None:
            what = f"no leaf says that it was set; `sealstream keys confirm --policy '{row.source}'` vouches for it"
            self._report.add(where, what)
        elif different := _different(stored, said[1]):
            self._report.add(where, f"{', '.join(different)} in its row: not what {said[0]} says")


class TenantKeys:
    """One tenant's keys, as its log says they stood: moves on with each leaf.

    Attributes:
        said: The last leaf about each key, and where it stands.
        policies: Likewise of each policy, by source and moment.
    """

    def __init__(
        self, log: LogReport, report: VerifyReport, stored: Mapping[str, SigningKey], policies: Sequence[SourcePolicy]
    ) -> None:
        self.said: dict[str, tuple[str, KeyChange]] = {}
        self.policies: dict[tuple[str, str], tuple[str, KeyChange]] = {}
        self._log = log
        self._report = report
        self._stored = stored
        self._policies = policies
        self._registries: list[KeyRegistry] | None = None

    def see(self, where: str, leaf: Leaf) -> None:
        """Go on with a leaf, if it is about a key or a policy.

        Args:
            where: Where it stands, for findings.
        """
        if leaf.kind != "key" or leaf.tier_key is not None or leaf.index_key is not None:
            return  # the latter: agents.audit.tier_keys, agents.audit.index_keys
        what = leaf.key
        if what is None or leaf.actor is None or leaf.basis is None:
            self._report.add(
                where, "a change of the key registry does not say what changed, who did it, and on what basis"
            )
            return
        self._log.key_changes += 1
        self._registries = None
        if what.change in ("subscribe", "unsubscribe"):
            return
        if what.id is None:
            self.policies[what.sources[0] if what.sources else "", what.since or ""] = where, what
            return
        before = self.said.get(what.id)
        self.said[what.id] = where, what
        if before is not None:
            different = set(_different(before[1], what)) - _MAY_CHANGE.get(what.change, frozenset())
            if different:
                self._report.add(where, f"{what.change} of key {what.id} changes {', '.join(sorted(different))} too")
        elif what.change not in ("register", "confirm"):
            self._report.add(where, f"{what.change} of key {what.id}, which no earlier leaf registers")

    def registries(self) -> Sequence[KeyRegistry]:
        """By what evidence at this place may have been judged, the likeliest first.

        Keys that no leaf was about so far come second: they were registered before changes had leaves, or later.
        """
        if self._registries is None:
            said = [_as_said(key, self.said[name][1]) for name, key in self._stored.items() if name in self.said]
            others = [key for name, key in self._stored.items() if name not in self.said]
            self._registries = [KeyRegistry(said, self._policies)] if said or not others else []
            if others:
                self._registries.append(KeyRegistry([*said, *others], self._policies))
        return self._registries

    def accepted(self, signers: str, received: dt.datetime) -> None:
        """Count a message that was accepted though today's revocation of its key reaches back before it."""
        at_ms = (received - _ORIGIN) // dt.timedelta(milliseconds=1)
        for name in signers.split(","):
            key = self._stored.get(name)
            if key is not None and key.refusal(at_ms) is Reason.KEY_REVOKED:
                self._log.affected[name] += 1


def _as_said(key: SigningKey, leaf: KeyChange) -> SigningKey:
    return replace(key, not_after=_parsed(leaf.not_after), revoked_at=_parsed(leaf.revoked))


def _parsed(text: str | None) -> dt.datetime | None:
    return None if text is None else dt.datetime.fromisoformat(text)


def _different(one: KeyChange, other: KeyChange) -> list[str]:
    """Members of the record that differ."""
    pairs = zip(
        msgspec.structs.fields(KeyChange), msgspec.structs.astuple(one), msgspec.structs.astuple(other), strict=True
    )
    return [field.name for field, left, right in pairs if left != right and field.name not in _OF_THE_CHANGE]
