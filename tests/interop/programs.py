"""The programs of other languages: built where their tools are, skipped elsewhere; CI must have them."""

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from security.jwk import Jwk, parse_jwk

_HERE = Path(__file__).parent
_LIMIT_SECONDS = 300  # only ever used up by a failing test
_BUILD_SECONDS = 600  # likewise; the modules may have to be fetched first
# Most of a build is the standard library, which a clean machine compiles anew: without optimising it, which programs
# that run for a moment don't need, that takes half of the time; with the same flags for all, it is done once.
_GO_FLAGS = "-buildvcs=false -modcacherw -ldflags=-w '-gcflags=all=-N -l -dwarf=false'"

Headers = list[tuple[str, bytes]]
Record = tuple[Headers, bytes]
Event = dict[str, Any]


@dataclass(frozen=True)
class Program:
    """A producer and a subscriber in one: `sign` and `verify`, JSON in and JSON out."""

    command: tuple[str, ...]

    def sign(
        self, algorithm: str, key_id: str, events: Sequence[Event], signed: Sequence[str], *, batch: bool
    ) -> tuple[Jwk, list[Record]]:
        """What a producer with a key of its own publishes, and the public half that it hands over."""
        answer = self._ask(
            "sign",
            {"algorithm": algorithm, "kid": key_id, "batch": batch, "signed": list(signed), "events": list(events)},
        )
        records = [
            ([(each["name"], base64.b64decode(each["value"])) for each in found["headers"]], bytes_of(found["value"]))
            for found in answer["records"]
        ]
        key = parse_jwk(json.dumps(answer["jwk"]).encode())
        return replace(key, key_id=key_id), records

    def verify(self, key: Jwk, records: Sequence[Record]) -> list[Event | str]:
        """What each record says by that key, or why it is refused."""
        asked = [
            {"headers": [{"name": name, "value": text_of(value)} for name, value in headers], "value": text_of(data)}
            for headers, data in records
        ]
        answer = self._ask("verify", {"jwk": key.to_members(), "records": asked})
        return [found["event"] if "event" in found else str(found["error"]) for found in answer["results"]]

    def _ask(self, what: str, question: object) -> Any:
        done = subprocess.run(
            [*self.command, what],
            input=json.dumps(question),
            capture_output=True,
            text=True,
            timeout=_LIMIT_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


def text_of(value: bytes) -> str:
    return base64.b64encode(value).decode()


def bytes_of(text: str) -> bytes:
    return base64.b64decode(text)


def go_program(directory: Path) -> Program:
    """The Go one, compiled into a directory outside of the repository."""
    binary = directory / "interop"
    # It needs nothing from the net, and a compiler of another release is nothing to fetch for it.
    offline = {"GOPROXY": "off", "GOTOOLCHAIN": "local"}
    build_go("build", "-o", str(binary), ".", scratch=directory, source=_HERE / "go", **offline)
    return Program((str(binary),))


def build_go(*arguments: str, scratch: Path, source: Path | None = None, **environment: str) -> None:
    """Run a command of Go's that builds a program.

    Args:
        scratch: For the tool's files where it has no home.
        source: The directory of the module, where it is ours.
        environment: More of its environment.
    """
    tools = {"GOCACHE": str(scratch / "go-build"), "GOPATH": str(scratch / "go")}
    own = {name: value for name, value in tools.items() if "HOME" not in os.environ and name not in os.environ}
    built = subprocess.run(
        [tool("go"), *arguments],
        cwd=source,
        env=os.environ | own | {"CGO_ENABLED": "0", "GOFLAGS": _GO_FLAGS} | environment,
        capture_output=True,
        text=True,
        timeout=_BUILD_SECONDS,
        check=False,
    )
    assert built.returncode == 0, built.stderr


def node_program(_: Path) -> Program:
    """The Node one."""
    return Program((tool("node"), str(_HERE / "node" / "interop.mjs")))


def tool(name: str) -> str:
    """The path of an installed tool; without it the test is skipped, and fails in CI."""
    path = shutil.which(name)
    if path is not None:
        return path
    fact = f"{name} is not installed: what it says can't be compared with ours"
    if os.environ.get("CI"):
        pytest.fail(fact)
    pytest.skip(fact)
