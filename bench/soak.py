"""Faults at random for as long as you like: `python -m bench.soak --minutes 30`.

Feeds a platform on three Kafka nodes and hurts workers, brokers and the database at random moments; in between and at
the end, what the log says is compared with an undisturbed pass over the same topic. Exits 1 at the first difference.
The faults at named points, each once, are the tests in tests/faults.
"""

import argparse
import asyncio
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from deploy.kafka import KafkaCluster
from streams.embedded import DataDirectory
from tests.faults.platform import FaultyPlatform, faulty_platform
from tests.faults.points import Deed, Point
from tests.faults.undisturbed import TOPIC
from tests.support.databases import Databases

MESSAGES: Final = 400
RATE: Final = 200.0
VERIFY_EVERY: Final = 20

Fault = Callable[[FaultyPlatform, random.Random], Awaitable[None]]


async def kill_a_worker(platform: FaultyPlatform, rng: random.Random) -> None:
    """At whatever it is doing; the sequencer and the relay too."""
    with suppress(ProcessLookupError):  # an earlier fault's victim, not yet replaced
        os.kill(rng.choice(list(platform.workers.values())).pid, signal.SIGKILL)


async def kill_a_worker_in_a_commit(platform: FaultyPlatform, rng: random.Random) -> None:
    """At a named point."""
    platform.faults.arm(rng.choice(list(Point)), Deed.KILL)


async def stop_a_worker_for_a_while(platform: FaultyPlatform, rng: random.Random) -> None:
    """Often for longer than the session lasts."""
    process = rng.choice(list(platform.workers.values())).pid
    with suppress(ProcessLookupError):
        os.kill(process, signal.SIGSTOP)
        await asyncio.sleep(rng.uniform(0, 8))
        os.kill(process, signal.SIGCONT)


async def replace_a_worker(platform: FaultyPlatform, rng: random.Random) -> None:
    """One more comes and goes, which moves partitions twice."""
    await platform.start_worker("guest", "intake")
    await asyncio.sleep(rng.uniform(0, 2))
    await platform.stop_worker("guest")


async def kill_the_database(platform: FaultyPlatform, rng: random.Random) -> None:
    """And start it again after a while."""
    await platform.postgres.kill()
    await asyncio.sleep(rng.uniform(0, 5))
    await platform.postgres.start()


async def freeze_the_database(platform: FaultyPlatform, rng: random.Random) -> None:
    """Sometimes for longer than a statement may take."""
    await platform.postgres.freeze(rng.uniform(0, 8))


async def slow_the_disk_down(platform: FaultyPlatform, rng: random.Random) -> None:
    """Every commit waits."""
    platform.faults.slow_down(rng.uniform(0, 1))
    await asyncio.sleep(rng.uniform(0, 5))
    platform.faults.speed_up()


async def kill_a_broker(platform: FaultyPlatform, rng: random.Random) -> None:
    """The leader of a partition."""
    node = await platform.kafka.leader(TOPIC, rng.randrange(4))
    await node.kill()
    await asyncio.sleep(rng.uniform(0, 5))
    await node.start()


async def kill_all_brokers(platform: FaultyPlatform, rng: random.Random) -> None:
    """At once."""
    nodes = platform.kafka.nodes
    await asyncio.gather(*(node.kill() for node in nodes))
    await asyncio.sleep(rng.uniform(0, 5))
    await asyncio.gather(*(node.start() for node in nodes))


FAULTS: Final[Mapping[Fault, int]] = {
    kill_a_worker: 4,
    kill_a_worker_in_a_commit: 4,
    stop_a_worker_for_a_while: 4,
    replace_a_worker: 2,
    kill_the_database: 3,
    freeze_the_database: 2,
    slow_the_disk_down: 1,
    kill_a_broker: 2,
    kill_all_brokers: 1,
}
"""How often each one comes, in relation."""


async def soak(minutes: float, seed: int) -> None:
    """Run for so long, then once more until everything is settled."""
    rng = random.Random(seed)
    done: Counter[str] = Counter()
    with DataDirectory() as directory, tempfile.TemporaryDirectory(prefix="sealstream-soak-") as scratch:
        place = Path(scratch)
        async with (
            KafkaCluster(place / "kafka", nodes=3) as kafka,
            Databases() as databases,
            faulty_platform(directory, kafka, databases, place / "keys") as platform,
        ):
            end = time.monotonic() + minutes * 60
            while time.monotonic() < end:
                feeding = platform.feed(MESSAGES, RATE)
                await asyncio.sleep(rng.uniform(0, 2))
                (fault,) = rng.choices(list(FAULTS), list(FAULTS.values()))
                await fault(platform, rng)
                await feeding
                done[fault.__name__] += 1
                if done.total() % VERIFY_EVERY == 0:
                    await verify(platform, done)
            await verify(platform, done)


async def verify(platform: FaultyPlatform, done: Counter[str]) -> None:
    """Wait until the platform is through, compare, and say how it stands."""
    await platform.settled()
    await platform.verify()
    faults = ", ".join(f"{count} {name}" for name, count in done.most_common())
    print(f"{platform.fed} messages, {done.total()} faults, no difference ({faults})", flush=True)


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32), help="which faults, in which order")
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    try:
        asyncio.run(soak(arguments.minutes, arguments.seed))
    except AssertionError as exc:
        sys.exit(f"a difference after all: {exc}")


if __name__ == "__main__":
    main()
