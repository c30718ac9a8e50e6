"""Tier keys that change while a document waits in a lane."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from agents.keys.custodian import Custodian, ScopeFilter
from schemas.reasons import Reason
from tests.support.installation import BANK_A, Installation
from tests.support.lanes import LanePlatform, Member, Scripted, die, filled_lanes, verified

COUNT = 5
SCOPE = ScopeFilter(BANK_A.tenant, BANK_A.domain, 3)


@pytest.fixture
def keyring_dir(tmp_path: Path) -> Path:
    """A keyring of the test's own: keys are destroyed in it."""
    return tmp_path / "keys"


@pytest.fixture
async def lanes(platform: Installation) -> LanePlatform:
    return await filled_lanes(platform, COUNT)


async def test_bytes_that_are_shredded_fail_the_record_and_not_the_worker(lanes: LanePlatform) -> None:
    """What a destroyed tier key leaves: its row without a wrapped key, and nobody who could open it."""
    await Custodian(lanes.platform.database, lanes.platform.identity, actor="custodian").shred(SCOPE, 1)
    async with lanes.running():
        assert await lanes.until_ended() == {"failed": COUNT}
    assert await verified(lanes) == {("rejected", Reason.INFERENCE_FAILED): COUNT}


async def test_keys_rotated_while_a_record_waits_seal_its_result(lanes: LanePlatform) -> None:
    worker, _ = await lanes.infer()
    await Custodian(lanes.platform.database, lanes.platform.identity, actor="custodian").rotate(SCOPE)
    task = asyncio.create_task(worker.run(Member(lanes.lanes, worker)))
    try:
        assert await lanes.until_ended() == {"done": COUNT}
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert await verified(lanes) == {("result", "classified"): COUNT}


async def test_what_was_shredded_stays_a_dead_letter(lanes: LanePlatform) -> None:
    platform = lanes.platform
    async with lanes.running(Scripted("d0", die), grace=timedelta(seconds=0.2)):
        assert await lanes.until_ended() == {"failed": COUNT}
    await platform.sequence()
    name = await platform.one("SELECT dead_letter_id FROM dead_letters LIMIT 1")
    await Custodian(platform.database, platform.identity).shred(ScopeFilter("bank-a", BANK_A.domain), 1)
    (answer,) = await platform.replay(name)
    assert answer.problem is not None
    assert await lanes.states() == {"failed": COUNT}
