"""What the collector is told once a worker has loaded everything."""

import subprocess
import sys
from collections.abc import Callable

import pytest

from sealstream.running import workers
from sealstream.settings import load_settings

_PROGRAM = """
import gc
from sealstream.running.collector import THRESHOLDS, spare_what_stays

class Knot:
    pass

stays = [Knot() for _ in range(1000)]
spare_what_stays()
assert gc.isenabled() and gc.get_threshold() == THRESHOLDS
assert not any(isinstance(each, Knot) for each in gc.get_objects()), "what stays is looked at no more"
assert gc.get_freeze_count() > 1000
knot = Knot()
knot.itself = knot
del knot
assert gc.collect() >= 1, "what is newer is collected still"
"""


def test_what_is_loaded_is_spared_and_what_is_newer_collected() -> None:
    ran = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


async def test_a_worker_spares_what_it_has_loaded_before_it_says_that_it_is_ready(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said: list[str | None] = []

    class AtOnceReady:
        def __init__(self, *given: object) -> None:
            pass

        async def run(self, on_ready: Callable[[str | None], None]) -> None:
            assert said == ["spared"], "what is imported, before anything works"
            on_ready("http://127.0.0.1:9")

    monkeypatch.setattr(workers, "Worker", AtOnceReady)
    monkeypatch.setattr(workers, "spare_what_stays", lambda: said.append("spared"))
    await workers.run_worker(load_settings(observe_listen="off"), {workers.Role.INTAKE}, said.append)
    assert said == ["spared", "spared", "http://127.0.0.1:9"]
