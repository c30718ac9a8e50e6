"""`python -m bench.producer RATE …`: publishes records evenly spaced, in a process of its own, and reports its CPU."""

import sys
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from bench.processes import bench_process
from bench.publishing import Publisher
from bench.records import SignedRecord
from schemas.errors import SealstreamError


class Pace(msgspec.Struct, frozen=True):
    """What was published, how fast, and what it took."""

    records: int
    seconds: float
    cpu_seconds: float

    @property
    def rate(self) -> float:
        """Records a second."""
        return self.records / self.seconds

    @property
    def cpu_share(self) -> float:
        """Of one core."""
        return self.cpu_seconds / self.seconds


class _Task(msgspec.Struct, frozen=True):
    bootstrap_servers: str
    topic: str
    rate: float
    records: list[SignedRecord]


class ProducerFailed(SealstreamError):
    """The producer's process ended without having published everything."""


async def publish_paced(
    directory: Path, bootstrap_servers: str, topic: str, records: Sequence[SignedRecord], rate: float
) -> Pace:
    """Publish evenly spaced from another process; returns when the broker has confirmed everything.

    Args:
        directory: For the records on their way there, and for its log.
        rate: Records a second.

    Raises:
        ProducerFailed: Its log says why.
    """
    task, answer = directory / f"{topic}.task", directory / f"{topic}.pace"
    task.write_bytes(msgspec.msgpack.encode(_Task(bootstrap_servers, topic, rate, list(records))))
    async with bench_process("producer", ["bench.producer", str(task), str(answer)], directory) as process:
        code = await process.wait()
    if code:
        raise ProducerFailed(f"the producer ended with code {code}: {(directory / 'producer.log').read_text()[-1500:]}")
    task.unlink()
    return msgspec.json.decode(answer.read_bytes(), type=Pace)


def _run(task: _Task) -> Pace:
    publisher = Publisher(task.bootstrap_servers)
    _connect(publisher, task)
    started, used = time.perf_counter(), time.process_time()
    for number, record in enumerate(task.records[1:], start=1):
        wait = started + number / task.rate - time.perf_counter()
        if wait > 0:
            time.sleep(wait)
        publisher.send(task.topic, record)
        publisher.poll()
    publisher.finish()
    return Pace(len(task.records), time.perf_counter() - started, time.process_time() - used)


def _connect(publisher: Publisher, task: _Task) -> None:
    """The first record opens the connections, and waits for its answer."""
    publisher.send(task.topic, task.records[0])
    publisher.finish()


def main() -> None:
    task, answer = map(Path, sys.argv[1:])
    pace = _run(msgspec.msgpack.decode(task.read_bytes(), type=_Task))
    answer.write_bytes(msgspec.json.encode(pace))


if __name__ == "__main__":
    main()
