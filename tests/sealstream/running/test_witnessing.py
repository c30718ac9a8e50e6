"""Checkpoints cosigned over real HTTP, with a real database: what is kept, what is shown, and what raises the alarm."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from agents.inference.engine import Engine
from agents.log.attestor import LONGEST_PAUSE
from agents.log.export import export_log
from agents.log.tree import NothingSigned, SignedTree
from agents.log.witnessing import AskedWitness, Witnessing
from sealstream.address import Address
from sealstream.attestor_client import HttpWitness
from sealstream.audit.auditing import audit
from sealstream.audit.log_server import serving_logs
from sealstream.observe import Observation
from sealstream.running.checkup import check_up
from sealstream.running.workers import Role, Worker, parts_of
from sealstream.settings import Settings
from sealstream.wiring import create_all_topics, showing
from sealstream.witness import Witness, WitnessDirectory, serving_witness
from security.checkpoint import verify_checkpoint
from security.cosignature import Cosigner
from security.note import Verifier, parse_note
from streams.embedded import DataDirectory, EmbeddedBroker
from streams.health import Health
from streams.storage.witnessing import EVERYTHING, Showing, WitnessState, newest_note, witness_states
from tests.support.databases import Databases
from tests.support.grown_log import TENANT, grow, log_row
from tests.support.installation import BANK_A, Installation, installed
from tests.support.installation import Worker as Stages
from tests.support.messages import Inbox, transaction
from tests.support.timestamp_authority import Authority

ANYWHERE = Address("127.0.0.1", 0)
NOWHERE = "http://127.0.0.1:1"
"""Nobody listens on that port."""


@dataclass(frozen=True)
class Running:
    """A witness at work."""

    url: str
    verifier: Verifier


@asynccontextmanager
async def witness_at_work(
    directory: Path, platform: Installation, name: str = "witness.example/w"
) -> AsyncIterator[Running]:
    """A witness that knows the log of the tests."""
    with WitnessDirectory.locked(directory) as held:
        cosigner = held.key(name)
        witness = Witness(held, cosigner, [platform.identity.log_signer(TENANT).verifier])
        async with serving_witness(witness, ANYWHERE) as address:
            yield Running(address.url, cosigner.verifier)


@pytest.fixture
async def witness(tmp_path: Path, platform: Installation) -> AsyncIterator[Running]:
    async with witness_at_work(tmp_path / "witness", platform) as found:
        yield found


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as found:
        yield found


@dataclass
class Asker:
    """One witness as it is asked; nothing is remembered between askers but what is stored."""

    platform: Installation
    asked: AskedWitness

    async def round(self) -> float:
        """One round; no log waits because of how it was answered before."""
        self.asked.due.clear()
        return await Witnessing(self.platform.database, [self.asked], every=1, chance=lambda: 1.0).round(self.asked)

    async def state(self) -> WitnessState:
        async with self.platform.database.session() as connection:
            states = await witness_states(connection, [self.asked.verifier.name])
        return next(state for state in states if state.origin.endswith(TENANT))


def asker(platform: Installation, session: aiohttp.ClientSession, at: Running) -> Asker:
    return Asker(platform, AskedWitness(at.verifier, HttpWitness(session, at.url)))


def configured(platform: Installation, *witnesses: Running, least: int = 0) -> Settings:
    return platform.settings.model_copy(
        update={"witnesses": tuple(f"{each.url} {each.verifier.vkey}" for each in witnesses), "min_witnesses": least}
    )


async def note_of(platform: Installation, policy: Showing = EVERYTHING) -> bytes:
    async with platform.database.session() as connection:
        note = await newest_note(connection, (await log_row(connection)).log_id, policy)
    return (note or "").encode()


async def test_each_checkpoint_is_cosigned_as_an_extension_of_the_one_before(
    platform: Installation, worker: Stages, witness: Running, session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    inbox, asked = Inbox(), asker(platform, session, witness)
    log = platform.identity.log_signer(TENANT).verifier
    for count in (3, 300, 1):
        await grow(platform, worker, inbox, count)
        await asked.round()
        await asked.round()
        found = verify_checkpoint(await note_of(platform), log.name, [log], [witness.verifier], 1)
        assert found.size == len(inbox.records) + 1
        state = await asked.state()
        assert (state.state, state.cosigned, state.behind) == ("cosigned", found.size, 0)
    assert await platform.one("SELECT count(*) FROM cosignatures") == 3
    async with platform.database.session() as connection:
        await export_log(await SignedTree.newest(connection, await log_row(connection)), tmp_path / "log")
    assert (tmp_path / "log/checkpoint").read_bytes() == await note_of(platform)
    report = await audit(configured(platform, witness), patience=0)
    by_tenant = {each.tenant: each for each in report.logs}
    assert (report.findings, by_tenant[TENANT].cosignatures, by_tenant[TENANT].cosignatures_unknown) == ([], 3, 0)
    assert (await audit(platform.settings, patience=0)).ok


async def test_what_is_not_stored_the_witness_tells(
    platform: Installation, worker: Stages, witness: Running, session: aiohttp.ClientSession
) -> None:
    inbox, asked = Inbox(), asker(platform, session, witness)
    await grow(platform, worker, inbox, 10)
    await asked.round()
    await platform.execute("DELETE FROM cosignatures")
    await asked.round()
    assert (await asked.state()).cosigned == 11
    await platform.execute("DELETE FROM cosignatures")
    await grow(platform, worker, inbox, 10)
    await asked.round()
    assert (await asked.state()).cosigned == 21


async def test_a_witness_that_is_away_is_waited_for_and_holds_up_no_other(
    platform: Installation, worker: Stages, witness: Running, session: aiohttp.ClientSession
) -> None:
    inbox, good = Inbox(), asker(platform, session, witness)
    gone = asker(platform, session, Running(NOWHERE, Cosigner("gone", bytes(32)).verifier))
    await grow(platform, worker, inbox, 5)
    now = [0.0]
    patient = Witnessing(platform.database, [gone.asked], every=1, chance=lambda: 1.0, clock=lambda: now[0])
    pauses = []
    for moment in (0, 1, 10, 10_000):
        now[0] = moment
        pauses.append(await patient.round(gone.asked))
    assert pauses == [1, 2, 11, LONGEST_PAUSE]
    assert (await gone.state()).state == "away"
    assert (await gone.state()).behind > 0
    await good.round()
    assert (await good.state()).cosigned == 6
    checks = {check.name: check for check in await check_up(configured(platform, witness))}
    (found,) = (check for name, check in checks.items() if name.startswith("witness ") and name.endswith(TENANT))
    assert found.ok
    assert "6 leaves cosigned" in found.what
    late = {check.name: check for check in await check_up(configured(platform, Running(NOWHERE, gone.asked.verifier)))}
    assert [check.ok for name, check in late.items() if name.startswith("witness ")] == [False] * 3
    # It comes back.
    gone.asked.connection = HttpWitness(session, witness.url)
    gone.asked.verifier = witness.verifier
    await gone.round()
    assert gone.asked.away_since is None


async def test_two_databases_of_one_log_are_not_both_cosigned(
    platform: Installation,
    worker: Stages,
    witness: Running,
    session: aiohttp.ClientSession,
    databases: Databases,
    keyring_dir: Path,
    engine: Engine,
    capsys: pytest.CaptureFixture[str],
) -> None:
    await grow(platform, worker, Inbox(), 20)
    await asker(platform, session, witness).round()
    async with databases.clean() as dsn, installed(dsn, keyring_dir, engine=engine) as fork:
        inbox, asked = Inbox(), asker(fork, session, witness)
        stages = await fork.worker()
        # Fewer leaves than were cosigned: a database that was put back.
        await grow(fork, stages, inbox, 5)
        await asked.round()
        state = await asked.state()
        assert (state.state, state.why) == ("conflict", "it has cosigned 21 leaves, and this database holds 6")
        # As many, and more: another history.
        for count in (15, 30):
            await grow(fork, stages, inbox, count)
            await asked.round()
            state = await asked.state()
            assert state.state == "conflict"
            assert "does not accept" in state.why
        assert "witness.conflict" in capsys.readouterr().out
        assert await fork.one("SELECT count(*) FROM cosignatures") == 0
        (check,) = (
            each
            for each in await check_up(configured(fork, witness))
            if each.name.startswith("witness ") and each.name.endswith(TENANT)
        )
        assert not check.ok
        assert "conflict" in check.what
    assert (await asker(platform, session, witness).state()).state == "cosigned"


@asynccontextmanager
async def answering(answer: web.Response) -> AsyncIterator[str]:
    """A server that says the same whatever it is asked."""

    async def page(_: web.Request) -> web.Response:
        return web.Response(body=answer.body, status=answer.status, headers=answer.headers)

    app = web.Application()
    app.add_routes([web.post("/add-checkpoint", page)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


SIZE = {"Content-Type": "text/x.tlog.size"}
HONEST = Cosigner("witness.example/w", bytes(32))


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        pytest.param(web.Response(status=200), "refused", id="nothing"),
        pytest.param(web.Response(status=200, body=b"<html>\xff\x00</html>"), "refused", id="no line"),
        pytest.param(web.Response(status=200, body=b"\n" * 200_000), "refused", id="endless"),
        pytest.param(
            web.Response(status=200, text=HONEST.cosign("another\n1\nAAAA\n", 1).line), "refused", id="over another"
        ),
        pytest.param(
            web.Response(status=200, text=Cosigner("x", bytes(32)).cosign("x\n", 1).line), "refused", id="by another"
        ),
        pytest.param(web.Response(status=302, headers={"Location": NOWHERE}), "refused", id="elsewhere"),
        pytest.param(web.Response(status=403), "refused", id="unknown key"),
        pytest.param(web.Response(status=404), "refused", id="unknown log"),
        pytest.param(web.Response(status=409, text="3\n"), "refused", id="size of another type"),
        pytest.param(web.Response(status=409, body=b"03\n", headers=SIZE), "refused", id="no size"),
        pytest.param(web.Response(status=409, body=b"3\n", headers=SIZE), "refused", id="always the same size"),
        pytest.param(web.Response(status=409, body=b"99999999999\n", headers=SIZE), "conflict", id="ahead"),
        pytest.param(web.Response(status=422), "conflict", id="conflict"),
        pytest.param(web.Response(status=500), "away", id="trouble"),
        pytest.param(web.Response(status=429), "away", id="busy"),
    ],
)
async def test_whatever_a_witness_answers_nothing_false_is_kept(
    platform: Installation, worker: Stages, session: aiohttp.ClientSession, answer: web.Response, state: str
) -> None:
    await grow(platform, worker, Inbox(), 4)
    async with answering(answer) as url:
        asked = asker(platform, session, Running(url, HONEST.verifier))
        await asked.round()
    assert (await asked.state()).state == state
    assert await platform.one("SELECT count(*) FROM cosignatures") == 0


async def test_a_log_is_shown_as_far_as_enough_witnesses_went(
    platform: Installation, worker: Stages, witness: Running, session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    inbox, asked = Inbox(), asker(platform, session, witness)
    await grow(platform, worker, inbox, 4)
    one = showing(configured(platform, witness, least=1))
    async with platform.database.session() as connection:
        with pytest.raises(NothingSigned, match="cosigned by 1"):
            await SignedTree.newest(connection, await log_row(connection), showing=one)
    await asked.round()
    await grow(platform, worker, inbox, 300)
    log = platform.identity.log_signer(TENANT).verifier
    async with serving_logs(platform.database, ANYWHERE, one) as at:
        async with session.get(f"{at.url}/{TENANT}/checkpoint") as answer:
            note = await answer.read()
        async with session.get(f"{at.url}/{TENANT}/tile/0/000") as answer:
            assert answer.status == 404
    assert verify_checkpoint(note, log.name, [log], [witness.verifier], 1).size == 5
    assert verify_checkpoint(await note_of(platform), log.name, [log]).size == 305
    async with witness_at_work(tmp_path / "second", platform, "witness.example/second") as second:
        two = showing(configured(platform, witness, second, least=2))
        await asker(platform, session, second).round()
        assert await note_of(platform, two) == b""
        await asked.round()
        shown = await note_of(platform, two)
    keys = [witness.verifier, second.verifier]
    assert verify_checkpoint(shown, log.name, [log], keys, 2).size == 305
    assert len(parse_note(shown).signatures) == 3


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        pytest.param("UPDATE cosignatures SET size = size - 1", "there is no such checkpoint", id="another size"),
        pytest.param("UPDATE cosignatures SET line = substr(line, 3)", "em dash", id="malformed"),
        pytest.param("UPDATE cosignatures SET witness = 'w'", "not one line of this witness", id="another name"),
        pytest.param("UPDATE cosignatures SET line = line || line", "not one line", id="doubled"),
        pytest.param(
            "UPDATE cosignatures c SET line = (SELECT line FROM cosignatures d WHERE d.size < c.size) WHERE size > 5",
            "does not verify",
            id="of another checkpoint",
        ),
        pytest.param("UPDATE cosignatures SET log_id = 77", "rows of cosignatures belong to it", id="of no log"),
    ],
)
async def test_a_changed_cosignature_is_found(
    platform: Installation,
    worker: Stages,
    witness: Running,
    session: aiohttp.ClientSession,
    damage: str,
    what: str,
) -> None:
    inbox, asked = Inbox(), asker(platform, session, witness)
    for _ in range(2):
        await grow(platform, worker, inbox, 4)
        await asked.round()
    await platform.execute(damage)
    report = await audit(configured(platform, witness), patience=0)
    assert what in " ".join(map(str, report.findings))


async def test_a_sequencing_worker_has_its_checkpoints_attested_whoever_is_away(
    platform: Installation, worker: Stages, witness: Running, tmp_path: Path
) -> None:
    authority = Authority.create(tmp_path / "tsa")
    gone = Running(NOWHERE, Cosigner("gone", bytes(32)).verifier)
    inbox = Inbox()
    with DataDirectory() as directory:
        async with (
            EmbeddedBroker(directory / "broker") as broker,
            authority.serving() as timestamp_url,
            asyncio.timeout(120),
        ):
            settings = configured(platform, gone, witness).model_copy(
                update={
                    "kafka_bootstrap": broker.bootstrap_servers,
                    "timestamp_url": timestamp_url,
                    "timestamp_ca_file": authority.ca_file,
                    "timestamp_every": dt.timedelta(seconds=1),
                }
            )
            await create_all_topics(settings, [TENANT])
            health, ready = Health(parts_of([Role.SEQUENCE])), asyncio.Event()
            task = asyncio.create_task(
                Worker(settings, [Role.SEQUENCE], health, Observation()).run(lambda url: ready.set())
            )
            try:
                for number in range(3):
                    BANK_A.put(inbox, transaction(f"t{number}"))
                    await worker.commit(inbox.take())
                    size = number + 2
                    while await platform.one("SELECT count(*) FROM cosignatures WHERE size = $1", size) == 0:
                        assert not task.done()
                        await asyncio.sleep(0.05)
                while await platform.one("SELECT count(*) FROM timestamps WHERE size > 1") == 0:
                    assert not task.done()
                    await asyncio.sleep(0.05)
                await ready.wait()
                assert health.ready
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
    async with platform.database.session() as connection:
        states = await witness_states(connection, ["gone", witness.verifier.name])
    found = {each.witness: each.state for each in states if each.origin.endswith(TENANT)}
    assert found == {"gone": "away", witness.verifier.name: "cosigned"}
