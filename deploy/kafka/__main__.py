"""`python -m deploy.kafka`: a cluster for development until Ctrl-C, in a temporary directory."""

import argparse
import asyncio
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from deploy.kafka.cluster import KafkaCluster
from deploy.kafka.installation import QUICK_JVM, find_installation
from schemas.errors import ConfigurationError


async def run(nodes: int) -> None:
    """Run a cluster until SIGTERM or Ctrl-C; its address is printed once it is ready."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    with tempfile.TemporaryDirectory(prefix="sealstream-kafka-") as directory:
        async with KafkaCluster(Path(directory), nodes=nodes, jvm=("-Xmx1g",)) as cluster:
            print(f"SEALSTREAM_KAFKA_BOOTSTRAP={cluster.bootstrap_servers}", flush=True)
            await stop.wait()


async def write_archive() -> None:
    """Let a broker run once, so that its classes and what formatting writes are kept, and later starts are fast."""
    installation = find_installation()
    archive = installation.archive
    for kept in (archive, installation.formatted):
        kept.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(prefix="sealstream-kafka-") as directory:
        options = (*QUICK_JVM, f"-XX:ArchiveClassesAtExit={archive}")
        async with KafkaCluster(Path(directory), jvm=options) as cluster:
            await cluster.create_topic("archive")
            await cluster.node(1).stop()
            shutil.copyfile(cluster.node(1).first_snapshot, installation.formatted)


def main() -> None:
    """Read the arguments and do as they say."""
    parser = argparse.ArgumentParser(prog="python -m deploy.kafka", description=__doc__)
    parser.add_argument("--nodes", type=int, default=1, help="how many servers")
    parser.add_argument("--archive", action="store_true", help="only prepare fast starts, as `make kafka` does")
    arguments = parser.parse_args()
    try:
        asyncio.run(write_archive() if arguments.archive else run(arguments.nodes))
    except ConfigurationError as exc:
        sys.exit(str(exc))


if __name__ == "__main__":
    main()
