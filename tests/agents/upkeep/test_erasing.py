"""Records erased for good: nothing of their content is left, the log says so, and an audit tells that from damage."""

from uuid import UUID

import pytest

from agents.intake.worker import beside
from agents.platform.knowledge import load_knowledge
from agents.replay import NotReplayable
from agents.upkeep.erasing import Eraser, NothingToErase, erase_again
from schemas.errors import ConfigurationError
from schemas.identity import item_record_id, message_record_id
from streams.storage.record_uuid import record_uuid
from tests.support.installation import BANK_A, Installation, Producer, Worker
from tests.support.messages import OWNER, Inbox, entry, statement, transaction

LATE = Producer("bank-late")


async def erase(platform: Installation, name: UUID, reason: str = "request 7 of a customer") -> tuple[int, int]:
    """Erase as the command does, without any tier key; returns how many messages and records had content."""
    knowledge = await load_knowledge(platform.database, platform.identity, max_tier=0)
    assert not knowledge.tier_keys.held()
    done = await Eraser(platform.database, platform.identity, knowledge, actor="officer@example.org").erase(
        name, reason
    )
    return done.messages, done.records


def name_of(message: str, item: int | None = None) -> UUID:
    if item is None:
        return record_uuid(message_record_id(BANK_A.source, message))
    return record_uuid(item_record_id(BANK_A.source, message, item))


async def filled(worker: Worker) -> None:
    inbox, statements = Inbox(), Inbox("statements")
    BANK_A.put(inbox, *(transaction(name) for name in ("a", "b")))
    BANK_A.put(statements, statement("s", [entry("s1"), entry("s2")]))
    await worker.commit(inbox.take(), statements.take())


async def is_verified(platform: Installation) -> tuple[int, int]:
    """The audit finds nothing wrong; returns how many records and messages it saw as erased."""
    report = await platform.audit()
    assert report.ok, [str(finding) for finding in report.findings]
    return sum(log.records_erased for log in report.logs), sum(log.evidence_erased for log in report.logs)


async def test_an_erased_record_is_gone_and_its_neighbours_are_not(platform: Installation, worker: Worker) -> None:
    await filled(worker)
    before = await platform.one("SELECT count(*) FROM terms")
    assert await erase(platform, name_of("a")) == (1, 1)
    assert await platform.one("SELECT count(*) FROM terms WHERE record_id = $1", name_of("a")) == 0
    assert await platform.one("SELECT count(*) FROM terms") < before
    reader = await platform.reader(5)
    (gone,) = await reader.show(name_of("a"))
    assert {field.state for field in gone.fields.values()} == {"erased"}
    assert {"amount", "account", "label"} <= gone.fields.keys()
    (kept,) = await reader.show(name_of("b"))
    assert {field.state for field in kept.fields.values()} == {"open"}
    assert name_of("a") not in {view.stored.record_id for view in await reader.search("account", OWNER.iban)}
    assert await is_verified(platform) == (0, 0)  # nothing has a place yet
    await platform.sequence()
    assert await is_verified(platform) == (1, 1)


async def test_the_leaf_says_what_was_erased_by_whom_and_commits_to_the_reason(
    platform: Installation, worker: Worker
) -> None:
    await filled(worker)
    await erase(platform, name_of("a"))
    (leaf,) = [leaf for leaf in await platform.leaves("bank-a") if leaf["kind"] == "erase"]
    assert (leaf["record"], leaf["message"], leaf["count"]) == (str(name_of("a")), str(name_of("a")), 1)
    assert leaf["actor"]
    assert "customer" not in str(leaf)
    await platform.sequence()
    await platform.execute("UPDATE disclosures SET sealed = set_byte(sealed, 40, get_byte(sealed, 40) # 1)")
    assert any("broken" in finding.what for finding in (await platform.audit()).findings)


async def test_an_entry_goes_with_the_bytes_of_its_statement_and_the_other_entries_stay(
    platform: Installation, worker: Worker
) -> None:
    await filled(worker)
    assert await erase(platform, name_of("s", 0)) == (1, 1)
    views = {view.stored.n: view for view in await (await platform.reader(5)).show(name_of("s"))}
    assert {field.state for field in views[0].fields.values()} == {"erased"}
    assert {field.state for field in views[1].fields.values()} == {"open"}
    assert await platform.one("SELECT evidence FROM messages WHERE message_id = $1", name_of("s")) is None
    await platform.sequence()
    assert await is_verified(platform) == (1, 1)
    assert await erase(platform, name_of("s")) == (0, 1)
    await platform.sequence()
    assert await is_verified(platform) == (2, 1)


async def test_an_erased_message_that_is_sent_again_is_a_duplicate_and_leaves_nothing(
    platform: Installation, worker: Worker
) -> None:
    await filled(worker)
    await erase(platform, name_of("a"))
    again = Inbox(partition=3)
    BANK_A.put(again, transaction("a"))
    await worker.commit(again.take())
    assert await platform.one("SELECT count(*) FROM messages WHERE message_id = $1", name_of("a")) == 1
    await platform.sequence()
    assert await is_verified(platform) == (1, 1)


async def test_the_bytes_of_a_dead_letter_go_with_what_its_replay_made_of_it(
    platform: Installation, worker: Worker
) -> None:
    inbox = Inbox(partition=7)
    LATE.put(inbox, transaction("late"))
    await worker.commit(inbox.take())
    await platform.registrar().register(LATE.new_key())
    await platform.sequence()
    (replayed,) = await platform.replay()
    assert replayed.record is not None
    assert replayed.record != replayed.dead_letter
    assert await erase(platform, replayed.record) == (2, 1)
    assert await platform.one("SELECT count(*) FROM messages WHERE evidence IS NOT NULL") == 0
    leaves = [leaf for leaf in await platform.leaves() if leaf["kind"] == "erase"]
    assert {leaf["message"] for leaf in leaves} == {str(replayed.record), str(replayed.dead_letter)}
    await platform.sequence()
    assert await is_verified(platform) == (1, 2)


async def test_an_erased_dead_letter_is_not_replayed(platform: Installation, worker: Worker) -> None:
    inbox = Inbox(partition=7)
    LATE.put(inbox, transaction("late"))
    await worker.commit(inbox.take())
    await platform.sequence()
    letter = await platform.one("SELECT dead_letter_id FROM dead_letters")
    assert await erase(platform, letter) == (1, 0)
    view = await (await platform.reader(5)).show_dead_letter(letter)
    assert view is not None
    assert view.state == "erased"
    (answer,) = await platform.replay(letter)
    assert isinstance(answer.problem, NotReplayable)
    await platform.sequence()
    assert await is_verified(platform) == (0, 1)


async def test_what_is_not_there_or_not_explained_is_refused(platform: Installation, worker: Worker) -> None:
    await filled(worker)
    with pytest.raises(NothingToErase):
        await erase(platform, UUID(int=1))
    with pytest.raises(ConfigurationError, match="--reason"):
        await erase(platform, name_of("a"), " ")
    assert await platform.one("SELECT count(*) FROM results WHERE sealed IS NULL") == 0


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        pytest.param("UPDATE results SET sealed = NULL WHERE n = 1", "no leaf says", id="fields-without-a-leaf"),
        pytest.param(
            "UPDATE messages SET evidence = NULL WHERE type LIKE '%statement%'", "no leaf says", id="evidence"
        ),
        pytest.param("DELETE FROM erasures", "erasure ledger is gone", id="ledger-emptied"),
        pytest.param(
            "INSERT INTO erasures SELECT log_id, commit_id, 77, message_id FROM messages LIMIT 1",
            "no leaf of",
            id="planted",
        ),
        pytest.param(
            "INSERT INTO terms SELECT log_id, field, token, (SELECT record_id FROM results WHERE sealed IS NULL) "
            "FROM terms LIMIT 1",
            "a blind term of an erased record",
            id="term",
        ),
    ],
)
async def test_an_audit_tells_damage_from_erasure(
    platform: Installation, worker: Worker, damage: str, says: str
) -> None:
    await filled(worker)
    await erase(platform, name_of("a"))
    await platform.sequence()
    assert await is_verified(platform) == (1, 1)
    await platform.execute(damage)
    findings = (await platform.audit()).findings
    assert findings
    assert all(says in finding.what for finding in findings), [str(finding) for finding in findings]


async def test_restored_rows_are_found_and_erased_again(platform: Installation, worker: Worker) -> None:
    await filled(worker)
    await platform.execute("CREATE TABLE backup AS SELECT record_id, sealed FROM results")
    await platform.execute("CREATE TABLE backup_terms AS SELECT * FROM terms")
    await platform.execute("CREATE TABLE backup_messages AS SELECT message_id, evidence FROM messages")
    await erase(platform, name_of("a"))
    await erase(platform, name_of("s", 0))
    await platform.sequence()
    terms = await platform.one("SELECT count(*) FROM terms")
    await platform.execute("UPDATE results r SET sealed = b.sealed FROM backup b WHERE b.record_id = r.record_id")
    await platform.execute(
        "UPDATE messages m SET evidence = b.evidence FROM backup_messages b WHERE b.message_id = m.message_id"
    )
    await platform.execute("DELETE FROM terms")
    await platform.execute("INSERT INTO terms SELECT * FROM backup_terms")
    await platform.execute("DROP TABLE backup, backup_terms, backup_messages")
    findings = (await platform.audit()).findings
    assert {finding.where for finding in findings if "there again" in finding.what} == {
        f"record {name}" for name in (name_of("a"), name_of("s"), name_of("s", 0))
    }
    async with platform.database.session() as connection:
        await erase_again(connection)
    assert await platform.one("SELECT count(*) FROM terms") == terms
    assert await is_verified(platform) == (2, 2)


async def test_erasing_beside_a_worker_loses_nothing_else(platform: Installation, worker: Worker) -> None:
    inbox, parts = Inbox(), worker.parts

    async def work() -> None:
        for number in range(60):
            BANK_A.put(inbox, *(transaction(f"t{number}-{n}") for n in range(5)))
            assert await parts.committer.submit(await parts.pipeline.run(inbox.take()))

    async with beside(parts.committer.run(), "group-commit"), beside(work(), "work"):
        erased = 0
        while erased < 10:
            row = await platform.rows("SELECT record_id FROM results WHERE sealed IS NOT NULL LIMIT 1")
            if row:
                assert await erase(platform, row[0]["record_id"]) == (1, 1)
                erased += 1
    await platform.sequence()
    assert await is_verified(platform) == (10, 10)
    total = await platform.one("SELECT count(*) FROM results")
    assert await platform.one("SELECT count(*) FROM results WHERE sealed IS NOT NULL") == total - 10
