"""The process that the tests' processes are forked from: it has imported what they need, which takes 2 s of CPU time.

There is one for each of pytest's processes, started with the first that is needed. What is forked is a process of its
own in every other way: it can be killed, stopped and waited for.
"""

import multiprocessing
from typing import Final

# Of multiprocessing there is one server with one list: whoever gave a list of his own would take away that of others.
PRELOADED: Final = ("tests.support.owner_process", "tests.support.shard_killer", "tests.support.forked_programs")

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(list(PRELOADED))
