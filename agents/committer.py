"""Group commit: frames that become ready while a commit is in flight go together into the next one."""

import asyncio
import datetime as dt
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Final

from agents.leaves import LeafBatch
from agents.observation import CommitMade, Observer
from agents.outcomes import FrameOutcome
from agents.recording import Recorder, Refuse
from security.commit_signature import WorkerKey
from streams.storage.commit import Claims, CommitRequest, CommitRows, CommitStore, EntryClaim, IdentityClaim
from streams.storage.ids import IdBlock
from streams.storage.record_uuid import record_uuid
from streams.storage.registry import RegistryChanged
from streams.storage.watermarks import encode_watermark

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
        observer: Observer,
        clock: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
    ) -> None:
        self._store = store
        self._worker = worker
        self._commit_ids = commit_ids
        self._refuse = refuse
        self._prepare = prepare
        self._reload = reload
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
            Exception: Whatever made the commit fail; nothing of the frame is stored then.
        """
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(frame, done))
        self._filled.set()
        return await done

    async def run(self) -> None:
        """Commit what is submitted until cancelled; an error goes to those who wait for that commit."""
        while True:
            await self._filled.wait()
            waiting = self._take()
            try:
                won = await self.commit([each.frame for each in waiting])
            except BaseException as exc:
                for each in waiting:
                    if not each.done.done():
                        each.done.set_exception(exc if isinstance(exc, Exception) else asyncio.CancelledError())
                if not isinstance(exc, Exception):
                    raise
                continue
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

    async def commit(self, frames: Sequence[FrameOutcome]) -> set[tuple[str, int]]:
        """Commit these frames now, at most one of each partition; returns the partitions whose watermark moved.

        None moves when keys or policies changed since the oldest of the frames was judged.
        """
        await self._prepare()
        await self._commit_ids.refill(1)
        commit_id = self._commit_ids.take()
        steps = [frame.step for frame in frames]
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
        request = CommitRequest(commit_id, steps, _identity_claims(frames), _entry_claims(frames), finish, registry)
        try:
            won = await self._store.commit(request)
        except RegistryChanged:
            await self._reload()
            return set()
        if won:
            made = CommitMade(commit_id, began, perf_counter(), len(won), _messages(frames, won), outcomes)
            self._observer.committed(made)
            for frame in frames:
                if frame.step.place in won:
                    frame.watch.committed(made)
        if len(won) < len(frames):
            self._observer.compare_and_set_lost(len(frames) - len(won))
        return won


def _messages(frames: Sequence[FrameOutcome], won: Collection[tuple[str, int]]) -> int:
    return sum(len(frame.messages) for frame in frames if frame.step.place in won)


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
