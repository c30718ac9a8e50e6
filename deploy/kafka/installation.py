"""Where Java and Kafka's jars are, and how they are started. The jars are fetched by `make kafka`."""

import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from schemas.errors import ConfigurationError
from streams.embedded.program import executables

LIB: Final = Path(__file__).parent / "lib"
MINIMUM_JAVA: Final = 17
# A broker for tests does little and should start at once: the second compiler and a big heap only get in the way.
QUICK_JVM: Final = ("-Xms64m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
_VERSION: Final = re.compile(r'version "(\d+)')


class KafkaMissing(ConfigurationError):
    """Java or Kafka's jars are not there."""


@dataclass(frozen=True, slots=True)
class KafkaInstallation:
    """Java, and the jars of one Kafka version."""

    java: Path
    jars: tuple[Path, ...]

    @property
    def archive(self) -> Path:
        """The classes of a running broker as the JVM keeps them in memory: with it a start costs half the CPU time."""
        return LIB / "kafka.jsa"

    @property
    def formatted(self) -> Path:
        """What formatting writes beside the ids: the features of a new cluster. The same for each without users."""
        return LIB / "formatted.checkpoint"

    def command(self, main: str, *arguments: str, jvm: Sequence[str] = QUICK_JVM) -> list[str]:
        """Program and arguments that run a main class."""
        shared = [f"-XX:SharedArchiveFile={self.archive}"] if self.archive.exists() else []
        class_path = ":".join(map(str, self.jars))
        log = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
        return [str(self.java), *shared, *jvm, log, "-cp", class_path, main, *arguments]


@cache
def find_installation() -> KafkaInstallation:
    """Java from JAVA_HOME or PATH, and the jars that were fetched.

    Raises:
        KafkaMissing: What is missing, and how to get it.
    """
    home = os.environ.get("JAVA_HOME")
    for java in executables("java", [*([Path(home, "bin")] if home else []), *map(Path, os.get_exec_path())]):
        if _java_version(java) >= MINIMUM_JAVA:
            break
    else:
        raise KafkaMissing(f"Kafka needs Java {MINIMUM_JAVA} or newer, as JAVA_HOME or in PATH")
    if not (LIB / ".complete").exists():
        raise KafkaMissing("Kafka's jars are not there; fetch them with `make kafka` (needs Maven)")
    return KafkaInstallation(java, tuple(sorted(LIB.glob("*.jar"))))


def _java_version(java: Path) -> int:
    try:
        shown = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=20, check=True).stderr
    except (OSError, subprocess.SubprocessError):
        return 0
    found = _VERSION.search(shown)
    return int(found[1]) if found else 0
