import subprocess
import sys
import time

from bench.cpu import cpu_seconds

BURN = "import time\nwhile time.process_time() < 0.3: pass"


def test_counts_a_child_that_has_ended_and_been_waited_for() -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {BURN!r}])\ninput()"],
        stdin=subprocess.PIPE,
    )
    try:
        deadline = time.monotonic() + 30
        while (found := cpu_seconds({"a": [parent.pid]})["a"]) < 0.3 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert found >= 0.3
    finally:
        parent.communicate(b"\n")


def test_a_process_that_is_gone_counts_nothing() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert cpu_seconds({"a": [gone.pid], "b": []}) == {"a": 0, "b": 0}
