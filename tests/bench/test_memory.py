import asyncio
import os
import subprocess
import sys

from bench.memory import resident_megabytes, sampled


def test_counts_what_a_process_holds() -> None:
    held = subprocess.Popen(
        [sys.executable, "-c", "x = bytearray(60_000_000)\nprint(flush=True)\ninput()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert held.stdout is not None
        held.stdout.readline()
        found = resident_megabytes(held.pid)
        assert found is not None
        assert 60 < found < 120
    finally:
        held.communicate(b"\n")
    assert resident_megabytes(held.pid) is None


async def test_samples_go_with_the_progress_of_the_body() -> None:
    asked = asyncio.Event()
    progress = iter(range(3))

    def at() -> int:
        number = next(progress, 3)
        if number == 3:
            asked.set()
        return number

    async with sampled([os.getpid()], 0.001, at) as samples:
        await asked.wait()
    assert [sample.at for sample in samples.taken[:3]] == [0, 1, 2]
    assert samples.taken[0].megabytes[os.getpid()] > 10
