"""What is known of a record without opening anything, by its leaf: where it came from, and which kind it is.

A row's word is not enough to decide over: whoever can write to the database could give a record another source or
kind, to which other policies apply. So the leaf is one that a certified worker signed, and speaks of this record.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final, NamedTuple
from uuid import UUID

import structlog

from agents.intake.interpretation import STATEMENT, TRANSACTION
from agents.log.commit_checker import CommitChecker
from agents.platform.identity import Identity
from agents.platform.knowledge import Knowledge
from schemas.errors import VerificationFailed
from schemas.leaf import Leaf, decode_leaf
from security.access.request import RecordFacts
from security.commit_signature import WorkerKind
from security.merkle import HASH_BYTES, leaf_hash
from streams.storage.database import Connection
from streams.storage.reading import LeafRow, StoredMessage, StoredResult, leaf_bodies, signed_commits
from streams.storage.sequencing import worker_keys

UNKNOWN: Final = "unknown"
"""Source and kind of what nobody vouches for: of a message that could not be verified."""

_KEPT: Final = 65_536
_COMMITS_KEPT: Final = 256


class Place(NamedTuple):
    """Which leaf has to speak of which record, and whose it is said to be."""

    row: LeafRow
    name: UUID
    tenant: str
    domain: str


def place_of(stored: StoredResult | StoredMessage) -> Place:
    """Of a stored record or message."""
    name = stored.record_id if isinstance(stored, StoredResult) else stored.message_id
    return Place(LeafRow(stored.log_id, stored.commit_id, stored.leaf), name, stored.tenant, stored.domain)


class FactsReader:
    """Reads the facts of records, and remembers them: they never change."""

    def __init__(self, identity: Identity, knowledge: Knowledge) -> None:
        self._identity = identity
        self._logs = {owner.log.log_id: owner.log for owner in knowledge.owners.values()}
        self._checker: CommitChecker | None = None
        self._known: OrderedDict[Place, RecordFacts] = OrderedDict()
        self._hashes: OrderedDict[tuple[int, int], bytes] = OrderedDict()

    async def read(self, connection: Connection, places: Sequence[Place]) -> dict[Place, RecordFacts]:
        """The facts of these records; those whose leaves prove nothing are left out, and nothing of them is opened."""
        found = {place: facts for place in places if (facts := self._known.get(place)) is not None}
        missing = [place for place in dict.fromkeys(places) if place not in found]
        if missing:
            bodies = await leaf_bodies(connection, [place.row for place in missing])
            await self._check_commits(connection, {place.row.commit for place in missing} - self._hashes.keys())
            for place in missing:
                facts = self._facts(place, bodies.get(place.row))
                if facts is None:
                    structlog.get_logger(__name__).error(
                        "desk.record_unproved", record=str(place.name), commit=place.row.commit_id
                    )
                else:
                    found[place] = self._known[place] = facts
            while len(self._known) > _KEPT:
                self._known.popitem(last=False)
            while len(self._hashes) > _COMMITS_KEPT:
                self._hashes.popitem(last=False)
        return found

    async def _check_commits(self, connection: Connection, wanted: set[tuple[int, int]]) -> None:
        if not wanted:
            return
        if self._checker is None:
            # Who only asks may say that somebody looked, and not where a record comes from.
            authority = await asyncio.to_thread(self._identity.authority)
            self._checker = CommitChecker(authority, [WorkerKind.RECORDING])
        commits = await signed_commits(connection, wanted)
        if not all(self._checker.knows(each.worker_id) for each in commits.values()):
            self._checker.learn(await worker_keys(connection))
        for (log_id, commit_id), commit in commits.items():
            log = self._logs.get(log_id)
            try:
                if log is not None:
                    self._checker.check(log.origin, commit)
                    self._hashes[log_id, commit_id] = commit.hashes
            except VerificationFailed:
                continue  # it proves nothing; who asked for it is told

    def _facts(self, place: Place, body: bytes | None) -> RecordFacts | None:
        row = place.row
        hashes, log = self._hashes.get(row.commit), self._logs.get(row.log_id)
        if body is None or hashes is None or log is None or row.leaf < 0:
            return None
        at = row.leaf * HASH_BYTES
        if leaf_hash(body) != hashes[at : at + HASH_BYTES]:
            return None
        try:
            leaf = decode_leaf(body)
        except VerificationFailed:
            return None
        if str(place.name) != (leaf.record or leaf.message) or place.tenant != log.tenant:
            return None
        kind, source = record_kind(leaf, place.name) or UNKNOWN, leaf.source or UNKNOWN
        return RecordFacts(tenant=place.tenant, domain=place.domain, source=source, kind=kind)


def record_kind(leaf: Leaf, name: UUID) -> str | None:
    """Of which kind a record is, or a message: by its schema, if it is a registered record; else by its type."""
    if leaf.schema is not None:
        return leaf.schema
    return TRANSACTION if leaf.type == STATEMENT and leaf.record != leaf.message else leaf.type
