"""Python's cyclic garbage collector, set for processes that make objects by the thousand and drop nearly all of them.

Each record comes to some dozens of objects, which go by their reference counts once it is committed. By default the
collector looks at them after every 700 and, once a quarter of everything is new, at all that the process has ever
loaded: up to a tenth of a second in which nothing else happens.
"""

import gc
from typing import Final

THRESHOLDS: Final = (10_000, 20, 20)
"""Objects made and not dropped before the youngest generation is looked at, and how often that is before the next."""


def spare_what_stays() -> None:
    """Leave alone what is there now, and look at newer objects more rarely.

    Call it when modules are loaded, and again when everything is: it takes as long as there is new since the last time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
