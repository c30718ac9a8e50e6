"""What a replay says of its dead letter and of what it took in: one change to any of it is found, at its place."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from agents.commits.leaves import LeafBatch
from agents.inference.engine import Engine
from schemas.leaf import LEAF_VERSION, Leaf
from sealstream.audit.auditing import audit
from streams.storage.commit import CommitStore
from streams.storage.commit_rows import CommitRows
from tests.support.commits import certified, request
from tests.support.databases import Databases
from tests.support.engines import FaultyEngine
from tests.support.installation import BANK_A, Installation, Producer, installed
from tests.support.messages import Inbox, entry, statement, transaction
from tests.support.records import registered_record

LATE = Producer("bank-late")
SCHEMA = "urn:test:payee/1"
TENANT = "sealstream.local/logs/bank-late"
BANK = "sealstream.local/logs/bank-a"


@dataclass(frozen=True, slots=True)
class Replayed:
    """A database with one replay of every sort, which each test finds as it was."""

    databases: Databases
    dsn: str
    keys: Path
    engine: Engine


async def fill(platform: Installation, engine: Engine) -> None:
    """Of an unknown key a message and statement, a record of an unknown schema, an entry without an answer, a wreck."""
    worker = await platform.worker(engine=FaultyEngine(engine, unanswered="R2"))
    inbox, statements, records = Inbox(), Inbox("statements"), Inbox("records")
    LATE.put(inbox, transaction("t1"), transaction("t2"))
    LATE.put(statements, statement("late", [entry("L1"), entry("L2")]))
    BANK_A.put(statements, statement("s1", [entry("R1"), entry("R2"), entry("R3")]))
    registered_record(records, "k1", SCHEMA, {"payee": "x"})
    inbox.put_raw([("ce_id", b"x")], b"nothing")
    await worker.commit(inbox.take(), statements.take(), records.take())
    await platform.sequence()
    await platform.registrar().register(LATE.new_key())
    await platform.execute(
        "INSERT INTO catalogue_fields (tenant, record_type, field, tier, search) VALUES ('*', $1, 'payee', 3, 'name')",
        SCHEMA,
    )
    answers = await platform.replay()
    assert sum(each.ok for each in answers) == 5
    await platform.sequence()


@pytest.fixture(scope="module")
async def replayed(databases: Databases, engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Replayed:
    keys = tmp_path_factory.mktemp("replays") / "keys"
    dsn = databases.dsn(await databases.create())
    async with installed(dsn, keys, engine=engine) as platform:
        await fill(platform, engine)
    await databases.remember(dsn)
    return Replayed(databases, dsn, keys, engine)


@pytest.fixture
async def copy(replayed: Replayed) -> AsyncIterator[Installation]:
    async with (
        replayed.databases.remembered(replayed.dsn) as database,
        installed(replayed.dsn, replayed.keys, engine=replayed.engine, database=database) as platform,
    ):
        yield platform


async def found(platform: Installation) -> list[str]:
    return [
        str(finding) for finding in (await audit(platform.settings, patience=0, database=platform.database)).findings
    ]


@pytest.mark.parametrize("tier", [1, 3, 5])
async def test_untouched_replays_are_all_compared(copy: Installation, tier: int) -> None:
    report = await audit(copy.settings, tier=tier, patience=0, database=copy.database)
    assert report.ok, [str(finding) for finding in report.findings]
    assert report.replays == await copy.one("SELECT count(*) FROM replays") == 6


NEW_MESSAGE = "kafka_offset = 0 AND topic = 'transactions' AND outcome = 'accepted'"
OWN_NAME = "topic = 'records' AND outcome = 'accepted'"
ENTRY = "tenant = 'bank-a' AND n = 1"


@pytest.mark.parametrize(
    ("change", "log", "what"),
    [
        pytest.param("DELETE FROM replays WHERE outcome = 'stored'", BANK, "its row in replays is gone", id="row-gone"),
        pytest.param(
            "UPDATE replays SET outcome = 'booked' WHERE outcome = 'stored'", BANK, "column outcome", id="outcome"
        ),
        pytest.param(
            "UPDATE replays SET reason = 'stale' WHERE outcome = 'stored'", BANK, "column reason", id="reason"
        ),
        pytest.param(
            "UPDATE replays SET dead_letter_id = gen_random_uuid() WHERE outcome = 'stored'",
            BANK,
            "column dead_letter_id of its replay",
            id="dead-letter",
        ),
        pytest.param(
            f"UPDATE messages SET kafka_offset = 1 WHERE {NEW_MESSAGE}",
            TENANT,
            "topic, part, kafka_offset and received_at are not those of its dead letter",
            id="offset",
        ),
        pytest.param(
            f"UPDATE messages SET received_at = received_at + interval '1 s' WHERE {NEW_MESSAGE}",
            TENANT,
            "topic, part, kafka_offset and received_at are not those of its dead letter",
            id="time-of-receipt",
        ),
        pytest.param(
            f"UPDATE results SET n = 2 WHERE {ENTRY}",
            BANK,
            "column n of its result is not the place of its dead letter in its message",
            id="item-number",
        ),
        pytest.param(
            f"DELETE FROM identities WHERE record_id = (SELECT message_id FROM messages WHERE {NEW_MESSAGE})",
            TENANT,
            "its row in identities is gone",
            id="identity",
        ),
        pytest.param(f"DELETE FROM results WHERE {ENTRY}", BANK, "its row in results is gone", id="result-gone"),
    ],
)
async def test_one_change_is_one_finding(copy: Installation, change: str, log: str, what: str) -> None:
    await copy.execute(change)
    (finding,) = await found(copy)
    assert finding.startswith(f"log {log}, index ")
    assert what in finding


async def test_a_changed_time_of_receipt_of_a_dead_letter_is_found_with_its_replay(copy: Installation) -> None:
    """By it a key could be made to count that did not."""
    await copy.execute("UPDATE messages SET received_at = received_at - interval '1 day' WHERE outcome = 'rejected'")
    findings = await found(copy)
    assert len([each for each in findings if "received_at of its message is not what the leaf says" in each]) == 5
    assert len([each for each in findings if "are not those of its dead letter" in each]) == 4


async def test_an_identity_that_was_kept_since_the_refusal_is_compared_with_both(copy: Installation) -> None:
    name = await copy.one(f"SELECT message_id FROM messages WHERE {OWN_NAME}")
    await copy.execute("UPDATE identities SET commit_id = 77 WHERE record_id = $1", name)
    (finding,) = await found(copy)
    assert "names commit 77" in finding, "by the refusal, which took it"
    await copy.execute("UPDATE identities SET digest = '\\x00' WHERE record_id = $1", name)
    assert len([each for each in await found(copy) if "digest of its evidence" in each]) == 1


async def test_a_dead_letter_that_is_taken_in_twice_is_named(copy: Installation) -> None:
    letter = await copy.one("SELECT dead_letter_id FROM replays WHERE outcome = 'stored'")
    index = await copy.one("SELECT indexdef FROM pg_indexes WHERE indexname = 'replays_settled_key'")
    await copy.execute("DROP INDEX replays_settled_key")
    await copy.execute(
        "INSERT INTO replays SELECT log_id, commit_id, leaf + 1, dead_letter_id, tenant, outcome, reason FROM replays "
        "WHERE outcome = 'stored'"
    )
    findings = await found(copy)
    await copy.execute("DELETE FROM replays WHERE outcome = 'stored'")
    await copy.execute(index)
    assert f"dead letter {letter}: 2 replays took it in" in findings
    assert any("a row of replays has no leaf" in each for each in findings)


async def plant(platform: Installation, leaves: Sequence[Leaf], tenant: str = "bank-a") -> None:
    """A commit of these leaves by a certified worker that is not to be believed."""
    worker = await certified(platform.database, platform.identity)
    log = platform.knowledge.owners[tenant, "payments"].log

    def rows(_: object) -> CommitRows:
        batch = LeafBatch(900_000, worker)
        made = CommitRows()
        for each in leaves:
            ordinal = batch.add(log, each)
            if each.kind == "replay":
                said = each.linked, log.tenant, each.outcome, each.reason
                made.replays.append((log.log_id, 900_000, ordinal, *said, None))
        made.commits, made.bundles = batch.commit_rows(), batch.bundle_rows()
        return made

    await CommitStore(platform.database, group="", cluster="").commit(request(900_000, finish=rows))
    await platform.sequence()


def replay_leaf(**members: object) -> Leaf:
    said: dict[str, object] = {
        "v": LEAF_VERSION, "commit": 900_000, "kind": "replay", "time": "2026-01-05T08:00:00.000Z",
        "linked": "00000000-0000-0000-0000-000000000001", "outcome": "rejected", "reason": "malformed",
        "message": "00000000-0000-0000-0000-000000000001",
    }  # fmt: skip
    return Leaf(**(said | members))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "first",
    [
        pytest.param(None, id="none"),
        pytest.param("nowhere", id="no-place"),
        pytest.param("sealstream.local/logs/nobody#0", id="an-unknown-log"),
        pytest.param(f"{BANK}#999999", id="behind-the-end"),
        pytest.param(f"{BANK}#0", id="a-leaf-of-another-kind"),
        pytest.param(f"{BANK}#-1", id="a-negative-place"),
        pytest.param(f"{BANK}#99999999999999999999", id="no-64-bit-number"),
    ],
)
async def test_a_replay_that_points_to_no_dead_letter_is_found(copy: Installation, first: str | None) -> None:
    await plant(copy, [replay_leaf(first=first)])
    (finding,) = await found(copy)
    assert "`first` is not the place of the leaf of its dead letter" in finding


async def test_a_replay_that_took_nothing_in_though_it_says_so_is_found(copy: Installation) -> None:
    letter = (await copy.rows("SELECT * FROM dead_letters WHERE tenant = 'platform' AND reason = 'malformed'"))[0]
    index = await copy.one(
        "SELECT first_index FROM placements WHERE log_id = $1 AND commit_id = $2", letter["log_id"], letter["commit_id"]
    )
    name = str(letter["dead_letter_id"])
    first = f"sealstream.local/logs/platform#{index + letter['leaf']}"
    await plant(copy, [replay_leaf(first=first, linked=name, message=name, record=name, outcome="booked", reason=None)])
    (finding,) = await found(copy)
    assert "what it says it took in has no leaf in its commit" in finding


async def test_a_message_that_no_watermark_and_no_replay_explains_is_found(copy: Installation) -> None:
    name = "00000000-0000-0000-0000-000000000009"
    await plant(
        copy, [replay_leaf(kind="accepted", message=name, record=name, outcome="balanced", reason=None, linked=None)]
    )
    assert any(
        "its commit moved no watermark, and no leaf says that it was replayed" in each for each in await found(copy)
    )
