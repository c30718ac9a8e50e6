"""Replays dead letters, a group at a time, each group in one commit that moves no watermark."""

import datetime as dt
import getpass
import traceback
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID

import structlog

from agents.commits.leaves import LeafBatch
from agents.commits.recording import CONTRADICTION
from agents.inference.active_models import active_engines
from agents.inference.engine import Engine
from agents.inference.model_store import ModelStore
from agents.intake.classification import Classifier
from agents.log.sequencer import CommitChecker
from agents.platform.actor import pseudonym
from agents.platform.data_keys import DataKeyCache
from agents.platform.identity import Identity
from agents.platform.knowledge import Knowledge
from agents.replay.attempt import Attempt, ReplayStages
from agents.replay.letters import AlreadyReplayed, LetterProof, NotReplayable, ProvenLetter
from agents.replay.recording import ReplayRecorder, replay_names, replay_outcome
from schemas.errors import SealstreamError
from schemas.reasons import Reason
from security.commit_signature import WorkerKey, WorkerKind
from security.data_key import WrappedDataKey
from security.key_provider import MAX_TIER
from security.opening import FieldOpener
from streams.health import Health
from streams.storage import keys, replaying, sequencing
from streams.storage.commit import EntryClaim, IdentityClaim
from streams.storage.database import Database
from streams.storage.ids import IdBlock
from streams.storage.record_uuid import record_uuid
from streams.storage.replaying import ReplayableLetter, ReplayTransaction

log = structlog.get_logger(__name__)

PAGE: Final = 200
"""Dead letters in one commit: as a frame of intake, few enough for a transaction of some 100 ms."""

GROUP_BYTES: Final = 32 << 20
"""Bytes of messages in one commit; a message may have 16 MiB, and two hundred of those would not fit into memory."""

_NO_PLACE: Final = ("", -1)


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of one dead letter.

    Attributes:
        outcome: As in its `replay` leaf; None when nothing was written.
        reason: Why it was refused again.
        problem: Why nothing was written.
    """

    dead_letter: UUID
    outcome: str | None = None
    reason: Reason | None = None
    record: UUID | None = None
    message: UUID | None = None
    problem: SealstreamError | None = None

    @property
    def ok(self) -> bool:
        """Whether it is no dead letter any more."""
        return self.outcome is not None and self.reason is None


class Replayer:
    """Replays dead letters, as one actor.

    Args:
        knowledge: With the tier keys of all tiers: whatever is taken in is sealed.
        worker: Signs the commits.
        engine: Decides the kind of transactions, until the registry has a model for that.
        store: Where the registry's models lie.
        actor: Who replays; goes into the log as a pseudonym.
    """

    def __init__(
        self,
        database: Database,
        identity: Identity,
        knowledge: Knowledge,
        worker: WorkerKey,
        engine: Engine,
        *,
        store: ModelStore | None = None,
        actor: str | None = None,
    ) -> None:
        self._database = database
        self._identity = identity
        self._knowledge = knowledge
        self._worker = worker
        self._actor = actor or getpass.getuser()
        self._commit_ids = IdBlock(database, "commit_ids")
        self._pass_ids = IdBlock(database, "pass_ids")
        self._tenants = len({tenant for tenant, _ in knowledge.owners})
        engines = active_engines(store, Health(), engine).use(knowledge.models)[engine.model.name]
        self._stages = ReplayStages(identity, knowledge, Classifier(engines), self._pass_ids)
        self._checker = CommitChecker(identity.authority(), [WorkerKind.RECORDING])

    async def replay(self, names: Sequence[UUID]) -> AsyncIterator[Replayed]:
        """Replay these dead letters; says of each what became of it, in the order given."""
        wanted = list(dict.fromkeys(names))
        for start in range(0, len(wanted), PAGE):
            for each in await self._page(wanted[start : start + PAGE]):
                yield each

    async def replay_reason(self, reason: Reason) -> AsyncIterator[Replayed]:
        """Replay every open dead letter of a reason, the oldest first; those that are written meanwhile are left."""
        until, after = dt.datetime.now(dt.UTC), None
        while True:
            async with self._database.session() as connection:
                page = await replaying.open_letters(connection, reason.value, after, until, PAGE)
            if not page:
                return
            for each in await self._page([name for _, name in page]):
                yield each
            after = page[-1]

    async def _page(self, names: Sequence[UUID]) -> list[Replayed]:
        told = {
            name: Replayed(
                name, problem=NotReplayable(f"no dead letter has the id {name}; see `sealstream dead-letters list`")
            )
            for name in names
        }
        async with self._database.session() as connection:
            letters = await replaying.replayable_letters(connection, names)
            self._checker.learn(await sequencing.worker_keys(connection))
        for group in _of_bounded_size(letters):
            proven, problems = await self._prove(group)
            attempts, data_keys, faults = await self._process(proven)
            told.update({each.dead_letter: each for each in problems + faults})
            if attempts:
                told.update({each.dead_letter: each for each in await self._commit(attempts, data_keys)})
        return list(told.values())

    async def _prove(self, letters: Sequence[ReplayableLetter]) -> tuple[list[ProvenLetter], list[Replayed]]:
        data_keys = DataKeyCache()
        async with self._database.session() as connection:
            evidence = await replaying.sealed_evidence(connection, letters)
            await data_keys.load(connection, [each.pass_id for each in letters if each.pass_id is not None])
        opener = FieldOpener(self._knowledge.tier_keys, data_keys.get, MAX_TIER)
        proof = LetterProof(self._checker, opener, evidence)
        proven, problems = [], []
        for letter in letters:
            try:
                found = proof.prove(letter)
                if found.deferred and not self._stages.defers:
                    raise NotReplayable(
                        f"dead letter {found.name} was given up in its lane, and no text model is active that could "
                        "answer it now; activate one, then replay it"
                    )
                proven.append(found)
            except SealstreamError as exc:
                problems.append(Replayed(letter.dead_letter_id, problem=exc))
        return proven, problems

    async def _process(
        self, letters: Sequence[ProvenLetter]
    ) -> tuple[list[Attempt], list[WrappedDataKey], list[Replayed]]:
        """Take letters through the stages; one that meets a fault of ours is found by halves and left as it is."""
        attempts: list[Attempt] = []
        data_keys: list[WrappedDataKey] = []
        faults: list[Replayed] = []
        waiting = [letters] if letters else []
        while waiting:
            some = waiting.pop()
            await self._pass_ids.refill(self._tenants)
            try:
                made, made_keys = self._stages.run(some)
            except Exception as exc:
                if len(some) > 1:
                    half = len(some) // 2
                    waiting += [some[half:], some[:half]]
                else:
                    faults.append(_fault(some[0].name, exc))
            else:
                attempts += made
                data_keys += made_keys
        return attempts, data_keys, faults

    async def _commit(self, attempts: Sequence[Attempt], data_keys: Sequence[WrappedDataKey]) -> list[Replayed]:
        async with self._database.session() as connection:
            worker = self._worker
            await keys.register_worker(connection, worker.worker_id, worker.public_key, worker.certificate)
        await self._commit_ids.refill(1)
        commit_id = self._commit_ids.take()
        names = [(each.letter.name, each.letter.commit_id) for each in attempts]
        async with replaying.replay_transaction(self._database, names, self._knowledge.revision) as transaction:
            late = [each for each in attempts if each.letter.name in transaction.settled]
            current = [each for each in attempts if each.letter.name not in transaction.settled]
            if current:
                await self._write(transaction, commit_id, current, data_keys)
        return [_told(each) for each in current] + [_too_late(each) for each in late]

    async def _write(
        self,
        transaction: ReplayTransaction,
        commit_id: int,
        attempts: Sequence[Attempt],
        data_keys: Sequence[WrappedDataKey],
    ) -> None:
        sound = [each for each in attempts if each.rejection is None]
        taken = dict(await transaction.claim_identities(commit_id, map(_identity_claim, sound)))
        for attempt in sound:
            _judge(attempt, taken)
        first = await transaction.claim_entries(claim for each in sound if each.taken_in for claim in _entries(each))
        batch = LeafBatch(commit_id, self._worker)
        recorder = ReplayRecorder(batch, dt.datetime.now(dt.UTC), self._pseudonym)
        await transaction.write(recorder.replay(attempts, first, data_keys))

    def _pseudonym(self, tenant: str) -> str:
        return pseudonym(self._identity.keyring, tenant, self._actor)


def _judge(attempt: Attempt, known: dict[UUID, bytes]) -> None:
    """Say whether its id was free, its own since it was refused, or is another message's.

    Args:
        known: Digests of the ids that are held, by earlier commits and by letters judged before.
    """
    identity = attempt.message.identity
    if identity is None:
        raise RuntimeError("a message that can't be verified was judged as sound")
    held = known.get(attempt.name)
    if held is None:
        known[attempt.name] = identity
    elif held != identity:
        attempt.refused = CONTRADICTION
    else:
        # A verified message took its id when it was refused, and may use it now.
        attempt.duplicate = attempt.name != attempt.letter.message_id


def _of_bounded_size(letters: Sequence[ReplayableLetter]) -> Iterator[list[ReplayableLetter]]:
    """The letters in order, in groups whose messages fit into memory."""
    group: list[ReplayableLetter] = []
    sizes: dict[UUID, int] = {}
    for letter in letters:
        size = letter.evidence_bytes or 0
        if group and sum(sizes.values()) + size > GROUP_BYTES and letter.message_id not in sizes:
            yield group
            group, sizes = [], {}
        group.append(letter)
        sizes[letter.message_id] = size
    if group:
        yield group


def _fault(name: UUID, exc: Exception) -> Replayed:
    # Neither its text nor a traceback with values: whatever raised may have quoted the record.
    at = traceback.extract_tb(exc.__traceback__)[-1]
    where = f"{Path(at.filename).name}:{at.lineno}"
    log.error("replay.processing_failed", dead_letter=str(name), error=type(exc).__name__, at=where)
    return Replayed(
        name, problem=NotReplayable(f"dead letter {name}: processing it failed with {type(exc).__name__} at {where}")
    )


def _identity_claim(attempt: Attempt) -> IdentityClaim:
    if attempt.message.identity is None:
        raise RuntimeError("only verified messages claim an id")
    return IdentityClaim(attempt.name, attempt.message.identity, _NO_PLACE)


def _entries(attempt: Attempt) -> list[EntryClaim]:
    message = attempt.message
    return [
        EntryClaim(message.owner.log.log_id, item.entry_token, record_uuid(item.record_id), attempt.name, b"")
        for item in message.items
        if item.entry_token is not None and item.rejection is None
    ]


def _told(attempt: Attempt) -> Replayed:
    rejection = attempt.rejection
    record, message = replay_names(attempt)
    reason = rejection.reason if rejection is not None else None
    return Replayed(attempt.letter.name, replay_outcome(attempt), reason, record, message)


def _too_late(attempt: Attempt) -> Replayed:
    name = attempt.letter.name
    return Replayed(name, problem=AlreadyReplayed(f"dead letter {name} was replayed by somebody else just now"))
