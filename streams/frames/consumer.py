"""The consumer that makes frames, in the application's own event loop. Its bookkeeping is in ``ledger``."""

import asyncio
import traceback
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from typing import Any, cast

import structlog
from aiokafka.errors import ConsumerStoppedError
from faust.types import TP, Message
from faust.types.transports import TPorTopicSet
from mode.types.services import ServiceT

from streams.frames.batches import UnreadableBatch
from streams.frames.cursor import Cursor
from streams.frames.errors import PositionLost, PositionsUnavailable
from streams.frames.frame import Frame, resident_bytes
from streams.frames.group_member import GroupMember
from streams.frames.kafka import Chunk
from streams.frames.ledger import Hold, Ledger
from streams.frames.options import FrameOptions
from streams.frames.rebalance import FrameRebalanceListener
from streams.frames.rounds import Rounds

log = structlog.get_logger(__name__)

FETCH_SECONDS = 1.0  # how long a fetch waits for records
REREAD_PAUSE_SECONDS = 1.0  # between losing a frame and reading it again, so that a broken agent does not spin


class FrameConsumer(GroupMember):
    """Yields one message for each chunk of records fetched from a partition, within a byte budget.

    Four things of Faust are replaced: flow control (which counts messages), ack bookkeeping (which commits short at
    gaps), the seek on assignment (which asks Kafka instead of the application's store) and the loop from fetch to agent
    (which makes six tasks for a message, docs/decisions/0091).
    """

    def __init__(self, transport: Any, *args: Any, options: FrameOptions, **kwargs: Any) -> None:
        super().__init__(transport, *args, options=options, **kwargs)
        self.ledger = Ledger(options.budget_bytes, options.depth)
        self._holding_back = False
        self._rounds = Rounds(lambda seconds, call: self.loop.call_later(seconds, call), self._is_read)
        self._acked_one = asyncio.Event()

    def _new_listener(self) -> FrameRebalanceListener:
        return FrameRebalanceListener(self)

    def hold_assigned(self, assigned: set[TP]) -> int:
        """Take over an assignment without reading anything from it yet. Must not suspend.

        Returns:
            The group's new generation.
        """
        self._forget()
        self.reader.hold(assigned)
        self.app.consumer_generation_id = self.reader.generation
        return self.app.consumer_generation_id

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Wait for frames in work, bounded, then forget where we stood."""
        await super().on_partitions_revoked(revoked)
        self._forget()

    def _forget(self) -> None:
        self.ledger.clear()
        self._rounds.clear()

    def _is_read(self, tp: TP) -> bool:
        return self.ledger.cursor(tp) is not None

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Begin reading all assigned partitions where the application's store says."""
        return await self.rewind(self.assignment())

    async def rewind(self, tps: Collection[TP]) -> Mapping[TP, int]:
        """Ask the application's store for positions and go on reading there.

        Args:
            tps: Assigned partitions. One that the store does not know is not read until the next assignment.

        Returns:
            The positions taken; none when the group was rebalanced meanwhile, since they may be old then.

        Raises:
            PositionsUnavailable: The store took longer than nine tenths of ``broker_request_timeout``; beyond that
                Faust would give up in silence.
        """
        generation = self.app.consumer_generation_id
        limit = self.app.conf.broker_request_timeout * 0.9
        try:
            async with asyncio.timeout(limit):
                stored = await self.options.positions(self, frozenset(tps)) if tps else {}
        except TimeoutError as exc:
            raise PositionsUnavailable(len(tps), limit) from exc
        if generation != self.app.consumer_generation_id:
            return {}
        found = {tp: stored[tp] for tp in tps if tp in stored}
        for tp, position in found.items():
            self._place(tp, position)
        if unknown := self.assignment().intersection(tps).difference(found):
            for tp in unknown:
                self.ledger.remove(tp)
            self.reader.hold(unknown)
            log.debug("frames.position_unknown", partitions=len(unknown))  # the application knows why, and says so
        return found

    async def position(self, tp: TP) -> int | None:
        """Where the next frame of a partition begins; None when it is not read."""
        cursor = self.ledger.cursor(tp)
        return None if cursor is None else cursor.position

    async def _seek(self, partition: TP, offset: int) -> None:
        self._place(TP(*partition), offset)

    def _place(self, tp: TP, position: int) -> None:
        # False when lost meanwhile: whoever has the partition now reads it.
        if self.reader.read_from(tp, position):
            self.ledger.place(tp, position)
            self._look_again()

    async def _drain_messages(self, fetcher: ServiceT) -> None:
        """Hand frames to the agents until Faust stops the fetcher.

        Faust's own loop makes two tasks for each fetch and four for each message, to be woken if the flow or the
        service stops. A message is handed over without waiting while the flow is on; it can wait otherwise.
        """
        try:
            while not (self.should_stop or fetcher.should_stop):
                await asyncio.sleep(0)  # a fetch that has its records does not wait
                async for _, frame in self.getmany(timeout=FETCH_SECONDS):
                    handed_over = self.callback(frame)
                    if self.app.flow_control.is_active():
                        await handed_over
                    else:
                        await self.wait_first(handed_over, self.suspend_flow.wait())
        except (asyncio.CancelledError, ConsumerStoppedError):
            if not self.app.should_stop:
                raise

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Message]]:  # noqa: ASYNC109  # Faust's signature
        """Fetch once: yields at most one frame of each partition that may be read."""
        active = self._get_active_partitions() if self.flow_active else set()
        readable = self.ledger.readable(active)
        self._holding_back = len(readable) < len(active)
        for frame in await self._getmany(readable, timeout):
            if not frame.current:
                continue
            if self.flow_active and frame.tp in self._get_active_partitions():
                yield frame.tp, frame
            else:  # paused between the fetch and here: read it again once resumed
                self._place(frame.tp, frame.first)

    def _look_again(self) -> None:
        """Which partitions may be read has changed."""
        if self._started_reader is not None:
            self._started_reader.interrupt()

    async def _getmany(self, active_partitions: Collection[TP] | None, timeout: float) -> Any:  # noqa: ASYNC109  # Faust's
        # Fetching, if only from nowhere, is how Kafka's ``max.poll.interval`` sees that we are alive. With nothing to
        # read and frames in work nobody fetches: should that last, the group gives the partitions to another member.
        tps = active_partitions or ()
        if not tps and self.ledger.budget.held_bytes:
            await self.reader.pause(timeout)
            return []
        try:
            chunks = await self.reader.fetch(tps, timeout, self.options.max_frame_records)
        except PositionLost as lost:
            log.warning("frames.position_lost", what=str(lost))
            self._set_aside(lost.tp)
            return []
        # In the same step as the fetch: records, cursors and generation belong together.
        taken = [chunk for chunk in chunks if self._is_read(chunk.tp) and (chunk.records or chunk.unreadable)]
        frames = [self._to_message(chunk.tp, chunk, len(taken) - 1) for chunk in taken]
        self._rest(taken, frames)
        for chunk in chunks:
            if chunk.corrupt is not None and not chunk.records and not chunk.unreadable:
                self._report_corrupt(chunk.corrupt)
                self._set_aside(chunk.tp)
        return frames

    def _report_corrupt(self, batch: UnreadableBatch) -> None:
        log.error(
            "frames.batch_corrupt",
            topic=batch.topic,
            partition=batch.partition,
            offset=batch.first,
            what=batch.detail,
            consequence="the partition waits; it is read again every second",
            way_out="see to the broker's disks; if the batch is lost, `sealstream topics resume` beyond it",
        )

    def _set_aside(self, tp: TP) -> None:
        """Leave a partition alone for a moment, then ask the application again where to read on in it."""
        self.ledger.remove(tp)
        self.reader.hold([tp])
        self.add_future(self._ask_again(tp, self.app.consumer_generation_id))

    async def _ask_again(self, tp: TP, generation: int) -> None:
        await self.sleep(REREAD_PAUSE_SECONDS)
        if generation == self.app.consumer_generation_id and not self.should_stop and self.ledger.cursor(tp) is None:
            await self.rewind([tp])

    def _to_message(self, tp: TP, record: Chunk, beside: int = 0) -> Frame:
        cursor = self.ledger.cursor(tp)
        assert cursor is not None
        first = cursor.position
        hold = self.ledger.issue(tp, record.end, resident_bytes(record.records))
        generation = self.app.consumer_generation_id
        return Frame(
            record.records,
            first,
            generation,
            hold,
            unreadable=record.unreadable,
            beside=beside,
            on_ack=self._on_ack,
            on_drop=self._on_drop,
        )

    def _rest(self, chunks: Sequence[Chunk], frames: Sequence[Frame]) -> None:
        """Have partitions rest that were read to their end, and idle ones unless this fetch brought part of a backlog.

        What was fetched ahead of a partition that rests is thrown away: one whose backlog is in work never does.
        """
        ended = [frame for chunk, frame in zip(chunks, frames, strict=True) if self._may_rest(chunk)]
        if ended:
            idle = self.ledger.idle(self.assignment()) if len(ended) == len(frames) else set()
            self._rounds.begin(self.reader, [frame.hold for frame in ended], idle | {frame.tp for frame in ended})

    def _may_rest(self, chunk: Chunk) -> bool:
        cursor = self.ledger.cursor(chunk.tp)
        assert cursor is not None
        deep = cursor.frames_out >= self.ledger.depth
        return deep and chunk.corrupt is None and chunk.end == self.reader.stable_end(chunk.tp)

    def _on_ack(self, frame: Frame) -> None:
        self.ledger.ack(frame.hold)
        self._rounds.done(frame.hold)
        self._unacked_messages.discard(frame)
        self._acked_one.set()
        if self._holding_back:
            self._look_again()

    def _on_drop(self, hold: Hold) -> None:
        # A frame was garbage collected, maybe on another thread, maybe after the loop.
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self._after_drop, hold)

    def _after_drop(self, hold: Hold) -> None:
        waits = self.ledger.drop(hold)
        self._rounds.done(hold)
        self._look_again()
        self._acked_one.set()  # whoever waits for the frames in work need not wait for this one
        if waits and self.flow_active and not self.should_stop:
            log.warning("frames.lost_without_ack", topic=hold.tp.topic, partition=hold.tp.partition)
            self.add_future(self._reread({hold.tp: hold.cursor}))

    async def on_task_error(self, exc: BaseException) -> None:
        """An agent raised. Faust acks what it worked on, without telling which frame that was."""
        traceback.clear_frames(exc.__traceback__)  # Faust keeps the exception, whose locals would keep the records
        if self.options.on_agent_error == "crash":
            await self.crash(exc)
        else:
            log.warning("frames.agent_raised", error=type(exc).__name__)
            self.add_future(self._reread(self.ledger.cursors()))

    async def _reread(self, lost: Mapping[TP, Cursor]) -> None:
        await self.sleep(REREAD_PAUSE_SECONDS)
        if tps := [tp for tp, cursor in lost.items() if not cursor.retired and not self.should_stop]:
            await self.rewind(tps)

    def pause_partitions(self, tps: Iterable[TP]) -> None:
        """Deliver no frame of these partitions until they are resumed."""
        super().pause_partitions(tps)
        self._look_again()

    def resume_partitions(self, tps: Iterable[TP]) -> None:
        """Go on with these partitions."""
        super().resume_partitions(tps)
        self._look_again()

    def stop_flow(self) -> None:
        """Deliver nothing until the flow is resumed."""
        super().stop_flow()
        self._look_again()

    def resume_flow(self) -> None:
        """Go on delivering."""
        super().resume_flow()
        self._look_again()

    async def wait_empty(self) -> None:
        """Wait until the frames in work are acked, at most ``drain_timeout``, and tell Kafka."""
        deadline = asyncio.get_running_loop().time() + self.options.drain_timeout.total_seconds()
        try:
            async with asyncio.timeout_at(deadline):
                while not self.should_stop and self._in_work():
                    self._acked_one.clear()
                    await self._acked_one.wait()
        except TimeoutError:
            log.warning("frames.still_in_work", frames=self._in_work(), consequence="their acks no longer count")
        await self.commit_and_end_transactions()

    def _in_work(self) -> int:
        return sum(cast(Frame, frame).current for frame in self._unacked_messages)

    def _filter_tps_with_pending_acks(self, topics: TPorTopicSet | None = None) -> Any:
        return (tp for tp in self.ledger.unreported() if topics is None or tp in topics or tp.topic in topics)

    def _filter_committable_offsets(self, tps: Iterable[TP]) -> dict[TP, int]:
        # Faust's own lists grow with each ack, and nothing else reads them here.
        self._acked.clear()
        self._acked_index.clear()
        return self.ledger.unreported(tps)

    async def _commit_offsets(self, offsets: Mapping[TP, int], start_new_transaction: bool = True) -> bool:
        # Faust's own draws a table of them each time, for a log that nobody reads.
        assigned = self.assignment()
        ours = {tp: offset for tp, offset in offsets.items() if tp in assigned}
        return bool(ours) and await self._commit(ours)

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        """Tell Kafka, for lag tools: the store has the truth, and the next commit makes up for a refused one."""
        if refusal := await self.reader.commit(offsets):
            log.info("frames.offsets_refused", error=refusal)
            return False
        self.ledger.report(offsets)
        return True
