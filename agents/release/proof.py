"""Seeing that a look is in the log: committed by the process that asks, a moment ago, and what was sealed beside it.

What it says was decided is made again by agents.release.claims.
"""

import asyncio
import datetime as dt
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from agents.access.look_log import DECISION_FIELD, WrittenLook, disclosure_name
from agents.access.looks import LOOKS
from agents.log.commit_checker import CommitChecker
from agents.platform.identity import Identity
from agents.platform.knowledge import ACCESS_DOMAIN
from agents.release.kept_keys import OpenKeys
from agents.release.refusal import Refusal, ReleaseRefused
from schemas.errors import VerificationFailed
from schemas.leaf import Leaf, decode_leaf
from security.access.look_record import LookRecord, read_look
from security.commitment import Commitments, verify_commitment
from security.key_provider import MAX_TIER
from security.merkle import HASH_BYTES, leaf_hash
from security.opening import FieldOpener
from streams.storage.database import Connection
from streams.storage.looks import StoredLook, stored_looks
from streams.storage.reading import LeafRow
from streams.storage.sequencing import worker_keys

OLDEST: Final = dt.timedelta(seconds=60)
"""Within this time a look opens what it names, as often as it is asked: each time the same."""

AHEAD: Final = dt.timedelta(seconds=10)
"""So far two clocks may be apart."""


@dataclass(frozen=True, slots=True)
class ProvedLook:
    """A look as one log has it.

    Attributes:
        commit_id: Where it is, with its ordinal there.
        record: Why it shows what it shows.
    """

    commit_id: int
    ordinal: int
    leaf: Leaf
    record: LookRecord


class LookProver:
    """Proves looks of other processes."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self._checker: CommitChecker | None = None

    async def prove(
        self, connection: Connection, keys: OpenKeys, look: WrittenLook, worker_id: str, now: dt.datetime
    ) -> Mapping[int, ProvedLook]:
        """The look, by log.

        Args:
            worker_id: Of the process that asks.

        Raises:
            ReleaseRefused: It is not there, not theirs, not of now, or not what was committed to.
        """
        places = [LeafRow(log_id, look.commit_id, ordinal) for log_id, ordinal in look.leaves.items()]
        if not places or not all(place.log_id in keys.logs and place.leaf >= 0 for place in places):
            raise ReleaseRefused(Refusal.NO_LOOK)
        found = await stored_looks(connection, places)
        # That there is none, and whose it is, comes before anything is believed that it says.
        await self._see_signed(connection, keys, places, found, worker_id)
        return {place.log_id: self._proved(keys, place, found[place], now) for place in places}

    async def _see_signed(
        self,
        connection: Connection,
        keys: OpenKeys,
        places: list[LeafRow],
        found: Mapping[LeafRow, StoredLook],
        worker_id: str,
    ) -> None:
        """See that a certified worker of any kind signed the commits, and that it is the one that asks."""
        if self._checker is None:
            self._checker = CommitChecker(await asyncio.to_thread(self._identity.authority))
        if not found.keys() >= set(places):
            raise ReleaseRefused(Refusal.NO_LOOK)
        if not all(self._checker.knows(each.commit.worker_id) for each in found.values()):
            self._checker.learn(await worker_keys(connection))
        for place in places:
            commit = found[place].commit
            try:
                self._checker.check(keys.logs[place.log_id].origin, commit)
            except VerificationFailed as exc:
                raise ReleaseRefused(Refusal.NOT_SIGNED) from exc
            if commit.worker_id != worker_id:
                raise ReleaseRefused(Refusal.NOT_YOURS)

    def _proved(self, keys: OpenKeys, place: LeafRow, found: StoredLook, now: dt.datetime) -> ProvedLook:
        at = place.leaf * HASH_BYTES
        if leaf_hash(found.body) != found.commit.hashes[at : at + HASH_BYTES]:
            raise ReleaseRefused(Refusal.NO_LOOK)
        leaf = decode_leaf(found.body)
        if leaf.kind not in LOOKS or leaf.policy is None or leaf.decision is None:
            raise ReleaseRefused(Refusal.NO_LOOK)
        if not -AHEAD <= now - dt.datetime.fromisoformat(leaf.time) <= OLDEST:
            raise ReleaseRefused(Refusal.NOT_NOW)
        stored = found.beside
        if stored is None:
            raise ReleaseRefused(Refusal.NO_LOOK)
        data_keys = {(each.pass_id, each.domain, each.tier): each for each in found.keys}
        opener = FieldOpener(keys.knowledge.access_keys, lambda *at: data_keys.get(at), MAX_TIER)
        name = disclosure_name(place.commit_id)
        try:
            opened = opener.open_record(
                stored.tenant, ACCESS_DOMAIN, name, stored.pass_id, stored.sealed, {DECISION_FIELD}
            )
            field = opened.get(DECISION_FIELD)
            if field is None or field.value is None or field.salt is None:
                raise ReleaseRefused(Refusal.NO_LOOK)
            commitment = b64decode(leaf.decision, validate=True)
            verify_commitment(commitment, field.salt, field.value, Commitments.of_leaf(leaf.commitments))
            record = read_look(field.value)
        except (VerificationFailed, ValueError) as exc:
            raise ReleaseRefused(Refusal.NOT_COMMITTED_TO) from exc
        return ProvedLook(place.commit_id, place.leaf, leaf, record)
