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
    go = tool("go")
    binary = directory / "interop"
    # It needs nothing from the net, and a compiler of another release is nothing to fetch for it.
    offline = {"GOPROXY": "off", "GOTOOLCHAIN": "local", "GOFLAGS": "-buildvcs=false", "GOCACHE": str(directory / "go")}
    if "HOME" in os.environ or "GOCACHE" in os.environ:  # then the tool has a cache that is warm
        del offline["GOCACHE"]
    built = subprocess.run(
        [go, "build", "-o", str(binary), "."],
        cwd=_HERE / "go",
        env=os.environ | offline,
        capture_output=True,
        text=True,
        timeout=_LIMIT_SECONDS,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    return Program((str(binary),))


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
