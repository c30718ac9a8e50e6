"""Frames: Faust events that carry all the records one fetch brought from a partition.

    app = faust.App("intake", broker="frames://127.0.0.1:9092", ...)
    use_frames(app, FrameOptions(positions=store.positions))

    @app.agent(frame_topic(app, "transactions"), concurrency=4)
    async def intake(stream):
        async for event in stream.events():
            frame = event.message
            stored = await store.commit(frame.records, frame.first, frame.next)
            if stored != frame.next:  # a lost compare-and-set
                await app.consumer.seek(frame.tp, stored)

What the host must know:

- An exception in an agent ends its frame for Faust, which would go on with the next one. ``on_agent_error`` therefore
  crashes the app or reads again from the store; catching it and ``await app.consumer.rewind([frame.tp])`` is cheaper.
- A frame may come twice, and two members may hold the same one. The transaction that stores a frame has to compare:
  ``first > stored`` rewind, ``next <= stored`` done already, otherwise take the records from ``stored`` on.
- A batch that can't be unpacked is passed over as one of ``frame.unreadable``; a frame may hold nothing else. Store
  what became of it with the frame.
- ``positions`` is asked at each assignment, and again when the broker no longer holds a position: compare what is
  stored with what ``consumer.probe`` finds, and leave out what must not be read.
- Whatever is wrong for good (``FeedError``) crashes the app, which then does nothing but keep its
  partitions: run it in ``streams.app.running``, which raises.
"""

from streams.frames.batches import FetchedRecord, UnreadableBatch
from streams.frames.consumer import FrameConsumer
from streams.frames.errors import BrokerUnavailable, FeedError, PositionsUnavailable
from streams.frames.frame import Frame
from streams.frames.options import FrameOptions, PositionSource
from streams.frames.probe import Holding, PartitionProbe, open_probe
from streams.frames.transport import FrameTransport, register, use_frames

__all__ = [
    "BrokerUnavailable",
    "FeedError",
    "FetchedRecord",
    "Frame",
    "FrameConsumer",
    "FrameOptions",
    "FrameTransport",
    "Holding",
    "PartitionProbe",
    "PositionSource",
    "PositionsUnavailable",
    "UnreadableBatch",
    "open_probe",
    "register",
    "use_frames",
]
