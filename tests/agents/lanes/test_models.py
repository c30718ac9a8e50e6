"""Documents and the models in force: what is planned, who answers, and what an activation in between does."""

import asyncio
from pathlib import Path

import pytest

from agents.inference.active_models import active_text_models
from agents.lanes.infer_setup import ModelsChanged, open_models
from agents.models.curator import Trust
from streams.health import Health
from tests.support.documents import document
from tests.support.installation import BANK_A, Installation
from tests.support.lanes import LanePlatform, Member, Scripted, activated, lane_platform
from tests.support.messages import Inbox
from tests.support.text_family import register, write_models


@pytest.fixture
async def lanes(platform: Installation) -> LanePlatform:
    return await lane_platform(platform)


async def accept(lanes: LanePlatform, count: int) -> None:
    inbox = Inbox("documents")
    BANK_A.put(inbox, *(document(f"d{number}", f"I ask for number {number}") for number in range(count)))
    assert await lanes.intake.commit(inbox.take())
    await lanes.publish()


async def verified(lanes: LanePlatform) -> None:
    await lanes.platform.sequence()
    report = await lanes.platform.audit()
    assert report.ok, [str(finding) for finding in report.findings]


async def test_what_former_models_answered_is_not_committed_once_others_are_in_force(
    lanes: LanePlatform, tmp_path: Path
) -> None:
    await accept(lanes, 4)
    reached, go = asyncio.Event(), asyncio.Event()

    async def wait(texts: object) -> None:
        reached.set()
        await go.wait()

    worker, _ = await lanes.infer(Scripted("d0", wait))
    task = asyncio.create_task(worker.run(Member(lanes.lanes, worker)))
    await reached.wait()
    await activated(lanes.platform, write_models(tmp_path, version="2"))
    go.set()
    with pytest.raises(ModelsChanged):
        await task
    assert await lanes.states() == {"accepted": 4}
    health, store = Health(), lanes.platform.store
    opened = await open_models(lanes.platform.database, active_text_models(store, health), lambda: None)
    assert set(opened) == {"letters@2", "ibans@2"}
    async with lanes.running(Scripted("d1", models=opened), models=opened):
        assert await lanes.until_ended() == {"done": 4}
    await verified(lanes)
    models = {leaf["model"] for leaf in await lanes.platform.leaves("bank-a") if leaf["kind"] == "result"}
    assert len(models) == 1
    assert "letters@2" in models.pop()


async def test_a_candidate_on_trial_answers_its_share_of_the_records(lanes: LanePlatform, tmp_path: Path) -> None:
    register()
    letters, _ = write_models(tmp_path, version="2")
    curator = lanes.platform.curator()
    await curator.add(letters)
    await curator.activate("letters", "2", share=50, trust=Trust(unevaluated="made for tests"))
    await lanes.intake.parts.reload()
    await accept(lanes, 40)
    opened = await open_models(
        lanes.platform.database, active_text_models(lanes.platform.store, Health()), lambda: None
    )
    async with lanes.running(Scripted("d0", models=opened), models=opened):
        assert await lanes.until_ended() == {"done": 40}
    await verified(lanes)
    models = [leaf["model"] for leaf in await lanes.platform.leaves("bank-a") if leaf["kind"] == "result"]
    assert 5 < sum("letters@2" in each for each in models) < 35
