"""Where and with what something was measured: the first thing that a reader of a figure has to know."""

import datetime as dt
import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Final

import msgspec

LIBRARIES: Final = ("faust-streaming", "aiokafka", "quixstreams", "confluent-kafka", "asyncpg", "pynacl", "onnxruntime")
_KIBIBYTE: Final = 1024


class Machine(msgspec.Struct, frozen=True):
    """A machine at a time.

    Attributes:
        date: Of the measurement, UTC.
        versions: Of Python and of the libraries that are compared.
    """

    date: str
    cores: int
    cpu: str
    memory_gib: float
    kernel: str
    versions: dict[str, str]

    def line(self) -> str:
        """The machine in a line."""
        return f"{self.cores} cores ({self.cpu}), {self.memory_gib:.0f} GiB, Linux {self.kernel}"


def this_machine() -> Machine:
    """This machine, now."""
    return Machine(
        date=dt.datetime.now(dt.UTC).date().isoformat(),
        cores=os.cpu_count() or 0,
        cpu=_proc("cpuinfo", "model name") or "unknown CPU",
        memory_gib=int((_proc("meminfo", "MemTotal") or "0 kB").split()[0]) / _KIBIBYTE**2,
        kernel=platform.release(),
        versions={"Python": platform.python_version()} | {name: version(name) for name in LIBRARIES},
    )


def _proc(name: str, wanted: str) -> str | None:
    for line in (Path("/proc") / name).read_text().splitlines():
        label, _, value = line.partition(":")
        if label.strip() == wanted:
            return value.strip()
    return None
