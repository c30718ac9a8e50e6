"""Looks that come together share a commit, each has its own leaf, and nobody is answered before that is durable."""

import asyncio
from uuid import UUID, uuid4

import pytest

from agents.access.look_log import LookLog, NewLook, WrittenLook
from agents.platform.actor import pseudonym
from schemas.errors import StorageError
from streams.storage.commit import CommitRequest, CommitStore
from streams.storage.commit_rows import COPY_FROM
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


async def test_a_look_that_cannot_be_written_down_costs_those_who_came_with_it_nothing(platform: Installation) -> None:
    looks = look_log(platform)
    known = platform.owner(BANK_A).log.log_id
    nowhere = NewLook("read", "berta", "tier:1", {known: [uuid4()], 9_999: [uuid4()]})
    no_name = look(platform, uuid4(), actor="\udcff")
    asked = [look(platform, uuid4(), uuid4()), nowhere, no_name, look(platform, uuid4(), uuid4(), uuid4())]
    answers = await asyncio.gather(*map(looks.write, asked), return_exceptions=True)
    assert [type(answer) for answer in answers] == [WrittenLook, KeyError, UnicodeEncodeError, WrittenLook]
    # Each is told its own place among those that were written.
    assert [answer.leaves for answer in answers if isinstance(answer, WrittenLook)] == [{known: 0}, {known: 1}]
    assert [leaf["count"] for leaf in await platform.leaves(BANK_A.tenant)] == [2, 3]
    await platform.sequence()
    report = await platform.audit()
    assert (report.findings, report.disclosures) == ([], 2)


async def test_nothing_is_written_where_no_look_can_be(platform: Installation) -> None:
    looks = look_log(platform)
    with pytest.raises(UnicodeEncodeError):
        await looks.write(look(platform, uuid4(), actor="\udcff"))
    assert await platform.leaves(BANK_A.tenant) == []
    async with platform.database.session() as connection:
        assert await connection.fetchval("SELECT count(*) FROM data_keys") == 0


async def test_more_looks_than_one_statement_takes_are_one_commit(platform: Installation) -> None:
    looks = look_log(platform)
    logs = [platform.owner(producer).log.log_id for producer in (BANK_A, BANK_B)]
    asked = [NewLook("read", "anna", "tier:1", {log: [uuid4()] for log in logs}) for _ in range(COPY_FROM // 2)]
    await asyncio.gather(*map(looks.write, asked))
    leaves = await platform.leaves(BANK_B.tenant)
    assert (len(leaves), len({leaf["commit"] for leaf in leaves})) == (COPY_FROM // 2, 1)


async def test_the_keyring_is_asked_once_for_a_tenant_s_pseudonyms(
    platform: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyring = platform.identity.keyring
    asked: list[tuple[str, str]] = []
    index_key = keyring.index_key

    def counted(tenant: str, field: str) -> bytes:
        asked.append((tenant, field))
        return index_key(tenant, field)

    monkeypatch.setattr(keyring, "index_key", counted)
    looks = look_log(platform)
    for actor in ("anna", "berta"):
        await looks.write(look(platform, uuid4(), actor=actor))
    leaves = await platform.leaves(BANK_A.tenant)
    assert asked == [(BANK_A.tenant, "actor")]
    assert [leaf["actor"] for leaf in leaves] == [pseudonym(keyring, BANK_A.tenant, name) for name in ("anna", "berta")]


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
