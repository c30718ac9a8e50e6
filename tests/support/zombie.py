"""A worker that stops itself (SIGSTOP) right before its first commit, and goes on as if nothing had been.

Run as a program with a database, a keyring, a broker and a topic; it says on stdout what becomes of each commit.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import cast

from agents.commits.outcomes import FrameOutcome
from agents.intake.committer import GroupCommitter
from deploy.kafka import KafkaBroker
from tests.support.installation import installed
from tests.support.kafka_intake import Feed, intake


class Stopping:
    """In place of the committer."""

    def __init__(self, committer: GroupCommitter) -> None:
        self._committer = committer
        self._stopped = False

    async def submit(self, frame: FrameOutcome) -> bool:
        if not self._stopped:
            self._stopped = True
            os.kill(os.getpid(), signal.SIGSTOP)
        committed = await self._committer.submit(frame)
        print(f"{frame.step.from_offset} committed: {committed}", flush=True)
        return committed


async def main(dsn: str, keyring: str, bootstrap: str, cluster: str, topic: str, directory: str) -> None:
    feed = Feed(KafkaBroker(bootstrap, cluster), topic)
    async with (
        installed(dsn, Path(keyring)) as platform,
        intake(platform, feed, Path(directory), around=lambda committer: cast(GroupCommitter, Stopping(committer))),
    ):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
