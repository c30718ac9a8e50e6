"""Group commit: frames that become ready while a commit is in flight go together into the next one.

An outage is outlasted here: the frames wait, and so does whoever submitted them. A commit whose outcome was lost is not
repeated on a guess: the database is asked which of its steps are stored.
"""

import asyncio
import datetime as dt
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Final
from uuid import UUID

from agents.commits.leaves import LeafBatch
from agents.commits.observation import CommitMade, Observer
from agents.commits.outcomes import FrameOutcome
from agents.commits.recording import Recorder, Refuse
from agents.intake.bisection import Stage, StageFailed, failing_in
from schemas.identity import position_id
from security.commit_signature import WorkerKey
from streams.endurance import Part, cancelled
from streams.storage.commit import Claims, CommitRequest, CommitStore, EntryClaim, IdentityClaim
from streams.storage.commit_rows import CommitRows
from streams.storage.ids import IdBlock
from streams.storage.record_uuid import record_uuid
from streams.storage.registry import RegistryChanged
from streams.storage.watermarks import Partition, encode_watermark

MAX_MESSAGES: Final = 5_000
"""A commit stops growing here; a longer transaction delays everybody behind it."""


@dataclass(slots=True)
class _Waiting:
    frame: FrameOutcome
    done: asyncio.Future[bool]


class GroupCommitter:
    """Commits frames in the order they arrive, as many together as are waiting.

    Args:
        store: Where commits go.
        worker: Signs each commit.
        commit_ids: Numbers for commits.
        refuse: See `Recorder`; needs a pass number at hand, which `prepare` sees to.
        prepare: Awaited before each commit.
        reload: Awaited when keys or policies changed, so that what is read again is judged by the new ones.
        part: Outlasts outages of the database.
        observer: Is told of each commit.
    """

    def __init__(
        self,
        store: CommitStore,
        worker: WorkerKey,
        commit_ids: IdBlock,
        *,
        refuse: Refuse,
        prepare: Callable[[], Awaitable[None]],
        reload: Callable[[], Awaitable[None]],
        part: Part,
        observer: Observer,
        clock: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
    ) -> None:
        self._store = store
        self._worker = worker
        self._commit_ids = commit_ids
        self._refuse = refuse
        self._prepare = prepare
        self._reload = reload
        self._part = part
        self._observer = observer
        self._clock = clock
        self._waiting: deque[_Waiting] = deque()
        self._filled = asyncio.Event()

    async def submit(self, frame: FrameOutcome) -> bool:
        """Wait until the frame is committed.

        Returns:
            False when its watermark stood elsewhere, or its records were judged by former keys: seek the partition to
            its stored position and read again.

        Raises:
            StageFailed: The commit fails on something in this frame; nothing of it is stored.
            Exception: Whatever else made the commit fail; nothing of the frame is stored then either.
        """
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(frame, done))
        self._filled.set()
        return await done

    async def run(self) -> None:
        """Commit what is submitted until cancelled; an error goes to those who wait for that commit."""
        await self._part.keep_going(self._store.rehearse)
        while not cancelled():  # which libraries forget when an error comes at the same moment
            await self._filled.wait()
            await self._settle(self._take())
        raise asyncio.CancelledError

    async def _settle(self, waiting: Sequence[_Waiting]) -> None:
        """Commit these frames, each one alone if they can't be committed together, and tell who waits for them."""
        try:
            won = await self.commit([each.frame for each in waiting])
        except StageFailed as exc:
            if len(waiting) == 1:
                _tell(waiting, exc)
                return
            for each in waiting:
                await self._settle([each])
        except BaseException as exc:
            _tell(waiting, exc if isinstance(exc, Exception) else asyncio.CancelledError())
            if not isinstance(exc, Exception):
                raise
        else:
            for each in waiting:
                if not each.done.done():
                    each.done.set_result(each.frame.step.place in won)

    def _take(self) -> list[_Waiting]:
        """The frames for the next commit: one of each partition, since a commit moves a watermark once."""
        taken: dict[tuple[str, int], _Waiting] = {}
        later: deque[_Waiting] = deque()
        size = 0
        while self._waiting and size < MAX_MESSAGES:
            each = self._waiting.popleft()
            if taken.setdefault(each.frame.step.place, each) is each:
                size += len(each.frame.messages)
            else:
                later.append(each)
        self._waiting.extendleft(reversed(later))
        if not self._waiting:
            self._filled.clear()
        return list(taken.values())

    async def commit(self, frames: Sequence[FrameOutcome]) -> set[Partition]:
        """Commit these frames now, at most one of each partition; returns the partitions whose watermark moved.

        None moves when keys or policies changed since the oldest of the frames was judged.

        Raises:
            StageFailed: Something in one of the frames can't be stored.
        """
        tried: list[int] = []
        return await self._part.outlast(lambda: self._attempt(frames, tried))

    async def _attempt(self, frames: Sequence[FrameOutcome], tried: list[int]) -> set[Partition]:
        """Commit unless an earlier attempt did; `tried` are the numbers of those.

        An attempt whose connection broke may have been committed, and may even be committed later, by a server that
        has not noticed yet. The compare-and-set keeps any two attempts from both succeeding; which steps are stored
        under our own numbers tells our success from somebody else's.
        """
        steps = [frame.step for frame in frames]
        repeated = bool(tried)
        if repeated and (stored := await self._store.committed(steps, tried)):
            return stored
        await self._prepare()
        await self._commit_ids.refill(1)
        commit_id = self._commit_ids.take()
        tried.append(commit_id)
        began, outcomes = perf_counter(), Counter[tuple[str, str, str]]()

        def finish(claims: Claims) -> CommitRows:
            nonlocal outcomes
            moved = [step for step in steps if step.place in claims.won]
            watermark = encode_watermark(self._store.group, self._store.cluster, moved)
            batch = LeafBatch(commit_id, self._worker, watermark)
            rows = Recorder(batch, self._clock(), self._refuse).record(frames, claims)
            outcomes = rows.outcomes(_messages(frames, claims.won))
            return rows

        registry = min(frame.registry for frame in frames)
        request = CommitRequest(
            commit_id,
            steps,
            _identity_claims(frames),
            _entry_claims(frames),
            finish,
            registry,
            lambda: _names(frames, self._store.cluster),
        )
        try:
            with failing_in(Stage.COMMIT):
                won = await self._store.commit(request)
        except RegistryChanged:
            await self._reload()
            return await self._store.committed(steps, tried) if repeated else set()
        if not won and repeated:
            return await self._store.committed(steps, tried)
        if won:
            made = CommitMade(commit_id, began, perf_counter(), len(won), _messages(frames, won), outcomes)
            self._tell_made(made, frames, won)
        if len(won) < len(frames):
            self._observer.compare_and_set_lost(len(frames) - len(won))
        return won

    def _tell_made(self, made: CommitMade, frames: Sequence[FrameOutcome], won: Collection[Partition]) -> None:
        self._observer.committed(made)
        for frame in frames:
            if frame.step.place in won:
                frame.watch.committed(made)


def _messages(frames: Sequence[FrameOutcome], won: Collection[Partition]) -> int:
    return sum(len(frame.messages) for frame in frames if frame.step.place in won)


def _tell(waiting: Sequence[_Waiting], error: BaseException) -> None:
    for each in waiting:
        if not each.done.done():
            each.done.set_exception(error)


def _identity_claims(frames: Sequence[FrameOutcome]) -> list[IdentityClaim]:
    return [
        IdentityClaim(record_uuid(message.message_id), message.identity, frame.step.place)
        for frame in frames
        for message in frame.messages
        if message.identity is not None
    ]


def _entry_claims(frames: Sequence[FrameOutcome]) -> list[EntryClaim]:
    return [
        EntryClaim(
            message.owner.log.log_id,
            item.entry_token,
            record_uuid(item.record_id),
            record_uuid(message.message_id),
            message.identity,
        )
        for frame in frames
        for message in frame.messages
        for item in message.items
        if item.entry_token is not None and message.identity is not None
    ]


def _names(frames: Sequence[FrameOutcome], cluster: str) -> set[UUID]:
    """Every name that a leaf of these frames may bear; what contradicts an earlier message is named by its place."""
    names: set[UUID] = set()
    for frame in frames:
        for message in frame.messages:
            place = message.place
            names.add(record_uuid(message.message_id))
            names.add(record_uuid(position_id(cluster, place.topic, place.partition, place.offset)))
            names |= {record_uuid(item.record_id) for item in message.items}
    return names
