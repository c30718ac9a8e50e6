"""Looks that come together share a commit, each has its own leaf, and nobody is answered before that is durable."""

import asyncio
from uuid import UUID, uuid4

import pytest

from agents.look_log import LookLog, NewLook
from schemas.errors import StorageError
from streams.storage.commit import CommitRequest, CommitStore
from tests.support.installation import BANK_A, BANK_B, Installation


def look_log(platform: Installation) -> LookLog:
    return LookLog(platform.database, platform.identity, platform.knowledge, platform.identity.new_worker())


def look(platform: Installation, *ids: UUID, actor: str = "anna") -> NewLook:
    return NewLook("read", actor, "tier:1", {platform.owner(BANK_A).log.log_id: ids})


async def test_looks_that_come_together_share_commits_and_verify(platform: Installation) -> None:
    looks = look_log(platform)
    logs = [platform.owner(producer).log.log_id for producer in (BANK_A, BANK_B)]
    asked = [NewLook("search", f"reader {n}", "tier:2", {log: [uuid4()] * n for log in logs}) for n in range(30)]
    await asyncio.gather(*map(looks.write, asked))
    leaves = [leaf for leaf in await platform.leaves(BANK_A.tenant) if leaf["kind"] == "search"]
    assert sorted(leaf["count"] for leaf in leaves) == list(range(30))
    assert len({leaf["actor"] for leaf in leaves}) == 30
    assert len({leaf["commit"] for leaf in leaves}) <= 2
    await platform.sequence()
    report = await platform.audit()
    assert (report.findings, report.disclosures) == ([], 60)


async def test_a_look_that_could_not_be_written_is_an_error_for_all_who_wait(
    platform: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = look_log(platform)
    commit = CommitStore.commit

    async def away(self: CommitStore, request: CommitRequest) -> set[tuple[str, int]]:
        raise StorageError("the database is away")

    monkeypatch.setattr(CommitStore, "commit", away)
    answers = await asyncio.gather(*(looks.write(look(platform)) for _ in range(3)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [StorageError] * 3
    monkeypatch.setattr(CommitStore, "commit", commit)
    await looks.write(look(platform, uuid4()))
    assert [leaf["count"] for leaf in await platform.leaves(BANK_A.tenant)] == [1]


async def test_who_gives_up_waiting_holds_up_nobody(platform: Installation) -> None:
    looks = look_log(platform)
    given_up = asyncio.create_task(looks.write(look(platform, actor="berta")))
    waiting = asyncio.create_task(looks.write(look(platform, uuid4(), uuid4())))
    await asyncio.sleep(0)
    given_up.cancel()
    await waiting
    with pytest.raises(asyncio.CancelledError):
        await given_up
    assert 2 in [leaf["count"] for leaf in await platform.leaves(BANK_A.tenant)]
