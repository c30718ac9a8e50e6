"""A witness over HTTP and on its disk: what it promises outlives requests in parallel, crashes and second processes."""

import asyncio
import signal
import stat
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from schemas.errors import ConfigurationError
from sealstream.address import Address
from sealstream.witness import Witness, WitnessDirectory, serving_witness
from sealstream.witness.witness import DamagedState
from security.checkpoint import parse_checkpoint, verify_checkpoint
from security.cosignature import Cosigner, cosignature_time
from security.note import Verifier, parse_note, verify_note
from security.witness import MAX_REQUEST_BYTES, StaleRequest
from tests.support.processes import WatchedCommand, environment, sealstream
from tests.support.witness_log import ORIGIN, WitnessLog

NAME = "witness.example/w"
NOW = 1_700_000_000
LOG, FORK = WitnessLog(), WitnessLog("forked")


@contextmanager
def witness_of(directory: Path) -> Iterator[Witness]:
    with WitnessDirectory.locked(directory) as held:
        yield Witness(held, held.key(NAME), [LOG.signer.verifier], clock=lambda: NOW)


@dataclass(frozen=True)
class Site:
    url: str
    session: aiohttp.ClientSession
    verifier: Verifier

    async def post(self, body: bytes) -> tuple[int, str, bytes]:
        async with self.session.post(f"{self.url}/add-checkpoint", data=body) as answer:
            return answer.status, answer.headers["Content-Type"], await answer.read()

    async def get(self, path: str) -> tuple[int, bytes]:
        async with self.session.get(f"{self.url}/{path}") as answer:
            return answer.status, await answer.read()


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    with WitnessDirectory.locked(tmp_path / "w") as held:
        cosigner = held.key(NAME)
        witness = Witness(held, cosigner, [LOG.signer.verifier], clock=lambda: NOW)
        async with serving_witness(witness, Address("127.0.0.1", 0)) as at, aiohttp.ClientSession() as session:
            yield Site(at.url, session, cosigner.verifier)


async def test_an_extension_is_cosigned_and_shown(site: Site) -> None:
    assert (await site.get(LOG.path))[0] == 404
    for old, new in ((0, 5), (5, 8), (8, 8), (8, 300)):
        status, kind, line = await site.post(LOG.body(old, new))
        assert (status, kind) == (200, "text/plain; charset=utf-8")
        note = verify_note(LOG.note(new) + line, [site.verifier])
        assert [cosignature_time(each) for each in note.signatures] == [NOW]
        status, shown = await site.get(LOG.path)
        assert status == 200
        found = verify_checkpoint(shown, ORIGIN, [LOG.signer.verifier], [site.verifier], 1)
        assert found == LOG.checkpoint(new)


async def test_refusals_change_nothing(site: Site) -> None:
    await site.post(LOG.body(0, 8))
    before = await site.get(LOG.path)
    other = WitnessLog(origin="log.example/other")
    plain = "text/plain; charset=utf-8"
    for body, status, kind in (
        (b"hello", 400, plain),
        (b"old 8\n\n" + b"x" * MAX_REQUEST_BYTES, 400, plain),
        (LOG.body(8, 8).replace(b"old 8", b"old 9"), 400, plain),
        (LOG.body(8, 9).replace(ORIGIN.encode() + b"\n9", ORIGIN.encode() + b"\n10"), 403, plain),
        (other.body(0, 8), 404, plain),
        (LOG.body(0, 8), 409, "text/x.tlog.size"),
        (LOG.body(7, 7), 409, "text/x.tlog.size"),
        (FORK.body(8, 8), 422, plain),
        (FORK.body(8, 20), 422, plain),
    ):
        found = await site.post(body)
        assert found[:2] == (status, kind), found
        if status == 409:
            assert found[2] == b"8\n"
    assert await site.get(LOG.path) == before
    assert (await site.get("0" * 64 + "/checkpoint"))[0] == 404
    assert (await site.get("../key/checkpoint"))[0] == 404


async def test_of_many_at_once_that_begin_at_the_same_size_one_is_cosigned(site: Site) -> None:
    await site.post(LOG.body(0, 8))
    answers = await asyncio.gather(*(site.post((LOG if size % 2 else FORK).body(8, size)) for size in range(9, 60)))
    good = [LOG.checkpoint(size) for size, answer in zip(range(9, 60), answers, strict=True) if answer[0] == 200]
    # Each later one must begin at the first winner's size.
    assert len(good) == 1
    _, shown = await site.get(LOG.path)
    assert parse_checkpoint(parse_note(shown).text) == good[0]


async def test_two_histories_at_once_never_both_get_a_signature(site: Site) -> None:
    answers = await asyncio.gather(*(site.post((LOG, FORK)[n % 2].body(0, 20)) for n in range(20)))
    assert sorted({status for status, *_ in answers}) == [200, 409]
    assert sum(status == 200 for status, *_ in answers) == 1


def test_state_and_key_outlive_the_process_and_are_nobody_else_s(tmp_path: Path) -> None:
    with witness_of(tmp_path) as witness:
        witness.add_checkpoint(LOG.body(0, 8))
        first = (tmp_path / "key").read_text()
    with witness_of(tmp_path) as witness, pytest.raises(StaleRequest) as refused:
        witness.add_checkpoint(FORK.body(0, 8))
    assert refused.value.size == 8
    assert (tmp_path / "key").read_text() == first
    for file in (tmp_path / "key", *(tmp_path / "logs").iterdir()):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_key_that_others_can_read_or_of_another_name_is_refused(tmp_path: Path) -> None:
    with WitnessDirectory.locked(tmp_path) as held:
        held.key(NAME)
        with pytest.raises(ConfigurationError, match="keeps its name"):
            held.key("witness.example/other")
        (tmp_path / "key").chmod(0o640)
        with pytest.raises(ConfigurationError, match="chmod 600"):
            held.key(NAME)


@pytest.mark.parametrize("damage", [b"", b"x", LOG.note(5)])
def test_a_state_that_the_witness_did_not_sign_stops_it(tmp_path: Path, damage: bytes) -> None:
    with witness_of(tmp_path) as witness:
        witness.add_checkpoint(LOG.body(0, 8))
        (state,) = (tmp_path / "logs").iterdir()
        state.write_bytes(damage)
        with pytest.raises(DamagedState):
            witness.add_checkpoint(LOG.body(8, 9))


KILLED_AT = """
import os, signal, sys
from pathlib import Path
from sealstream.witness import Witness, WitnessDirectory
from tests.support.witness_log import WitnessLog
log, (directory, point) = WitnessLog(), sys.argv[1:]
kill = lambda passed: os.kill(os.getpid(), signal.SIGKILL) if passed == point else None
with WitnessDirectory.locked(Path(directory)) as held:
    Witness(held, held.key("witness.example/w"), [log.signer.verifier], probe=kill).add_checkpoint(log.body(8, 20))
"""


@pytest.mark.parametrize(("point", "size"), [("agreed", 8), ("remembered", 20)])
def test_killed_between_request_and_answer_it_knows_what_it_may_have_signed(
    tmp_path: Path, point: str, size: int
) -> None:
    with witness_of(tmp_path) as witness:
        witness.add_checkpoint(LOG.body(0, 8))
    done = subprocess.run(
        [sys.executable, "-c", KILLED_AT, str(tmp_path), point], env=environment({}), check=False, timeout=300
    )
    assert done.returncode == -signal.SIGKILL
    with witness_of(tmp_path) as witness:
        with pytest.raises(StaleRequest) as refused:
            witness.add_checkpoint(FORK.body(0, 8))
        assert refused.value.size == size
        # What a client does that got no answer: it asks again from where the witness is.
        witness.add_checkpoint(LOG.body(size, 20))


def test_the_command_prints_its_key_and_survives_being_killed(tmp_path: Path) -> None:
    words = ["witness", "--listen", "127.0.0.1:0", "--data-dir", "w", "--log", LOG.signer.verifier.vkey, "--name", NAME]

    def ask(url: str, body: bytes) -> tuple[int, bytes]:
        request = urllib.request.Request(f"{url}/add-checkpoint", body, method="POST")
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as exc:
            return exc.code, exc.read()

    with WatchedCommand(words, {}, tmp_path) as command:
        command.until_it_says("witness at ")
        url = next(line for line in command.talk if "witness at " in line).split()[-1]
        status, line = ask(url, LOG.body(0, 8))
        assert status == 200
        second = sealstream(*words, settings={}, directory=tmp_path)
        assert second.returncode == 1
        assert "another process is the witness" in second.stderr
        command.send(signal.SIGKILL)
        command.wait()
    verifier = Cosigner.from_skey((tmp_path / "w/key").read_text().strip()).verifier
    assert command.output == f"{verifier.vkey}\n"
    assert verifier.vkey == Verifier.from_vkey(command.output.strip()).vkey
    verify_note(LOG.note(8) + line, [verifier])
    with WatchedCommand(words, {}, tmp_path) as command:
        command.until_it_says("witness at ")
        url = next(line for line in command.talk if "witness at " in line).split()[-1]
        assert ask(url, FORK.body(0, 20)) == (409, b"8\n")
        assert ask(url, FORK.body(8, 20))[0] == 422
        assert ask(url, LOG.body(8, 20))[0] == 200
        command.send(signal.SIGTERM)
        assert command.wait() == 128 + signal.SIGTERM
