"""What the collector is told once a worker has loaded everything."""

import subprocess
import sys

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
