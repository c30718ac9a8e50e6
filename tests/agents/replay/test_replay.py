"""Dead letters taken in again: what becomes of them, what is refused, and that the audit and the counts stay right."""

import asyncio
import datetime as dt
from typing import Any
from uuid import UUID

import pytest

from agents.inference.engine import Engine
from agents.intake.door import Evidence
from agents.replay import AlreadyReplayed, NotReplayable, Replayed
from schemas.identity import message_record_id
from schemas.reasons import Reason
from sealstream.audit.auditing import audit
from sealstream.oneshot.outcome import Outcome
from tests.support.engines import FaultyEngine
from tests.support.installation import BANK_A, Installation, Producer, Worker
from tests.support.messages import APPENDED_MS, OWNER, Inbox, entry, statement, transaction
from tests.support.records import registered_record

LATE = Producer("bank-late")
SCHEMA = "urn:test:payee/1"
APPENDED = dt.datetime.fromtimestamp(APPENDED_MS / 1000, dt.UTC)
CREATE_TIME = 0


async def register_late(platform: Installation, **times: dt.datetime) -> None:
    await platform.registrar().register(LATE.new_key(**times))


async def refused(platform: Installation, worker: Worker, *names: str) -> list[UUID]:
    """Transactions of a bank whose key is not registered yet; returns their dead letters."""
    inbox = Inbox(partition=7)
    LATE.put(inbox, *(transaction(name) for name in names))
    await worker.commit(inbox.take())
    await platform.sequence()
    rows = await platform.rows("SELECT dead_letter_id FROM dead_letters WHERE part = 7 ORDER BY kafka_offset")
    return [row["dead_letter_id"] for row in rows]


async def replays(platform: Installation) -> list[dict[str, Any]]:
    return [leaf for leaf in await platform.leaves() if leaf["kind"] == "replay"]


async def verified(platform: Installation) -> Outcome:
    """Everything has a place, the audit finds nothing, and what it saw is counted."""
    await platform.sequence()
    outcome = Outcome()
    report = await audit(platform.settings, observe=outcome.observe, patience=0, database=platform.database)
    assert report.ok, [str(finding) for finding in report.findings]
    assert report.replays == len(await replays(platform))
    assert outcome.doubled == 0
    return outcome


def told(answers: list[Replayed]) -> list[tuple[str | None, str | None]]:
    return [(each.outcome, each.reason) for each in answers]


async def test_a_message_of_an_unknown_key_is_taken_in_once_the_key_is_registered(
    platform: Installation, worker: Worker
) -> None:
    (letter,) = await refused(platform, worker, "t1")
    await register_late(platform)
    (answer,) = await platform.replay(letter)
    name = UUID(bytes=message_record_id(LATE.source, "t1"))
    assert answer == Replayed(letter, "booked", None, name, name)
    (leaf,) = await replays(platform)
    first = await platform.one("SELECT origin || '#0' FROM logs WHERE tenant = 'platform'")
    assert (leaf["first"], leaf["linked"]) == (first, str(letter))
    assert (leaf["outcome"], leaf["record"], leaf["message"]) == ("booked", str(name), str(name))
    assert "reason" not in leaf
    assert [each["kind"] for each in await platform.leaves(LATE.tenant)] == ["replay", "result"]
    (view,) = await (await platform.reader(3)).search("account", OWNER.iban)
    assert view.stored.record_id == name
    row = (await platform.rows("SELECT * FROM messages WHERE tenant = $1", LATE.tenant))[0]
    assert (row["topic"], row["part"], row["kafka_offset"]) == ("transactions", 7, 0)
    assert (row["received_at"], row["outcome"]) == (APPENDED, "accepted")
    outcome = await verified(platform)
    assert (outcome.messages, outcome.results.total(), outcome.replayed) == (1, 1, 1)
    assert outcome.rejected.total() == 0


async def test_a_commit_of_a_replay_moves_no_watermark(platform: Installation, worker: Worker) -> None:
    (letter,) = await refused(platform, worker, "t1")
    await register_late(platform)
    before = await platform.rows("SELECT * FROM watermark_steps")
    commits = "SELECT count(*) FROM commits WHERE watermark = ''"
    others = await platform.one(commits)
    await platform.replay(letter)
    assert await platform.rows("SELECT * FROM watermark_steps") == before
    assert await platform.one(commits) == others + 1


async def test_a_second_replay_of_what_is_in_is_refused(platform: Installation, worker: Worker) -> None:
    letters = await refused(platform, worker, "t1", "t2")
    await register_late(platform)
    await platform.replay(letters[0])
    again, other = await platform.replay(*letters)
    assert isinstance(again.problem, AlreadyReplayed)
    assert "replayed before, as booked" in str(again.problem)
    assert other.outcome == "booked"
    assert len(await replays(platform)) == 2
    assert (await verified(platform)).results.total() == 2


async def test_a_message_with_its_own_name_is_taken_in_under_it(platform: Installation, worker: Worker) -> None:
    """Verified and refused, it has had its name since; the catalogue learns its schema later."""
    inbox = Inbox("records")
    registered_record(inbox, "k1", SCHEMA, {"payee": "Zoé Lefèvre"})
    await worker.commit(inbox.take())
    await platform.sequence()
    (letter,) = [row["dead_letter_id"] for row in await platform.rows("SELECT * FROM dead_letters")]
    assert told(await platform.replay(letter)) == [("rejected", Reason.SCHEMA_VIOLATION)]
    await platform.execute(
        "INSERT INTO catalogue_fields (tenant, record_type, field, tier, search) VALUES ('*', $1, 'payee', 3, 'name')",
        SCHEMA,
    )
    (answer,) = await platform.replay(letter)
    assert (answer.outcome, answer.record) == ("stored", letter)
    outcome = await verified(platform)
    assert (outcome.messages, outcome.results, outcome.rejected.total()) == (1, {"stored": 1}, 0)
    refusal, success = await replays(platform)
    assert (refusal["reason"], refusal["record"]) == ("schema_violation", str(letter))
    assert (success["first"], success["linked"]) == (refusal["first"], refusal["linked"])
    assert [view.stored.record_id for view in await (await platform.reader(3)).search("payee", "ZOÉ LEFÈVRE")] == [
        letter
    ]


async def test_what_is_refused_again_is_a_leaf_and_stays_a_dead_letter(platform: Installation, worker: Worker) -> None:
    (letter,) = await refused(platform, worker, "t1")
    for _ in range(2):
        (answer,) = await platform.replay(letter)
        assert (answer.outcome, answer.reason, answer.message) == ("rejected", Reason.UNKNOWN_KEY, letter)
    found = await replays(platform)
    assert [(each["outcome"], each["reason"], each["message"]) for each in found] == [
        ("rejected", "unknown_key", str(letter))
    ] * 2
    assert {each.get("record") for each in found} == {None}
    assert await platform.one("SELECT count(*) FROM messages") == 1
    assert await platform.one("SELECT count(*) FROM identities") == 0
    (listed,) = await (await platform.reader(1)).dead_letters()
    assert listed.replayed == "unknown_key"
    outcome = await verified(platform)
    assert (outcome.messages, outcome.rejected, outcome.replayed) == (1, {Reason.UNKNOWN_KEY: 1}, 0)
    await register_late(platform)
    assert told(await platform.replay(letter)) == [("booked", None)]


async def test_what_can_be_verified_now_and_is_still_wrong_claims_nothing(
    platform: Installation, worker: Worker
) -> None:
    inbox = Inbox(partition=7)
    LATE.put(inbox, transaction("t1", amount="-1"))
    await worker.commit(inbox.take())
    await platform.sequence()
    await register_late(platform)
    assert told(await platform.replay()) == [("rejected", Reason.SCHEMA_VIOLATION)]
    LATE.put(inbox, transaction("t1"))
    renewed = await (await reopened(platform)).worker()
    await renewed.commit(inbox.take())
    outcome = await verified(platform)
    assert (outcome.messages, outcome.results.total()) == (2, 1)


async def reopened(platform: Installation) -> Installation:
    """The same platform with what is registered now."""
    from dataclasses import replace

    from agents.platform.knowledge import load_knowledge

    return replace(platform, knowledge=await load_knowledge(platform.database, platform.identity))


async def test_a_conflict_stays_a_conflict(platform: Installation, worker: Worker) -> None:
    inbox = Inbox()
    BANK_A.put(inbox, transaction("t1"), transaction("t1", amount="7.00"))
    await worker.commit(inbox.take())
    await platform.sequence()
    assert told(await platform.replay()) == [("rejected", Reason.CONFLICT)]
    outcome = await verified(platform)
    assert (outcome.results.total(), outcome.rejected) == (1, {Reason.CONFLICT: 1})


async def test_what_was_sent_again_meanwhile_is_a_duplicate_or_a_conflict(
    platform: Installation, worker: Worker
) -> None:
    letters = await refused(platform, worker, "same", "other")
    await register_late(platform)
    inbox = Inbox(partition=8)
    LATE.put(inbox, transaction("same"), transaction("other", amount="7.00"))
    await (await (await reopened(platform)).worker()).commit(inbox.take())
    assert told(await platform.replay(*letters)) == [("duplicate", None), ("rejected", Reason.CONFLICT)]
    again, _ = await platform.replay(*letters)
    assert isinstance(again.problem, AlreadyReplayed)
    outcome = await verified(platform)
    assert (outcome.messages, outcome.results.total(), outcome.rejected) == (4, 2, {Reason.UNKNOWN_KEY: 1})


async def test_of_two_dead_letters_of_one_message_one_is_taken_in(platform: Installation, worker: Worker) -> None:
    letters = await refused(platform, worker, "same", "same", "another")
    await register_late(platform)
    assert told(await platform.replay(*letters)) == [("booked", None), ("duplicate", None), ("booked", None)]
    outcome = await verified(platform)
    assert (outcome.messages, outcome.results.total()) == (3, 2)


async def test_entries_of_a_statement_that_were_refused_alone_are_taken_in_alone(
    platform: Installation, engine: Engine
) -> None:
    worker = await platform.worker(engine=FaultyEngine(engine, unanswered="R2"))
    inbox = Inbox("statements")
    BANK_A.put(inbox, statement("s1", [entry("R1"), entry("R2"), entry("R3"), entry("XR2", stated="1,0")]))
    await worker.commit(inbox.take())
    await platform.sequence()
    statement_id = UUID(bytes=message_record_id(BANK_A.source, "s1"))
    answers = await platform.replay()
    assert told(answers) == [("booked", None), ("rejected", Reason.SCHEMA_VIOLATION)]
    assert answers[0].message == statement_id
    row = (await platform.rows("SELECT * FROM results WHERE record_id = $1", answers[0].record))[0]
    assert (row["n"], row["message_id"]) == (1, statement_id)
    assert await platform.one("SELECT count(*) FROM messages") == 1
    found = await replays(platform)
    assert found[0]["record"] == found[0]["linked"] == str(answers[0].dead_letter)
    outcome = await verified(platform)
    assert (outcome.messages, outcome.results.total(), outcome.replayed) == (1, 3, 1)
    assert outcome.rejected.total() == 1


async def test_an_entry_taken_in_alone_is_linked_with_its_repeats(platform: Installation, engine: Engine) -> None:
    worker = await platform.worker(engine=FaultyEngine(engine, unanswered="R2"))
    inbox = Inbox("statements")
    BANK_A.put(inbox, statement("s1", [entry("R1"), entry("R2")]))
    await worker.commit(inbox.take())
    await platform.sequence()
    (answer,) = await platform.replay()
    BANK_A.put(inbox, statement("s2", [entry("R2")]))
    await (await platform.worker()).commit(inbox.take())
    assert await platform.one("SELECT linked FROM results WHERE note = 'duplicate_entry'") == answer.record
    await verified(platform)


async def test_a_statement_that_was_refused_whole_brings_its_entries(platform: Installation, worker: Worker) -> None:
    inbox = Inbox("statements", partition=7)
    LATE.put(inbox, statement("s1", [entry("R1"), entry("R2", stated="1,0"), entry("R3")]))
    await worker.commit(inbox.take())
    await platform.sequence()
    await register_late(platform)
    (answer,) = await platform.replay()
    assert answer.outcome == "not_stated"
    outcome = await verified(platform)
    assert (outcome.messages, outcome.results.total(), outcome.statements.total()) == (1, 2, 1)
    assert outcome.rejected.total() == 1, "its bad entry is a dead letter of its own now"
    (bad,) = await platform.rows("SELECT * FROM dead_letters WHERE tenant = $1", LATE.tenant)
    (again,) = await platform.replay(bad["dead_letter_id"])
    assert again.outcome == "rejected"
    await verified(platform)


@pytest.mark.parametrize(
    ("times", "outcome"),
    [
        pytest.param({}, "booked", id="always-valid"),
        pytest.param({"revoked_at": dt.timedelta(seconds=1)}, "booked", id="revoked-after-it-was-received"),
        pytest.param({"revoked_at": dt.timedelta(0)}, "key_revoked", id="revoked-at-that-moment"),
        pytest.param({"revoked_at": -dt.timedelta(days=1)}, "key_revoked", id="revoked-before"),
        pytest.param({"not_after": dt.timedelta(seconds=1)}, "booked", id="expired-since"),
        pytest.param({"not_after": dt.timedelta(0)}, "key_expired", id="expired-then"),
        pytest.param({"not_before": dt.timedelta(0)}, "booked", id="valid-from-that-moment"),
        pytest.param({"not_before": dt.timedelta(seconds=1)}, "key_expired", id="not-valid-yet"),
    ],
)
async def test_a_key_is_judged_as_of_the_moment_the_broker_took_the_message(
    platform: Installation, worker: Worker, times: dict[str, dt.timedelta], outcome: str
) -> None:
    (letter,) = await refused(platform, worker, "t1")
    moments = {name: APPENDED + offset for name, offset in times.items()}
    revoked = moments.pop("revoked_at", None)
    await register_late(platform, **moments)
    if revoked is not None:
        await platform.registrar().revoke(LATE.key_id, revoked)
    (answer,) = await platform.replay(letter)
    assert (answer.reason or answer.outcome) == outcome
    await verified(platform)


async def test_a_producer_s_timestamp_does_not_move_a_message_before_the_revocation(
    platform: Installation, worker: Worker
) -> None:
    inbox = Inbox(partition=7)
    (record,) = LATE.put(inbox, transaction("t1"))
    record.timestamp, record.timestamp_type = APPENDED_MS, CREATE_TIME
    await worker.commit(inbox.take())
    await platform.sequence()
    await register_late(platform)
    await platform.registrar().revoke(LATE.key_id, APPENDED + dt.timedelta(days=1))
    assert told(await platform.replay()) == [("rejected", Reason.KEY_REVOKED)]
    await verified(platform)


TAMPERED = [
    pytest.param(
        "UPDATE messages SET evidence = set_byte(evidence, length(evidence) - 3, "
        "255 - get_byte(evidence, length(evidence) - 3)) WHERE message_id = $1",
        "is broken at field 'evidence'",
        id="evidence",
    ),
    pytest.param(
        "UPDATE messages m SET evidence = o.evidence, pass_id = o.pass_id FROM messages o "
        "WHERE m.message_id = $1 AND o.message_id <> $1",
        "is broken at field 'evidence'",
        id="another-message-s-evidence",
    ),
    pytest.param(
        "UPDATE messages SET received_at = received_at - interval '1 day' WHERE message_id = $1",
        "received_at of its message is not what the log says",
        id="time-of-receipt",
    ),
    pytest.param(
        "UPDATE messages SET received_at = 'infinity' WHERE message_id = $1", "received_at", id="no-time-of-receipt"
    ),
    pytest.param(
        "UPDATE bundles SET body = overlay(body placing '2027' FROM position('2026'::bytea IN body)) "
        "WHERE commit_id = (SELECT commit_id FROM dead_letters WHERE dead_letter_id = $1)",
        "its leaf is not the one that was committed",
        id="leaf",
    ),
    pytest.param(
        "UPDATE commits SET hashes = set_byte(hashes, 3, 255 - get_byte(hashes, 3)) "
        "WHERE commit_id = (SELECT commit_id FROM dead_letters WHERE dead_letter_id = $1)",
        "its root is not the root of its hashes",
        id="hashes",
    ),
    pytest.param(
        "UPDATE commits SET signature = set_byte(signature, 3, 255 - get_byte(signature, 3)) "
        "WHERE commit_id = (SELECT commit_id FROM dead_letters WHERE dead_letter_id = $1)",
        "bad worker signature",
        id="signature",
    ),
    pytest.param(
        "DELETE FROM bundles WHERE commit_id = (SELECT commit_id FROM dead_letters WHERE dead_letter_id = $1)",
        "its leaf is gone",
        id="no-leaves",
    ),
    pytest.param(
        "UPDATE messages SET evidence = NULL WHERE message_id = $1", "not kept or are erased", id="evidence-gone"
    ),
    pytest.param("DELETE FROM messages WHERE message_id = $1", "not kept or are erased", id="message-gone"),
    pytest.param("UPDATE dead_letters SET leaf = leaf + 9 WHERE dead_letter_id = $1", "its leaf", id="another-leaf"),
]


@pytest.mark.parametrize(("statement", "says"), TAMPERED)
async def test_what_is_not_as_the_log_says_is_refused_and_the_others_go_on(
    platform: Installation, worker: Worker, statement: str, says: str
) -> None:
    (letter,) = await refused(platform, worker, "t1")
    inbox = Inbox("records")
    registered_record(inbox, "k1", SCHEMA, {"payee": "x"})
    await worker.commit(inbox.take())
    await platform.sequence()
    other = await platform.one("SELECT dead_letter_id FROM dead_letters WHERE topic = 'records'")
    await register_late(platform)
    await platform.execute(statement, letter)
    broken, sound = await platform.replay(letter, other)
    assert broken.outcome is None
    assert says in str(broken.problem)
    assert sound.reason is Reason.SCHEMA_VIOLATION
    assert await platform.one("SELECT count(*) FROM results") == 0
    assert [leaf["linked"] for leaf in await replays(platform)] == [str(other)] or says == "its leaf is gone"


async def test_a_dead_letter_without_a_place_in_the_log_waits_for_one(platform: Installation, worker: Worker) -> None:
    inbox = Inbox(partition=7)
    LATE.put(inbox, transaction("t1"))
    await worker.commit(inbox.take())
    (answer,) = await platform.replay()
    assert isinstance(answer.problem, NotReplayable)
    assert "no place in the log yet" in str(answer.problem)
    await platform.sequence()
    (answer,) = await platform.replay()
    assert answer.problem is None


async def test_an_unknown_id_is_told_and_an_id_given_twice_is_one(platform: Installation, worker: Worker) -> None:
    (letter,) = await refused(platform, worker, "t1")
    unknown, known = await platform.replay(UUID(int=5), letter, letter)
    assert "no dead letter has the id" in str(unknown.problem)
    assert known.outcome == "rejected"


async def test_of_two_replays_at_once_one_takes_it_in(platform: Installation, worker: Worker) -> None:
    letters = await refused(platform, worker, *(f"t{n}" for n in range(20)))
    await register_late(platform)
    both = await asyncio.gather(platform.replay(*letters), platform.replay(*reversed(letters)))
    for name in letters:
        answers = [each for answers in both for each in answers if each.dead_letter == name]
        assert sorted(each.ok for each in answers) == [False, True]
        assert [type(each.problem) for each in answers if not each.ok] == [AlreadyReplayed]
    assert (await verified(platform)).results.total() == 20


async def test_a_fault_of_ours_costs_one_dead_letter_its_turn_and_quotes_nothing(
    platform: Installation, worker: Worker, engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    letters = await refused(platform, worker, *(f"t{n}" for n in range(9)))
    await register_late(platform)
    answers = await platform.replay(*letters, engine=FaultyEngine(engine, breaking="zu t4"))
    assert [each.ok for each in answers] == [n != 4 for n in range(9)]
    assert "ZeroDivisionError at engines.py" in str(answers[4].problem)
    printed = capsys.readouterr()
    assert "Rechnung" not in printed.out + printed.err + str(answers[4].problem)
    assert (await verified(platform)).results.total() == 8
    assert told(await platform.replay(letters[4])) == [("booked", None)]


async def test_every_open_dead_letter_of_a_reason_is_replayed_once_the_oldest_first(
    platform: Installation, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agents.replay.replayer.PAGE", 3)
    letters = await refused(platform, worker, *(f"t{n}" for n in range(8)))
    inbox = Inbox("records")
    registered_record(inbox, "k1", SCHEMA, {"payee": "x"})
    await worker.commit(inbox.take())
    await platform.sequence()
    first = [each async for each in (await platform.replayer()).replay_reason(Reason.UNKNOWN_KEY)]
    assert ([each.dead_letter for each in first], {each.reason for each in first}) == (letters, {Reason.UNKNOWN_KEY})
    await register_late(platform)
    await platform.replay(letters[2])
    rest = [each async for each in (await platform.replayer()).replay_reason(Reason.UNKNOWN_KEY)]
    assert [each.dead_letter for each in rest] == [*letters[:2], *letters[3:]]
    assert all(each.ok for each in rest)
    assert [each async for each in (await platform.replayer()).replay_reason(Reason.UNKNOWN_KEY)] == []
    assert (await verified(platform)).results.total() == 8


async def test_large_messages_are_replayed_a_few_at_a_time(
    platform: Installation, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agents.replay.replayer.GROUP_BYTES", 3000)
    letters = await refused(platform, worker, *(f"t{n}" for n in range(6)))
    await register_late(platform)
    before = await platform.one("SELECT count(*) FROM commits")
    assert all(each.ok for each in await platform.replay(*letters))
    assert await platform.one("SELECT count(*) FROM commits") > before + 2
    assert (await verified(platform)).results.total() == 6


async def test_the_actor_is_a_pseudonym_of_the_tenant_s_log(platform: Installation, worker: Worker) -> None:
    (letter,) = await refused(platform, worker, "t1")
    async for _ in (await platform.replayer(actor="mika@example.org")).replay([letter]):
        pass
    (leaf,) = await replays(platform)
    assert leaf["actor"]
    assert "mika" not in str(leaf)


async def test_evidence_shows_the_envelope_with_every_header_at_its_tier(
    platform: Installation, worker: Worker
) -> None:
    inbox = Inbox()
    inbox.put_raw([("ce_id", b"x"), ("ce_id", b"y")], b"value", b"key")
    await worker.commit(inbox.take())
    (letter,) = await (await platform.reader(1)).dead_letters()
    low = await (await platform.reader(3)).show_dead_letter(letter.dead_letter_id)
    high = await (await platform.reader(4)).show_dead_letter(letter.dead_letter_id)
    assert low is not None
    assert high is not None
    assert (low.state, low.headers, low.key, low.value) == ("sealed", None, None, None)
    assert (high.headers, high.key, high.value) == ([("ce_id", "x"), ("ce_id", "y")], "key", "value")
    assert [leaf["basis"] for leaf in await platform.leaves() if leaf["kind"] == "read"] == ["tier:3", "tier:4"]


async def test_a_replayed_dead_letter_is_listed_and_shown_once(platform: Installation, worker: Worker) -> None:
    inbox = Inbox("records")
    registered_record(inbox, "k1", SCHEMA, {"payee": "x"})
    await worker.commit(inbox.take())
    await platform.sequence()
    await platform.execute(
        "INSERT INTO catalogue_fields (tenant, record_type, field, tier) VALUES ('*', $1, 'payee', 3)", SCHEMA
    )
    await platform.replay()
    assert await platform.one("SELECT count(*) FROM messages") == 2, "each with evidence of its own"
    (letter,) = await (await platform.reader(1)).dead_letters()
    assert letter.replayed == "stored"
    view = await (await platform.reader(4)).show_dead_letter(letter.dead_letter_id)
    assert view is not None
    assert view.state == "open"


def test_evidence_has_the_form_that_dead_letters_were_kept_in() -> None:
    assert Evidence.__struct_fields__ == ("headers", "key", "value")
