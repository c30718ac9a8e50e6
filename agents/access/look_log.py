"""Writing looks into the log: one leaf for a response in each log it touches, durable before anything is shown.

What a look by somebody's right was decided by is sealed beside its leaf, and what it takes of a quota is counted in
the same transaction. Looks that come while a commit is under way wait for it and share the next one: as many readers as
there are, a look takes two commits at most. One that can't be written down is refused alone.
"""

import asyncio
import datetime as dt
from base64 import b64encode
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple
from uuid import UUID

import msgspec

from agents.commits.leaves import LeafBatch, LogRef
from agents.commits.recording import data_key_row, rfc3339
from agents.platform.actor import Pseudonyms
from agents.platform.data_keys import HeldKeys, KeyMaker, KeyPlace
from agents.platform.identity import Identity
from agents.platform.knowledge import ACCESS_DOMAIN, ACCESS_TIER, Knowledge
from schemas.errors import SealstreamError
from schemas.leaf import LEAF_VERSION, Leaf, encode_leaf
from security.access.presented import Presented
from security.commit_signature import WorkerKey
from security.merkle import leaf_hash, tree_root
from security.sealing import SealedRecord, SealingPass
from streams.storage import keys
from streams.storage.access_requests import count_used, hold_used
from streams.storage.commit import Claims, CommitRequest, CommitStore
from streams.storage.commit_rows import CommitRows
from streams.storage.database import Connection, Database
from streams.storage.ids import IdBlock

LookKind = Literal["deny", "export", "read", "search"]
LOOKS_A_COMMIT: Final = 256

IDS_FIELD: Final = "ids"
PURPOSE_FIELD: Final = "purpose"
DECISION_FIELD: Final = "decision"


class QuotaSpent(SealstreamError):
    """A request for access covers fewer records than a look would have read by it.

    Attributes:
        left: How many it covers.
    """

    def __init__(self, request: UUID, left: int) -> None:
        super().__init__(f"request {request} covers {left} more records; ask for a larger quota with a new one")
        self.request = request
        self.left = left


@dataclass(frozen=True, slots=True)
class Use:
    """What a response reads by a request for access."""

    records: int
    quota: int


@dataclass(frozen=True, slots=True)
class Because:
    """Why a response shows what it shows.

    Attributes:
        policy: Version and digest of the policies.
        decisions: What is sealed beside each log's leaf: an encoded `LookRecord`.
        grants: Digests of the requests that opened more of it, by log.
        uses: What is read by each request.
    """

    policy: str
    purpose: str
    decisions: Mapping[int, bytes]
    grants: Mapping[int, Sequence[str]]
    uses: Mapping[UUID, Use]


@dataclass(frozen=True, slots=True)
class NewLook:
    """A response that is about to be given.

    Attributes:
        actor: Who gets it; goes into the log as a pseudonym that only the platform can make.
        basis: On what ground.
        shown: The ids that it shows, by log; a log without ids learns that somebody looked and found nothing.
        because: By which right; None for a look at a bare tier.
    """

    kind: LookKind
    actor: str
    basis: str
    shown: Mapping[int, Sequence[UUID]]
    because: Because | None = None


@dataclass(frozen=True, slots=True)
class WrittenLook:
    """Where a look stands: what proves to whoever holds the keys that it is in the log.

    Attributes:
        leaves: The ordinal of its leaf, by log.
        proof: That it is who looked who asks; the log has it not.
    """

    commit_id: int
    leaves: Mapping[int, int]
    proof: Presented | None = field(default=None, repr=False, compare=False)


def allot(looks: Mapping[int, NewLook], used: Mapping[UUID, int]) -> tuple[dict[UUID, int], dict[int, QuotaSpent]]:
    """Give looks what they take of quotas, in their order, each all of it or nothing.

    Args:
        used: How many records were read by each request before.

    Returns:
        What is taken of each request; and by its number in `looks` why a look may not be.
    """
    taken = dict.fromkeys(used, 0)
    refused: dict[int, QuotaSpent] = {}
    for number, look in looks.items():
        uses = _uses(look)
        for request, use in uses.items():
            left = use.quota - used[request] - taken[request] if request in used else 0
            if left < use.records:
                refused[number] = QuotaSpent(request, max(left, 0))
                break
        else:
            for request, use in uses.items():
                taken[request] += use.records
    return {request: records for request, records in taken.items() if records}, refused


class _Draft(NamedTuple):
    """A look's leaf for one log, and what is sealed beside it."""

    log: LogRef
    leaf: bytes
    sealed: bytes


class LookLog:
    """Writes looks for one process.

    Args:
        worker: Signs the leaves; its certificate is registered before the first one.
        keys: Make what seals beside the leaves; those of `knowledge` by default.
    """

    def __init__(
        self,
        database: Database,
        identity: Identity,
        knowledge: Knowledge,
        worker: WorkerKey,
        keys: KeyMaker | None = None,
    ) -> None:
        self._database = database
        self._pseudonyms = Pseudonyms(identity.keyring)
        self._keys = HeldKeys(knowledge.access_keys) if keys is None else keys
        self._logs: dict[int, LogRef] = {owner.log.log_id: owner.log for owner in knowledge.owners.values()}
        self._worker = worker
        self._store = CommitStore(database, group="", cluster="")
        self._commit_ids = IdBlock(database, "commit_ids")
        self._pass_ids = IdBlock(database, "pass_ids")
        self._registered = False
        self._waiting: list[tuple[NewLook, asyncio.Future[WrittenLook]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def write(self, look: NewLook) -> WrittenLook:
        """Write a look down; returns when that is durable, with its place.

        Raises:
            StorageError: It could not be written, so that nothing may be shown.
            QuotaSpent: A request does not cover as much. Nothing was written.
        """
        done: asyncio.Future[WrittenLook] = asyncio.get_running_loop().create_future()
        self._waiting.append((look, done))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_waiting(), name="looks")
        return await done

    async def _write_waiting(self) -> None:
        """Write until nobody waits. Who gave up waiting has a leaf all the same, or none."""
        while self._waiting:
            taken, self._waiting = self._waiting[:LOOKS_A_COMMIT], self._waiting[LOOKS_A_COMMIT:]
            taken = [each for each in taken if not each[1].done()]
            try:
                written, refused = await self._commit([look for look, _ in taken])
            except BaseException as exc:
                for _, done in taken:
                    if not done.done():
                        done.set_exception(exc) if isinstance(exc, Exception) else done.cancel()
                if not isinstance(exc, Exception):
                    raise
            else:
                for number, (_, done) in enumerate(taken):
                    if not done.done():
                        place = written.get(number)
                        done.set_exception(refused[number]) if place is None else done.set_result(place)

    async def _commit(self, looks: Sequence[NewLook]) -> tuple[Mapping[int, WrittenLook], Mapping[int, Exception]]:
        """Write looks down, by their numbers; those that are refused leave nothing behind."""
        logs = {log_id for look in looks for log_id in look.shown if log_id in self._logs}
        if not self._registered and logs:
            worker = self._worker
            async with self._database.session() as connection:
                await keys.register_worker(connection, worker.worker_id, worker.public_key, worker.certificate)
            self._registered = True
        await self._pseudonyms.learn({self._logs[log_id].tenant for log_id in logs})
        await self._commit_ids.refill(1)
        await self._pass_ids.refill(len(logs))
        commit_id, passes = self._commit_ids.take(), await self._passes(logs)
        drafts, refused = self._drafts(commit_id, looks, passes)
        written = _written(commit_id, drafts)
        if not any(drafts.values()):
            return written, refused
        requests = {name for number in drafts for name in _uses(looks[number])}

        async def count(connection: Connection) -> None:
            drafted = {number: looks[number] for number in drafts}
            taken, spent = allot(drafted, await hold_used(connection, requests))
            await count_used(connection, taken)
            refused.update(spent)

        def finish(_: Claims) -> CommitRows:
            kept = {number: found for number, found in drafts.items() if number not in refused}
            written.clear()
            written.update(_written(commit_id, kept))
            return self._rows(commit_id, [draft for found in kept.values() for draft in found], passes)

        before = count if requests else None
        await self._store.commit(CommitRequest(commit_id, (), (), (), finish, before=before))
        return written, refused

    async def _passes(self, logs: Iterable[int]) -> dict[int, tuple[int, SealingPass]]:
        """A sealing pass for each log, with its number."""
        places = {
            log_id: KeyPlace(self._pass_ids.take(), self._logs[log_id].tenant, ACCESS_DOMAIN, ACCESS_TIER)
            for log_id in sorted(logs)
        }
        keys = await self._keys.data_keys(list(places.values()))
        return {
            log_id: (place.pass_id, SealingPass(place.pass_id, place.tenant, keys)) for log_id, place in places.items()
        }

    def _drafts(
        self, commit_id: int, looks: Sequence[NewLook], passes: Mapping[int, tuple[int, SealingPass]]
    ) -> tuple[dict[int, list[_Draft]], dict[int, Exception]]:
        """The leaves of each look by its number, made before anything is locked; and why some can't be made."""
        drafts: dict[int, list[_Draft]] = {}
        refused: dict[int, Exception] = {}
        now = rfc3339(dt.datetime.now(dt.UTC))
        for number, look in enumerate(looks):
            try:
                drafts[number] = [
                    self._draft(look, self._logs[log_id], commit_id, now, passes[log_id][1]) for log_id in look.shown
                ]
            # Whatever it is, it is this look's: those who came with it are not to go without theirs.
            except Exception as exc:
                refused[number] = exc
        return drafts, refused

    def _draft(self, look: NewLook, log: LogRef, commit_id: int, now: str, sealing: SealingPass) -> _Draft:
        sealed = sealing.seal_fields(ACCESS_DOMAIN, disclosure_name(commit_id), _fields(look, log.log_id))
        leaf = self._leaf(look, log, look.shown[log.log_id], commit_id, now, sealed)
        return _Draft(log, encode_leaf(leaf), sealed.blob)

    def _rows(
        self, commit_id: int, drafts: Sequence[_Draft], passes: Mapping[int, tuple[int, SealingPass]]
    ) -> CommitRows:
        batch, rows = LeafBatch(commit_id, self._worker), CommitRows()
        for log, leaf, sealed in drafts:
            ordinal = batch.add_encoded(log, leaf)
            rows.disclosures.append((log.log_id, commit_id, ordinal, log.tenant, passes[log.log_id][0], sealed))
        written = {draft.log.log_id for draft in drafts}
        rows.data_keys = [data_key_row(key) for log_id in written for key in passes[log_id][1].data_keys()]
        rows.commits, rows.bundles = batch.commit_rows(), batch.bundle_rows()
        return rows

    def _leaf(
        self, look: NewLook, log: LogRef, ids: Sequence[UUID], commit_id: int, now: str, sealed: SealedRecord
    ) -> Leaf:
        leaf = Leaf(
            v=LEAF_VERSION,
            commit=commit_id,
            kind=look.kind,
            time=now,
            actor=self._pseudonyms.of(log.tenant, look.actor),
            basis=look.basis,
            count=len(ids),
            unit=tree_root([leaf_hash(name.bytes) for name in ids]).hex(),
        )
        if look.because is None:
            return leaf
        return msgspec.structs.replace(
            leaf,
            commitments=sealed.kind.in_leaf,
            decision=b64encode(sealed.commitments[DECISION_FIELD]).decode(),
            grant=",".join(look.because.grants.get(log.log_id, ())) or None,
            policy=look.because.policy,
            purpose=b64encode(sealed.commitments[PURPOSE_FIELD]).decode(),
        )


def _uses(look: NewLook) -> Mapping[UUID, Use]:
    """What a look takes of quotas."""
    return look.because.uses if look.because is not None else {}


def _written(commit_id: int, drafts: Mapping[int, Sequence[_Draft]]) -> dict[int, WrittenLook]:
    """The place of each look by its number: leaves get their ordinals in the order in which they are added."""
    counts: Counter[int] = Counter()
    written = {}
    for number, found in drafts.items():
        ordinals = {}
        for draft in found:
            ordinals[draft.log.log_id] = counts[draft.log.log_id]
            counts[draft.log.log_id] += 1
        written[number] = WrittenLook(commit_id, ordinals)
    return written


def disclosure_name(commit_id: int) -> bytes:
    """What the ids beside the looks of a commit are sealed as; which look's they are says its leaf, by their root."""
    return commit_id.to_bytes(16, "big")


def _fields(look: NewLook, log_id: int) -> list[tuple[str, int, bytes]]:
    """What is sealed beside a leaf."""
    found = [(IDS_FIELD, ACCESS_TIER, _packed(look.shown[log_id]))]
    if look.because is not None:
        found.append((PURPOSE_FIELD, ACCESS_TIER, look.because.purpose.encode()))
        found.append((DECISION_FIELD, ACCESS_TIER, look.because.decisions[log_id]))
    return found


def _packed(ids: Sequence[UUID]) -> bytes:
    return msgspec.msgpack.encode([name.bytes for name in ids])
