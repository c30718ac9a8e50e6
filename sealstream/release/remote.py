"""A `Release` of other processes: each scope's requests go to the process that holds its keys.

What comes back for a field is what the process says that serves its tier; the others say that it is sealed.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from agents.access.choosing import Chosen
from agents.access.look_log import WrittenLook
from agents.access.looks import Disclosures
from agents.access.sessions import OpenedSession
from agents.opening.handing import Handed, HandedFields, Letter
from agents.platform.data_keys import KeyPlace
from agents.platform.knowledge import ACCESS_DOMAIN
from agents.release import ShownRecord
from schemas.errors import ConfigurationError
from sealstream.release import messages
from sealstream.release.client import REPLAY_SECONDS, ReleaseAway, ReleaseClient
from security.access.decision import FieldState, ShownField
from security.access.presented import Presented
from security.commit_signature import WorkerKey
from security.commitment import Commitments
from security.data_key import NewDataKey
from security.handed_keys import HandedKeys
from security.key_provider import MAX_TIER
from security.key_scopes import KeyScopes
from security.opening import OpenedField
from security.sealing import SealingKeys
from streams.storage.database import Reach
from streams.storage.index_keys import IndexRotation
from streams.storage.reading import StoredDeadLetter

# Looked up in its class, a member costs a call of its own.
_SEALED: Final = FieldState.SEALED


@dataclass(frozen=True, slots=True)
class RoutePlan:
    """Which scopes are served at which socket, as the settings say."""

    scopes: KeyScopes
    path: Path

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `SCOPE[,SCOPE…] PATH`.

        Raises:
            ConfigurationError: It has not that form.
        """
        scopes, _, path = text.partition(" ")
        if not path.startswith("/"):
            raise ConfigurationError("a release is named by its scopes, a space, and the absolute path of its socket")
        return cls(KeyScopes.parse(scopes.split(",")), Path(path))


@dataclass(frozen=True, slots=True)
class Route:
    """A release, and what it serves."""

    scopes: KeyScopes
    client: ReleaseClient


@dataclass(slots=True)
class _Merged:
    """What several releases say of one record."""

    fields: dict[str, ShownField] = field(default_factory=dict)
    reviews: dict[int, dict[str, ShownField]] = field(default_factory=dict)


class RemoteRelease:
    """Asks the releases of other processes.

    Args:
        plans: Where they are.
        worker: Signs the commits that looks are in.
    """

    def __init__(self, plans: Sequence[RoutePlan], worker: WorkerKey) -> None:
        self._routes = [Route(plan.scopes, ReleaseClient(plan.path, worker)) for plan in plans]

    async def close(self) -> None:
        """End all connections."""
        for route in self._routes:
            await route.client.close()

    async def answers(self) -> None:
        """See that all are there.

        Raises:
            ReleaseAway: One is not.
        """
        for route in self._routes:
            await route.client.answers()

    async def data_keys(self, wanted: Sequence[KeyPlace]) -> SealingKeys:
        """Of each place's release; those of looks from any that serves the tenant."""
        keys: list[NewDataKey] = []
        commitments: dict[str, Commitments] = {}
        for route, places in self._by_route(wanted):
            made = await route.client.ask(messages.AskDataKeys(places), messages.DataKeys)
            keys += made.keys
            commitments |= made.commitments
        return HandedKeys(keys, commitments)

    async def terms(
        self, proof: Presented | None, field: str, value: str, rotations: Sequence[IndexRotation]
    ) -> Sequence[tuple[int, bytes]] | None:
        """Of all releases, each for the tenants that it serves."""
        asked = messages.AskTerms(proof, field, value, [each for each in rotations if each.field == field])
        found = [(await route.client.ask(asked, messages.Terms)).terms for route in self._routes]
        if all(each is None for each in found):
            return None
        return list(dict.fromkeys(term for terms in found for term in terms or ()))

    async def records(self, look: WrittenLook, chosen: Sequence[Chosen], reach: Reach) -> Sequence[ShownRecord]:
        """Of each release the fields that it serves."""
        merged = [_Merged() for _ in chosen]
        for route in self._routes:
            numbers = [n for n, each in enumerate(chosen) if _serves(route, each.row.tenant, each.row.domain)]
            if not numbers:
                continue
            asked = messages.AskRecords(look, [chosen[n].name for n in numbers])
            answer = await route.client.ask(asked, messages.Records)
            for n, shown in zip(numbers, answer.records, strict=True):
                self._take(route, chosen[n], shown, merged[n])
        for each, whole in zip(chosen, merged, strict=True):
            _see_whole(each, whole)
        return [ShownRecord(each.fields, each.reviews) for each in merged]

    async def handed(
        self, look: WrittenLook, handed: Sequence[Handed], reach: Reach, *, evidence: bool
    ) -> Sequence[HandedFields]:
        """Likewise."""
        fields: list[dict[str, OpenedField]] = [{} for _ in handed]
        received: list[OpenedField | None] = [None for _ in handed]
        for route in self._routes:
            numbers = [n for n, each in enumerate(handed) if _serves(route, *_place(each))]
            if not numbers:
                continue
            asked = messages.AskHanded(look, [handed[n].name for n in numbers], evidence)
            answer = await route.client.ask(asked, messages.Handed)
            for n, found in zip(numbers, answer.handed, strict=True):
                tenant, domain = _place(handed[n])
                for name, each in found.fields.items():
                    if name not in fields[n] or route.scopes.covers(tenant, domain, each.tier):
                        fields[n][name] = each
                if received[n] is None or (found.message and route.scopes.covers(tenant, domain, found.message.tier)):
                    received[n] = found.message
        return [HandedFields(each, message) for each, message in zip(fields, received, strict=True)]

    async def letter(self, look: WrittenLook, letter: Letter, reach: Reach) -> OpenedField:
        """Of the release that serves its tier."""
        stored = letter.stored
        for route in self._routes:
            if route.scopes.covers_domain(stored.tenant, stored.domain):
                evidence = (await route.client.ask(messages.AskLetter(look, letter.name), messages.Letter)).evidence
                if route.scopes.covers(stored.tenant, stored.domain, evidence.tier):
                    return evidence
        raise ReleaseAway

    async def shown_ids(
        self, look: WrittenLook, log_id: int, disclosures: Disclosures
    ) -> Mapping[tuple[int, int], OpenedField]:
        """Of a release that serves the tenant."""
        if not disclosures:
            return {}
        commits = sorted({commit_id for commit_id, _ in disclosures})
        (tenant,) = {each.tenant for each in disclosures.values()}
        answer = await self._of_tenant(tenant).client.ask(messages.AskIds(look, log_id, commits), messages.Ids)
        return {(commit_id, ordinal): found for commit_id, ordinal, found in answer.ids}

    async def open_session(self, proof: Presented, now: dt.datetime) -> OpenedSession:
        """Log somebody in to the console; the release has the time of its own."""
        answer = await self._routes[0].client.ask(messages.AskSession(proof), messages.Session)
        return OpenedSession(answer.text, answer.ends)

    async def replay(
        self, proof: Presented | None, letters: Sequence[StoredDeadLetter]
    ) -> Sequence[messages.ReplayedLetter]:
        """Take dead letters in again, for somebody: what is in them is opened and sealed where the keys are.

        Raises:
            ReleaseAway: No single release has all keys of what they hold, or it does not answer.
        """
        for route in self._routes:
            tiers = range(1, MAX_TIER + 1)
            if all(route.scopes.covers(each.tenant, each.domain, tier) for each in letters for tier in tiers):
                asked = messages.AskReplay(proof, [each.dead_letter_id for each in letters])
                return (await route.client.ask(asked, messages.Replays, patience=REPLAY_SECONDS)).letters
        raise ReleaseAway

    def _by_route(self, wanted: Sequence[KeyPlace]) -> list[tuple[Route, list[KeyPlace]]]:
        found: dict[int, tuple[Route, list[KeyPlace]]] = {}
        for place in wanted:
            route = self._of(place)
            found.setdefault(id(route), (route, []))[1].append(place)
        return list(found.values())

    def _of(self, place: KeyPlace) -> Route:
        if place.domain == ACCESS_DOMAIN:
            return self._of_tenant(place.tenant)
        for route in self._routes:
            if route.scopes.covers(place.tenant, place.domain, place.tier):
                return route
        raise ReleaseAway

    def _of_tenant(self, tenant: str) -> Route:
        """Every release holds the keys of looks at its tenants, and of those that showed nothing of anybody's."""
        for route in self._routes:
            if route.scopes.covers_tenant(tenant):
                return route
        return self._routes[0]

    def _take(self, route: Route, chosen: Chosen, shown: ShownRecord, into: _Merged) -> None:
        row = chosen.row
        parts = [(shown.fields, into.fields)]
        parts += [(fields, into.reviews.setdefault(n, {})) for n, fields in shown.reviews.items()]
        for fields, known in parts:
            if not known:
                known.update(fields)
                continue
            for name, each in fields.items():
                if name not in known or route.scopes.covers(row.tenant, row.domain, each.tier):
                    known[name] = each


def _see_whole(chosen: Chosen, merged: _Merged) -> None:
    """See that what is decided open came: what nobody serves is not shown as if it were sealed."""
    parts = [(chosen.decided, merged.fields)]
    parts += [(decided, merged.reviews.get(review.n, {})) for review, decided in chosen.reviews]
    for decided, fields in parts:
        for name in decided.decision.visible:
            field = fields.get(name)
            if field is None or field.state is _SEALED:
                raise ReleaseAway


def _place(handed: Handed) -> tuple[str, str]:
    stored = handed.record or handed.message
    if stored is None:
        raise RuntimeError("what is handed on is a record or a message")
    return stored.tenant, stored.domain


def _serves(route: Route, tenant: str, domain: str) -> bool:
    return route.scopes.covers_domain(tenant, domain)
