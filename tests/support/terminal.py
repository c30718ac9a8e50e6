"""Commands as people run them one after the other, each with a key file of their own."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from schemas.errors import SealstreamError
from sealstream.cli.app import app
from security.algorithms import Algorithm
from security.key_files import new_private_jwk, save_private_jwk


class Terminal:
    """Runs commands, each as whoever has a key file."""

    def __init__(self, directory: Path, group: str = "access") -> None:
        self.directory = directory
        self.group = group

    async def run(self, *words: str, code: int = 0) -> str:
        """What a command prints, which must end with this code."""
        # In a thread: a command has an event loop of its own.
        done = await asyncio.to_thread(CliRunner().invoke, app, [self.group, *words])
        assert done.exit_code == code, (words, done.output, done.exception)
        assert done.exception is None or isinstance(done.exception, SystemExit | SealstreamError)
        return done.stdout

    async def rows(self, *words: str, code: int = 0) -> list[dict[str, Any]]:
        """The objects that it prints."""
        return [json.loads(line) for line in (await self.run(*words, "--json", code=code)).splitlines()]

    async def grant(self, person: str, unit: str, role: str, *more: str) -> None:
        """Register somebody with a key file of their own."""
        tenant, department = unit.split("/")
        private, public = self.directory / f"{person}.key", self.directory / f"{person}.pub"
        content = new_private_jwk(person, Algorithm.ED25519, os.urandom)
        save_private_jwk(private, content)
        public.write_text(json.dumps({name: value for name, value in json.loads(content).items() if name != "d"}))
        given = ["--tenant", tenant, "--department", department, "--role", role, "--key", str(public)]
        await Terminal(self.directory).run("grant", person, *given, *more)

    def signs(self, person: str) -> list[str]:
        """What a command is told so that somebody signs."""
        return ["--as", person, "--key", str(self.directory / f"{person}.key")]
