"""Answers processes that hold no keys: opens what a look of theirs says, and makes keys for what they seal.

Everything a decision depends on is read here anew, through a connection of this process: rows, leaves, people, policies
and approvals. A request brings names, the place of a look and the credential of who looks, which is checked here too;
no value, no ciphertext and no decision.
"""

import asyncio
import datetime as dt
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Final
from uuid import UUID

from agents.access.choosing import Chosen, decide_over
from agents.access.keeper import Access, AccessKeeper
from agents.access.look_log import WrittenLook
from agents.access.response import Decided
from agents.opening.handing import Handed, HandedFields, Letter
from agents.platform.data_keys import KeyPlace
from agents.platform.identity import Identity
from agents.platform.knowledge import ACCESS_DOMAIN
from agents.release.askers import Askers, Asking
from agents.release.claims import Claims
from agents.release.kept_keys import KeptKeys, OpenKeys
from agents.release.opening import ShownRecord
from agents.release.proof import LookProver, ProvedLook
from agents.release.refusal import Refusal, ReleaseRefused
from security.access.decision import FieldState
from security.access.presented import Presented
from security.access.principal import Action, Role
from security.access.request import FieldFacts, RecordFacts
from security.commitment import Commitments
from security.data_key import NewDataKey
from security.field_binding import EVIDENCE_FIELD
from security.key_provider import KeyUnavailable
from security.opening import OpenedField
from streams.storage import reading
from streams.storage.access_requests import count_released, hold_used
from streams.storage.database import EVERYBODY, Connection, Database
from streams.storage.index_keys import IndexRotation
from streams.storage.log_entries import disclosures_of

MOST_NAMES: Final = 1_000
"""In one request: a page of records."""

Made = tuple[Sequence[NewDataKey], Mapping[str, Commitments]]


class Releaser:
    """Answers the processes that the platform's user runs; which of them asks, its worker's name says.

    Args:
        database: Reaches everybody's rows.
        keeper: Reads who may see what.
        askers: Sees who asks.
    """

    def __init__(
        self,
        database: Database,
        identity: Identity,
        keeper: AccessKeeper,
        keys: KeptKeys,
        askers: Askers,
        clock: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
    ) -> None:
        self._database = database
        self._keeper = keeper
        self._keys = keys
        self._askers = askers
        self._clock = clock
        self._prover = LookProver(identity)

    async def records(self, worker_id: str, look: WrittenLook, names: Sequence[UUID]) -> Sequence[ShownRecord]:
        """Records as they may be seen, in the order of their names.

        Raises:
            ReleaseRefused: The look is no proof of that.
            Unavailable: What it takes is away.
        """
        _see_few(names)
        keys, asking, access = await self._now(look.proof)
        async with self._database.session(clean=True) as connection:
            claims = await self._claims(connection, keys, worker_id, look, asking, access)
            rows = {row.record_id: row for row in await reading.find_results(connection, names)}
            if not set(names) <= rows.keys():
                raise ReleaseRefused(Refusal.NOT_DECIDED)
            known = await keys.chooser.known(connection, [rows[name] for name in names])
            if len(known) != len(names):
                raise ReleaseRefused(Refusal.NOT_SERVED)
            chosen: list[Chosen] = []
            for each in known:
                found = decide_over(partial(claims.decide, each.row.log_id), each)
                if found is None:
                    raise ReleaseRefused(Refusal.NOT_DECIDED)
                chosen.append(found)
            await self._count(connection, claims)
            return await keys.release.shown(connection, chosen)

    async def handed(
        self, worker_id: str, look: WrittenLook, names: Sequence[UUID], *, evidence: bool
    ) -> Sequence[HandedFields]:
        """What is handed on of records and messages, in the order of their names; raises as `records`."""
        _see_few(names)
        keys, asking, access = await self._now(look.proof)
        handed: list[Handed] = []
        logs = {log.tenant: log_id for log_id, log in keys.logs.items()}
        async with self._database.session(clean=True) as connection:
            claims = await self._claims(connection, keys, worker_id, look, asking, access)

            def decide(name: UUID, action: Action, about: RecordFacts, fields: tuple[FieldFacts, ...]) -> Decided:
                return claims.decide(logs[about.tenant], name, action, about, fields)

            for name in names:
                found = await keys.handing.decide(connection, decide, name, evidence=evidence)
                if found is None:
                    raise ReleaseRefused(Refusal.NOT_DECIDED)
                handed.append(found)
            await self._count(connection, claims)
        return await keys.release.handed(look, handed, EVERYBODY, evidence=evidence)

    async def letter(self, worker_id: str, look: WrittenLook, name: UUID) -> OpenedField:
        """The message of a dead letter; raises as `records`."""
        keys, asking, access = await self._now(look.proof)
        opened = None
        async with self._database.session(clean=True) as connection:
            claims = await self._claims(connection, keys, worker_id, look, asking, access)
            for letter, about, fields in await keys.handing.letters(connection, name):
                decided = claims.decide(letter.log_id, name, Action.READ, about, fields)
                if decided.decision.of(EVIDENCE_FIELD).state is FieldState.OPEN:
                    opened = Letter(name, letter.log_id, decided, letter)
                    await self._count(connection, claims)
        if opened is None:
            raise ReleaseRefused(Refusal.NOT_DECIDED)
        return await keys.release.letter(look, opened, EVERYBODY)

    async def shown_ids(
        self, worker_id: str, look: WrittenLook, log_id: int, commits: Collection[int]
    ) -> Mapping[tuple[int, int], OpenedField]:
        """The ids that looks of these commits showed, by commit and ordinal: for auditors, whose look names the log."""
        keys = await self._keys.current()
        who = await self._askers.permitted(look.proof, self._clock(), Action.READ, Role.AUDITOR)
        async with self._database.session(clean=True) as connection:
            proved = await self._proved(connection, keys, worker_id, look)
            here = proved.get(log_id)
            if here is None or here.leaf.kind != "search" or here.leaf.count:
                raise ReleaseRefused(Refusal.NOT_DECIDED)
            if here.record.person != who.person:
                raise ReleaseRefused(Refusal.NOT_THEIRS)
            stored = await disclosures_of(connection, log_id, commits)
        return await keys.release.shown_ids(look, log_id, stored)

    async def terms(
        self, proof: Presented | None, field: str, value: str, rotations: Sequence[IndexRotation]
    ) -> Sequence[tuple[int, bytes]] | None:
        """The blind terms of a value in the logs of those that this process serves.

        Raises:
            ReleaseRefused: Nobody asks who might search.
        """
        keys = await self._keys.current()
        await self._askers.permitted(proof, self._clock(), Action.SEARCH, *Role)
        found = await keys.release.terms(proof, field, value, rotations)
        if found is None:
            return None
        return [(log_id, term) for log_id, term in found if self._keys.scopes.covers_tenant(keys.logs[log_id].tenant)]

    async def data_keys(self, wanted: Sequence[KeyPlace]) -> Made:
        """New data keys, each for one pass; and how their tenants commit to values.

        Raises:
            ReleaseRefused: A place is not this process's.
        """
        keys = await self._keys.current()
        if len(wanted) > MOST_NAMES:
            raise ReleaseRefused(Refusal.NOT_SERVED)
        made, commitments = [], {}
        for place in wanted:
            held = keys.knowledge.access_keys if place.domain == ACCESS_DOMAIN else keys.knowledge.tier_keys
            try:
                made.append(held.new_data_key(*place, os.urandom))
            except KeyUnavailable as exc:
                raise ReleaseRefused(Refusal.NOT_SERVED) from exc
            commitments[place.tenant] = held.commitments(place.tenant)
        return made, commitments

    async def _now(self, proof: Presented | None) -> tuple[OpenKeys, Asking, Access]:
        """Keys, who asks, and who may see what, as they are now: found out together."""
        return await asyncio.gather(
            self._keys.current(), self._askers.asking(proof, self._clock()), self._keeper.current()
        )

    async def _claims(
        self, connection: Connection, keys: OpenKeys, worker_id: str, look: WrittenLook, asking: Asking, access: Access
    ) -> Claims:
        return Claims(access, asking, await self._proved(connection, keys, worker_id, look), self._clock())

    async def _proved(
        self, connection: Connection, keys: OpenKeys, worker_id: str, look: WrittenLook
    ) -> Mapping[int, ProvedLook]:
        return await self._prover.prove(connection, keys, look, worker_id, self._clock())

    async def _count(self, connection: Connection, claims: Claims) -> None:
        """Count what is about to be opened by requests for access, whatever was counted when it was decided.

        Raises:
            ReleaseRefused: It is more than a request covers.
        """
        if not claims.uses:
            return
        quotas = claims.requests()
        async with connection.transaction():
            # Whoever else counts waits.
            await hold_used(connection, quotas)
            opened = await count_released(connection, claims.uses)
            if any(opened[request] > quota for request, quota in quotas.items()):
                raise ReleaseRefused(Refusal.QUOTA_SPENT)


def _see_few(names: Sequence[UUID]) -> None:
    if not 0 < len(names) <= MOST_NAMES or len(set(names)) != len(names):
        raise ReleaseRefused(Refusal.NOT_DECIDED)
