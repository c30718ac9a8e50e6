"""A set of Cedar policies: read, validated against our schema, compiled, and cut down to what can matter to a request.

Cedar looks at every policy of a set for every request, which takes 0.3 ms with 200 of them. Most can be told apart by
their scope alone: one that names another department, action or record kind applies to nothing here, whatever its
conditions say. Leaving those out is exact. What is decided with a set is security.access.decision; its versions are
streams.storage.policies.
"""

import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import cedarpy

from schemas.errors import ConfigurationError

MAX_POLICY_BYTES: Final = 512 * 1024
MAX_SLICES: Final = 4_096

Uid = tuple[str, str]
"""An entity: its type and its id."""

_Scope = tuple[Uid | None, frozenset[str] | None, Uid | None]


class InvalidPolicies(ConfigurationError):
    """A text is no policy set that may ever be in force."""


@functools.cache
def schema_text() -> str:
    """The schema that policies are written against."""
    return Path(__file__).with_name("schema.cedarschema").read_text()


def digest_context() -> str:
    """Hashed before a set's text."""
    return f"{schema_text()}\0"


@functools.cache
def default_policies() -> str:
    """What holds before the first change."""
    return Path(__file__).with_name("default.cedar").read_text()


@functools.cache
def schema() -> cedarpy.Schema:
    """The schema, compiled."""
    return cedarpy.Schema.from_str(schema_text())


@dataclass(frozen=True, slots=True)
class PolicySet:
    """A valid policy set.

    Attributes:
        text: As it was written.
        digest: SHA-256 of schema and text, hex: names the set wherever a decision is written down.
        whole: All of it, compiled.
        mentions_time: Whether decisions may change by the clock alone.
    """

    text: str
    digest: str
    whole: cedarpy.PolicySet = field(repr=False)
    mentions_time: bool
    _policies: Mapping[str, Mapping[str, Any]] = field(repr=False, compare=False)
    _scopes: Mapping[str, _Scope] = field(repr=False, compare=False)
    _reaches: Mapping[str, frozenset[str]] = field(repr=False, compare=False)
    _slices: dict[frozenset[str], cedarpy.PolicySet] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a policy set.

        Raises:
            InvalidPolicies: It does not parse, does not fit the schema, has a template, a policy without an id of
                its own (`@id`), or one that declares a reach (`@reach`) in another form.
        """
        if len(text.encode()) > MAX_POLICY_BYTES:
            raise InvalidPolicies(f"a policy set is at most {MAX_POLICY_BYTES} bytes long")
        try:
            read = json.loads(cedarpy.policies_to_json_str(text))
            checked = cedarpy.validate_policies(text, schema())
        except ValueError as exc:
            raise InvalidPolicies(f"the policies can't be read: {exc}") from None
        if not checked.validation_passed:
            named = checked.id_annotations_by_policy_id
            faults = [f"{named.get(each.policy_id, each.policy_id)}: {each.error}" for each in checked.errors[:8]]
            raise InvalidPolicies(f"the policies don't fit the schema: {'; '.join(faults)}")
        if read.get("templates"):
            raise InvalidPolicies("a template has no place in a policy set; write out what it stands for")
        policies: dict[str, Mapping[str, Any]] = {}
        for policy in read["staticPolicies"].values():
            name = policy.get("annotations", {}).get("id")
            if not name or name in policies:
                raise InvalidPolicies('each policy has an id of its own, as in @id("standing-tier")')
            policies[name] = policy
        reaches = {name: _reach(name, policy) for name, policy in policies.items()}
        digest = hashlib.sha256((digest_context() + text).encode()).hexdigest()
        scopes = {
            name: (_entity_scope(each["principal"]), _action_scope(each["action"]), _entity_scope(each["resource"]))
            for name, each in policies.items()
        }
        # The word alone is enough: whoever names something else so only has decisions made anew each minute.
        mentions_time = any('"time"' in json.dumps(each["conditions"]) for each in policies.values())
        return cls(text, digest, _compiled(policies), mentions_time, policies, scopes, reaches)

    def __len__(self) -> int:
        return len(self._policies)

    def policy(self, name: str) -> str:
        """The text of one policy, formatted."""
        return str(_compiled({name: self._policies[name]}))

    def unlike(self, other: Self) -> frozenset[str]:
        """The ids of the policies that only one of the sets has, or that say something else in the other."""
        names = self._policies.keys() | other._policies.keys()
        return frozenset(name for name in names if self._policies.get(name) != other._policies.get(name))

    def relevant(self, principal: AbstractSet[Uid], action: str, resource: AbstractSet[Uid]) -> Sequence[str]:
        """The ids of the policies whose scope covers a request.

        Args:
            principal: Who asks, and all that they are in.
            resource: What for, likewise.
        """
        return [
            name
            for name, (who, actions, what) in self._scopes.items()
            if (who is None or who in principal)
            and (actions is None or action in actions)
            and (what is None or what in resource)
        ]

    def reach(self, principal: AbstractSet[Uid]) -> frozenset[str]:
        """The tenants whose records policies declare (`@reach`) to open to somebody without an approval; `*` for all.

        Args:
            principal: Who asks, and all that they are in.
        """
        return frozenset().union(
            *(self._reaches[name] for name, (who, _, _) in self._scopes.items() if who is None or who in principal)
        )

    def compiled(self, names: Sequence[str]) -> cedarpy.PolicySet:
        """These policies alone."""
        key = frozenset(names)
        found = self._slices.get(key)
        if found is None:
            if len(self._slices) >= MAX_SLICES:
                self._slices.clear()
            found = self._slices[key] = _compiled({name: self._policies[name] for name in names})
        return found


def _reach(name: str, policy: Mapping[str, Any]) -> frozenset[str]:
    text = policy["annotations"].get("reach")
    if text is None and "reach" not in policy["annotations"]:
        return frozenset()
    found = frozenset((text or "").split())
    if policy["effect"] != "permit" or not found or ("*" in found and len(found) > 1):
        raise InvalidPolicies(f'{name}: only a permit reaches, as in @reach("registry gov") or @reach("*")')
    return found


def _compiled(policies: Mapping[str, Mapping[str, Any]]) -> cedarpy.PolicySet:
    # Under our ids, so that Cedar's answers name them.
    whole = {"templates": {}, "staticPolicies": dict(policies), "templateLinks": []}
    return cedarpy.PolicySet.from_json_str(json.dumps(whole))


def _entity_scope(scope: Mapping[str, Any]) -> Uid | None:
    """What somebody or something must be, or be in; None for anything that Cedar has to look at."""
    match scope["op"]:
        case "==" | "in":
            return _uid(scope["entity"])
        case "is" if "in" in scope:
            return _uid(scope["in"]["entity"])
    return None


def _action_scope(scope: Mapping[str, Any]) -> frozenset[str] | None:
    if scope["op"] == "All":
        return None
    named = scope["entities"] if "entities" in scope else [scope["entity"]]
    return frozenset(each["id"] for each in named)


def _uid(entity: Mapping[str, str]) -> Uid:
    return entity["type"], entity["id"]
