"""The model registry: changes and their leaves, workers that follow it, and an audit that finds what no leaf says."""

import asyncio
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from agents.inference.model_store import ModelStore
from agents.intake.setup import keep_current
from agents.intake.worker import beside
from agents.models.curator import Trust
from schemas.errors import ConfigurationError
from schemas.tenant import PLATFORM_TENANT
from streams.health import Health, State
from tests.support.installation import BANK_A, BANK_B, Installation, Producer, Worker
from tests.support.messages import Inbox, transaction
from tests.support.models import measured, other_version

NAME = "transaction_kind"
UNTESTED = Trust(unevaluated="a test of the registry")


@pytest.fixture
async def second(platform: Installation, tmp_path: Path) -> str:
    """A candidate beside the shipped version."""
    return (await platform.curator().add(other_version(tmp_path / "second"))).version


async def model_leaves(platform: Installation, tenant: str) -> list[dict[str, Any]]:
    return [leaf for leaf in await platform.leaves(tenant) if leaf["kind"] == "model"]


async def versions(platform: Installation) -> Counter[str]:
    """How many results each version gave."""
    leaves = [leaf for leaf in await platform.leaves() if leaf["kind"] == "result"]
    return Counter(leaf["model"].partition(" ")[0].partition("@")[2] for leaf in leaves)


async def until(health: Health, state: State) -> None:
    # The health is a plain record.
    while "models" not in health.parts() or health.parts()["models"].state is not state:  # noqa: ASYNC110
        await asyncio.sleep(0.01)


def some(producer: Producer, count: int, prefix: str = "r", topic: str = "transactions") -> Inbox:
    inbox = Inbox(topic)
    producer.put(inbox, *(transaction(f"{prefix}{n}") for n in range(count)))
    return inbox


async def test_the_first_version_that_is_added_brings_the_shipped_one_along_as_active(
    platform: Installation, second: str
) -> None:
    rows = await platform.curator().models()
    assert [(row.version, row.stage) for row in rows] == [("1.0.0", "active"), (second, "candidate")]
    for tenant in (BANK_A.tenant, BANK_B.tenant, PLATFORM_TENANT):
        leaves = await model_leaves(platform, tenant)
        assert [leaf["model_change"]["change"] for leaf in leaves] == ["activate", "add"]
        assert leaves[1]["model_change"]["digest"] == rows[1].digest
        assert {leaf["basis"] for leaf in leaves} == {"alone"}
        assert all("curator" not in leaf["actor"] for leaf in leaves)
    await platform.sequence()
    report = await platform.audit()
    assert report.ok
    assert {log.model_changes for log in report.logs} == {2}


async def test_records_decided_by_a_former_model_are_decided_again_by_every_worker(
    platform: Installation, second: str
) -> None:
    workers = [await platform.worker(), await platform.worker()]
    inboxes = [some(BANK_A, 3, "a", "transactions"), some(BANK_B, 3, "b", "other")]
    batches = [inbox.take() for inbox in inboxes]
    decided = [await worker.process(batch) for worker, batch in zip(workers, batches, strict=True)]
    await platform.curator().activate(NAME, second, trust=UNTESTED)
    for worker, frames, batch in zip(workers, decided, batches, strict=True):
        assert await worker.parts.committer.commit(frames) == set()
        assert await worker.commit(batch) == {(batch.topic, batch.partition)}
    assert await versions(platform) == {second: 6}
    await platform.sequence()
    assert (await platform.audit()).ok


async def test_rolling_back_takes_one_call_and_the_version_before_decides_again(
    platform: Installation, worker: Worker, second: str
) -> None:
    curator = platform.curator()
    await curator.activate(NAME, second, trust=UNTESTED)
    inbox = some(BANK_A, 4)
    assert await worker.commit(inbox.take(2)) == set()  # by the former model
    inbox.taken = 0
    await worker.commit(inbox.take(2))
    changed = await curator.roll_back(NAME)
    assert [(each.row.version, each.change) for each in changed] == [(second, "retire"), ("1.0.0", "rollback")]
    await worker.parts.reload()
    await worker.commit(inbox.take(2))
    assert await versions(platform) == {second: 2, "1.0.0": 2}
    with pytest.raises(ConfigurationError, match="no version"):
        await curator.roll_back(NAME)
    await platform.sequence()
    assert (await platform.audit()).ok


async def test_a_share_of_the_records_goes_to_the_candidate_and_the_same_ones_again(
    platform: Installation, second: str
) -> None:
    await platform.curator().activate(NAME, second, share=30, trust=UNTESTED)
    workers = [await platform.worker(), await platform.worker()]
    batch = some(BANK_A, 200).take()
    models: list[list[str | None]] = []
    for worker in workers:
        await worker.parts.reload()
        (frame,) = await worker.process(batch)
        models.append([item.model for message in frame.messages for item in message.items])
    assert models[0] == models[1]
    assert await workers[0].commit(batch) == {(batch.topic, batch.partition)}
    found = await versions(platform)
    assert found.total() == 200
    assert 30 <= found[second] <= 90  # 60 expected; the ids are those of these sources and names, always
    await platform.sequence()
    assert (await platform.audit()).ok


async def test_a_shadow_decides_nothing_and_is_compared(platform: Installation, second: str) -> None:
    curator = platform.curator()
    await curator.activate(NAME, second, shadow=True)
    worker = await platform.worker()
    await worker.parts.reload()
    await worker.commit(some(BANK_A, 20).take())
    assert await versions(platform) == {"1.0.0": 20}
    for _ in range(2):
        await worker.parts.comparisons.store(platform.database)
    rows = await curator.comparisons(NAME)
    assert sum(row.records for row in rows) == 20
    assert all(row.label != row.trial_label for row in rows)  # its labels are moved on by one
    assert {(row.active, row.trial) for row in rows} == {("1.0.0", second)}
    await curator.roll_back(NAME)
    assert [row.stage for row in await curator.models()] == ["active", "candidate"]
    await platform.sequence()
    assert (await platform.audit()).ok


async def test_a_worker_without_the_model_waits_and_goes_on_after_a_rollback(
    platform: Installation, second: str, tmp_path: Path
) -> None:
    health = Health()
    worker = await platform.worker(store=ModelStore(tmp_path / "elsewhere"), health=health)
    inbox = some(BANK_A, 2)
    frames = await worker.process(inbox.take())
    await platform.curator().activate(NAME, second, trust=UNTESTED)
    async with beside(keep_current(platform.database, worker.parts, health), "renewing"):
        committing = asyncio.create_task(worker.parts.committer.commit(frames))
        await until(health, State.WAITING)
        assert second in (health.parts()["models"].why or "")
        assert health.alive
        assert not health.ready
        await platform.curator().roll_back(NAME)
        await until(health, State.WORKING)
        assert await committing == set()
    await worker.parts.reload()  # what was read while the change was made counts as older than it
    inbox.taken = 0
    assert await worker.commit(inbox.take())
    assert await versions(platform) == {"1.0.0": 2}


async def test_a_candidate_that_is_not_here_is_left_out_and_the_worker_works(
    platform: Installation, second: str, tmp_path: Path
) -> None:
    await platform.curator().activate(NAME, second, share=99, trust=UNTESTED)
    health = Health()
    worker = await platform.worker(store=ModelStore(tmp_path / "elsewhere"), health=health)
    await worker.parts.reload()
    assert health.parts()["models"].state is State.DEGRADED
    await worker.commit(some(BANK_A, 3).take())
    assert await versions(platform) == {"1.0.0": 3}


async def test_what_was_not_measured_or_is_worse_is_not_activated(platform: Installation, second: str) -> None:
    curator = platform.curator()
    with pytest.raises(ConfigurationError, match="not evaluated"):
        await curator.activate(NAME, second)
    await curator.evaluated(NAME, second, measured(0.90))
    with pytest.raises(ConfigurationError, match="on the same data"):
        await curator.activate(NAME, second)
    await curator.evaluated(NAME, "1.0.0", measured(0.92, digest="other"))
    with pytest.raises(ConfigurationError, match="on the same data"):
        await curator.activate(NAME, second)
    await curator.evaluated(NAME, "1.0.0", measured(0.92))
    with pytest.raises(ConfigurationError, match=r"0\.0200 worse"):
        await curator.activate(NAME, second, share=5)
    await curator.activate(NAME, second, trust=Trust(max_loss=0.03))
    said = (await model_leaves(platform, PLATFORM_TENANT))[-1]["model_change"]
    assert (said["change"], said["loss"], said["follows"]) == ("activate", "0.03", "1.0.0")
    await platform.sequence()
    assert (await platform.audit()).ok


async def test_the_log_says_why_a_version_was_activated_unmeasured(platform: Installation, second: str) -> None:
    await platform.curator().activate(NAME, second, trust=UNTESTED)
    said = (await model_leaves(platform, BANK_B.tenant))[-1]["model_change"]
    assert said["reason"] == UNTESTED.unevaluated
    assert "loss" not in said


@pytest.mark.parametrize("trust", [{"max_loss": -0.1}, {"max_loss": float("nan")}, {"unevaluated": " "}])
def test_a_reason_is_said_and_a_loss_is_a_difference(trust: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        Trust(**trust)


async def test_what_the_store_has_lost_is_not_activated(platform: Installation, tmp_path: Path) -> None:
    store = ModelStore(tmp_path / "store")
    curator = platform.curator(store=store)
    row = await curator.add(other_version(tmp_path / "third", "3.0.0"))
    path = store.place(row.name, row.version, row.digest) / "model.onnx"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ConfigurationError, match="SHA-256 differs"):
        await curator.activate(NAME, row.version, trust=UNTESTED)
    shutil.rmtree(store.place(row.name, row.version, row.digest))
    with pytest.raises(ConfigurationError, match=r"model\.json"):
        await curator.activate(NAME, row.version, trust=UNTESTED)
    assert [row.stage for row in await curator.models()] == ["active", "candidate"]


async def test_a_version_is_added_once_and_keeps_its_kind(platform: Installation, second: str, tmp_path: Path) -> None:
    curator = platform.curator()
    with pytest.raises(ConfigurationError, match="registered already"):
        await curator.add(other_version(tmp_path / "again"))
    with pytest.raises(ConfigurationError, match="registered already"):
        await curator.add(other_version(tmp_path / "changed", shift=2))
    with pytest.raises(ConfigurationError, match="the shipped model"):
        await curator.add(other_version(tmp_path / "shipped", "1.0.0"))
    with pytest.raises(ConfigurationError, match="by no other"):
        await curator.add(other_version(tmp_path / "named", name="kinds"))
    assert len(await curator.models()) == 2


async def test_transactions_are_never_left_without_a_model(platform: Installation, second: str) -> None:
    with pytest.raises(ConfigurationError, match="need a model"):
        await platform.curator().retire(NAME, "1.0.0")
    await platform.curator().retire(NAME, second)
    with pytest.raises(ConfigurationError, match="retired already"):
        await platform.curator().retire(NAME, second)


@pytest.mark.parametrize(
    ("statement", "finding"),
    [
        pytest.param("UPDATE models SET stage = 'retired' WHERE version = '2.0.0'", "stage in its row", id="stage"),
        pytest.param("UPDATE models SET share = 50 WHERE version = '2.0.0'", "share in its row", id="share"),
        pytest.param("UPDATE models SET shadow = true WHERE version = '2.0.0'", "shadow in its row", id="shadow"),
        pytest.param("UPDATE models SET follows = '9' WHERE version = '2.0.0'", "follows in its row", id="follows"),
        pytest.param("UPDATE models SET card = 'good' WHERE version = '2.0.0'", "card in its row", id="card"),
        pytest.param("UPDATE models SET metrics = 'x' WHERE version = '2.0.0'", "metrics in its row", id="metrics"),
        pytest.param("UPDATE models SET digest = 'ab' WHERE version = '2.0.0'", "digest in its row", id="digest"),
        pytest.param("UPDATE models SET manifest = '{}' WHERE version = '2.0.0'", "holds no manifest", id="manifest"),
        pytest.param("UPDATE models SET version = '2.0.1' WHERE version = '2.0.0'", "is gone", id="version"),
        pytest.param("DELETE FROM models WHERE version = '2.0.0'", "is gone", id="deleted"),
        pytest.param(
            "INSERT INTO models SELECT name, '7', '7', manifest, card, metrics, 'retired', 0, false, NULL FROM models"
            " WHERE version = '2.0.0'",
            "no leaf says that it was added",
            id="inserted",
        ),
    ],
)
async def test_an_audit_finds_a_row_that_somebody_changed(
    platform: Installation, second: str, statement: str, finding: str
) -> None:
    await platform.sequence()
    assert (await platform.audit()).ok
    await platform.execute(statement)
    found = (await platform.audit()).findings
    assert any(finding in str(each) for each in found), found


async def test_an_audit_finds_a_model_that_was_slipped_in_behind_the_logs_back(
    platform: Installation, second: str
) -> None:
    """Activated by SQL, with a revision that workers follow: the results name it, and no leaf lets it answer."""
    await platform.execute("UPDATE models SET stage = 'retired' WHERE version = '1.0.0'")
    await platform.execute("UPDATE models SET stage = 'active' WHERE version = '2.0.0'")
    await platform.execute("INSERT INTO registry_changes DEFAULT VALUES")
    worker = await platform.worker()
    await worker.parts.reload()
    await worker.commit(some(BANK_A, 2).take())
    await platform.execute("UPDATE models SET stage = 'candidate' WHERE version = '2.0.0'")
    await platform.execute("UPDATE models SET stage = 'active' WHERE version = '1.0.0'")
    await platform.sequence()
    found = [str(each) for each in (await platform.audit()).findings]
    assert len(found) == 2
    assert all("2.0.0 that answered is not in force" in each for each in found)


async def test_a_log_that_begins_later_knows_the_models_by_the_platforms(platform: Installation, second: str) -> None:
    await platform.curator().activate(NAME, second, trust=UNTESTED)
    late = Producer("late-bank")
    await platform.registrar().register(late.new_key())
    worker = await platform.worker()
    await worker.parts.reload()
    await worker.commit(some(late, 2).take())
    assert await model_leaves(platform, late.tenant) == []
    await platform.sequence()
    assert (await platform.audit()).ok
