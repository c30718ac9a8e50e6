"""Rows sealed anew under the current epoch: nothing changes but ciphertexts, whatever happens beside it."""

import asyncio
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from agents.intake.worker import beside
from agents.keys.custodian import Custodian, ScopeFilter
from agents.platform.knowledge import load_knowledge
from agents.upkeep.erasing import Eraser
from agents.upkeep.resealing import Resealed, Resealer
from security.tier_keys import TierKeyRecord
from streams.storage import resealing
from streams.storage.resealing import ResealProgress
from tests.support.installation import BANK_A, BANK_B, Installation, Worker
from tests.support.messages import Inbox, entry, statement, transaction
from tests.support.processes import ROOT

ALL_OF_A = ScopeFilter("bank-a")
UNDER_FORMER = """
    SELECT count(*) FROM (
        SELECT pass_id FROM results WHERE tenant = 'bank-a' AND sealed IS NOT NULL
        UNION ALL SELECT pass_id FROM messages WHERE tenant = 'bank-a' AND evidence IS NOT NULL
        UNION ALL SELECT pass_id FROM disclosures WHERE tenant = 'bank-a') AS sealed
    WHERE EXISTS (
        SELECT 1 FROM data_keys d JOIN tier_keys k ON k.key_id = d.tier_key_id
        WHERE d.pass_id = sealed.pass_id AND k.shredded_at IS NULL AND EXISTS (
            SELECT 1 FROM tier_keys n WHERE (n.tenant, n.domain, n.tier) = (k.tenant, k.domain, k.tier)
                AND n.epoch > k.epoch))
"""


@pytest.fixture
def keyring_dir(tmp_path: Path) -> Path:
    """Of this test's own: what is destroyed here is destroyed for all."""
    return tmp_path / "keys"


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resealing, "ROWS_PER_PAGE", 7)
    monkeypatch.setattr(resealing, "COMMITS_PER_STEP", 2)


def custodian(platform: Installation) -> Custodian:
    return Custodian(platform.database, platform.identity)


async def reseal(platform: Installation, told: list[ResealProgress] | None = None) -> Resealed:
    tell = told.append if told is not None else lambda progress: None
    return await Resealer(platform.database, platform.identity, tell=tell).reseal(ALL_OF_A)


async def filled(platform: Installation, worker: Worker, commits: int = 3) -> Inbox:
    inbox = Inbox()
    for number in range(commits):
        BANK_A.put(inbox, *(transaction(f"t{number}-{n}") for n in range(10)))
        BANK_B.put(inbox, transaction(f"b{number}"))
        BANK_A.put(inbox, statement(f"s{number}", [entry(f"e{number}-1"), entry(f"e{number}-2")]))
        await worker.commit(inbox.take())
    await (await platform.reader(3)).list(limit=5)
    return inbox


async def everything(platform: Installation) -> dict[str, dict[str, tuple[str, bytes | None, bytes | None]]]:
    views = await (await platform.reader(5)).list(limit=1000)
    return {
        str(view.stored.record_id): {
            name: (field.state, field.value, field.salt) for name, field in view.fields.items()
        }
        for view in views
    }


async def is_verified(platform: Installation) -> None:
    await platform.sequence()
    report = await platform.audit()
    assert report.ok, [str(finding) for finding in report.findings]


@pytest.mark.usefixtures("small_pages")
async def test_all_rows_move_to_the_current_epoch_and_nothing_else_changes(
    platform: Installation, worker: Worker
) -> None:
    await filled(platform, worker)
    before = await everything(platform)
    await custodian(platform).rotate(ALL_OF_A)
    assert await platform.one(UNDER_FORMER) > 0
    told: list[ResealProgress] = []
    done = await reseal(platform, told)
    assert done.rows[BANK_A.domain] == 3 * (10 + 2) + 3 * (10 + 1)
    assert done.rows["_access"] == 2
    assert not done.broken
    assert len(told) > 10
    assert await platform.one(UNDER_FORMER) == 0
    assert await everything(platform) == before
    await is_verified(platform)
    leaves = [leaf for leaf in await platform.leaves("bank-a", of_keys=True) if "tier_key" in leaf]
    resealed = [leaf for leaf in leaves if leaf["tier_key"]["change"] == "reseal"]
    assert {(leaf["tier_key"]["domain"], leaf["count"]) for leaf in resealed} == set(done.rows.items())
    assert (await reseal(platform)).rows == {BANK_A.domain: 0, "_access": 0}
    await custodian(platform).shred(ScopeFilter("bank-a", BANK_A.domain), 1)
    assert await everything(platform) == before
    await is_verified(platform)


async def test_shredded_fields_stay_so_beside_those_that_are_sealed_anew(
    platform: Installation, worker: Worker
) -> None:
    await filled(platform, worker)
    await custodian(platform).shred(ScopeFilter("bank-a", BANK_A.domain, 3), 1)
    before = await everything(platform)
    await custodian(platform).rotate(ALL_OF_A)
    await reseal(platform)
    assert await platform.one(UNDER_FORMER) == 0
    assert await everything(platform) == before
    await is_verified(platform)


async def test_a_row_that_was_erased_meanwhile_stays_erased(
    platform: Installation, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    await filled(platform, worker, commits=1)
    await custodian(platform).rotate(ALL_OF_A)
    (row, *_) = await platform.rows("SELECT record_id FROM results WHERE tenant = 'bank-a' AND n IS NULL")
    knowledge = await load_knowledge(platform.database, platform.identity, max_tier=0)
    exchange = resealing.exchange_rows

    async def erased_before(*arguments: object) -> ResealProgress:
        monkeypatch.undo()
        await Eraser(platform.database, platform.identity, knowledge).erase(row["record_id"], "on request")
        return await exchange(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(resealing, "exchange_rows", erased_before)
    await reseal(platform)
    assert await platform.one("SELECT sealed FROM results WHERE record_id = $1", row["record_id"]) is None
    assert await platform.one("SELECT evidence FROM messages WHERE message_id = $1", row["record_id"]) is None
    await is_verified(platform)


@pytest.mark.usefixtures("small_pages")
async def test_a_broken_row_is_named_and_left_and_the_others_go_on(platform: Installation, worker: Worker) -> None:
    await filled(platform, worker)
    await custodian(platform).rotate(ALL_OF_A)
    await platform.execute(
        "UPDATE results SET sealed = set_byte(sealed, 60, get_byte(sealed, 60) # 1) WHERE ctid = "
        "(SELECT ctid FROM results WHERE tenant = 'bank-a' LIMIT 1) AND tenant = 'bank-a'"
    )
    done = await reseal(platform)
    assert len(done.broken) == 1
    assert await platform.one(UNDER_FORMER) == 1


async def test_rotation_erasure_shredding_and_sealing_anew_beside_a_worker(
    platform: Installation, worker: Worker
) -> None:
    inbox, parts, sent = Inbox(), worker.parts, 0

    async def work() -> None:
        nonlocal sent
        while True:
            start = len(inbox.records)
            BANK_A.put(inbox, *(transaction(f"t{start + n}") for n in range(5)))
            while not await parts.committer.submit(await parts.pipeline.run(inbox.batch(start, start + 5))):
                pass  # as the worker does: keys changed, so it is read again
            sent = start + 5
            await asyncio.sleep(0.02)  # or what there is to seal anew grows faster than it is sealed

    async def until(count: int) -> None:
        while sent < count:  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    knowledge = await load_knowledge(platform.database, platform.identity, max_tier=0)
    eraser = Eraser(platform.database, platform.identity, knowledge)
    erased: set[object] = set()
    async with beside(parts.committer.run(), "group-commit"), beside(work(), "work"):
        for epoch in range(1, 4):
            await until(sent + 40)
            made: Sequence[TierKeyRecord] = await custodian(platform).rotate(ALL_OF_A)
            assert {record.scope.epoch for record in made} == {epoch + 1}
            for row in await platform.rows("SELECT record_id FROM results WHERE sealed IS NOT NULL LIMIT 3"):
                await eraser.erase(row["record_id"], "on request")
                erased.add(row["record_id"])
            await reseal(platform)
            await custodian(platform).shred(ScopeFilter("bank-a", BANK_A.domain), epoch)
        await until(sent + 40)
    states = {name: {state for state, *_ in fields.values()} for name, fields in (await everything(platform)).items()}
    assert len(states) == await platform.one("SELECT count(*) FROM results") >= sent
    assert {name for name, found in states.items() if found == {"erased"}} == {str(name) for name in erased}
    assert sum(found == {"open"} for found in states.values()) == len(states) - len(erased)
    await is_verified(platform)


PROGRAM = """
import asyncio, sys
from pathlib import Path
from agents.keys.custodian import ScopeFilter
from agents.platform.identity import Identity
from agents.upkeep.resealing import Resealer
from security.file_keyring import FileKeyring
from streams.storage import resealing
from streams.storage.database import Database

dsn, keyring, origin = sys.argv[1:]
resealing.ROWS_PER_PAGE, resealing.COMMITS_PER_STEP = 3, 1

async def run():
    async with Database(dsn, name="reseal") as database:
        told = lambda progress: print(progress.sealed_rows, flush=True)
        await Resealer(database, Identity(FileKeyring(Path(keyring)), origin), tell=told).reseal(ScopeFilter("bank-a"))

asyncio.run(run())
"""


async def test_a_killed_process_is_followed_by_one_that_goes_on(platform: Installation, worker: Worker) -> None:
    await filled(platform, worker, commits=6)
    before = await everything(platform)
    await custodian(platform).rotate(ALL_OF_A)
    all_rows = await platform.one(UNDER_FORMER)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, platform.dsn, str(platform.keyring_dir), platform.identity.origin_prefix,
        stdout=asyncio.subprocess.PIPE, cwd=ROOT,
    )  # fmt: skip
    assert process.stdout is not None
    async with asyncio.timeout(60):
        while int(await process.stdout.readline()) < 20:
            pass
        process.send_signal(signal.SIGKILL)
        await process.wait()
    left = await platform.one(UNDER_FORMER)
    assert 0 < left <= all_rows - 20
    (stopped,) = await platform.rows("SELECT after_commit, sealed_rows FROM reseals WHERE domain = $1", BANK_A.domain)
    assert stopped["after_commit"] > -1
    assert stopped["sealed_rows"] >= 20
    done = await reseal(platform)
    assert done.rows[BANK_A.domain] == 6 * (10 + 2) + 6 * (10 + 1)
    assert await platform.one(UNDER_FORMER) == 0
    assert await everything(platform) == before
    await is_verified(platform)
