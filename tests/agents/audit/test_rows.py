"""Each column that a leaf speaks of: one change to it is one finding, at its exact place."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest

from agents.audit import VerifyReport
from agents.inference.engine import Engine
from sealstream.audit.auditing import audit
from tests.support.databases import Databases
from tests.support.installation import BANK_A, BANK_B, Installation, Worker, installed
from tests.support.messages import Inbox, entry, statement, transaction
from tests.support.records import registered_record
from tests.support.tampering import STRANGER

SCHEMA = "urn:test:payee/1"
CATALOGUE = (
    {"record_type": SCHEMA, "field": "payee", "tier": 3, "search": "name"},
    {"record_type": SCHEMA, "field": "secret", "tier": 5},
)
LOG = "sealstream.local/logs/bank-a"


@dataclass(frozen=True, slots=True)
class Small:
    """A database with one of everything, which each test finds as it was."""

    databases: Databases
    dsn: str
    keys: Path
    engine: Engine


async def fill(platform: Installation) -> None:
    """Plain, refused, repeated and contradicting messages, statements with a bad entry, registered records, a look."""
    worker = await platform.worker()
    inbox, statements, records = Inbox(), Inbox("statements"), Inbox("records")
    BANK_A.put(inbox, *(transaction(f"t{n}") for n in range(6)))
    BANK_A.put(inbox, transaction("t1"), transaction("t2", amount="1.00"), transaction("bad", currency="nothing"))
    inbox.put(transaction("stranger"), STRANGER, BANK_A.source)
    BANK_B.put(inbox, *(transaction(f"b{n}") for n in range(3)))
    BANK_A.put(statements, statement("s1", [entry("r1"), entry("r2", stated="none"), entry("r3"), entry("r4")]))
    for name in ("k1", "k2"):
        registered_record(records, name, SCHEMA, {"payee": "Zoé Lefèvre", "secret": 7})
    await worker.commit(inbox.take(5))
    await worker.commit(inbox.take(), statements.take(), records.take())
    await (await platform.reader(3)).list(limit=3)
    await platform.sequence()


@pytest.fixture(scope="module")
async def small(databases: Databases, engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Small:
    keys = tmp_path_factory.mktemp("rows") / "keys"
    dsn = databases.dsn(await databases.create())
    async with installed(dsn, keys, engine=engine, catalogue=CATALOGUE) as platform:
        await fill(platform)
    await databases.remember(dsn)
    return Small(databases, dsn, keys, engine)


@pytest.fixture
async def copy(small: Small) -> AsyncIterator[Installation]:
    async with (
        small.databases.remembered(small.dsn) as database,
        installed(small.dsn, small.keys, engine=small.engine, database=database) as platform,
    ):
        yield platform


async def verify(platform: Installation, tier: int = 5) -> VerifyReport:
    return await audit(platform.settings, tier=tier, patience=0, database=platform.database)


async def found(platform: Installation, tier: int = 5) -> list[str]:
    return [str(finding) for finding in (await verify(platform, tier)).findings]


async def place(platform: Installation, table: str, name: str) -> str:
    """Where a finding about this row has to point."""
    row = await platform.rows(
        f"SELECT l.origin, p.first_index + t.leaf AS index, t.commit_id FROM (SELECT * FROM {table} WHERE {name}) t "
        "JOIN logs l USING (log_id) JOIN placements p USING (log_id, commit_id)"
    )
    return f"log {row[0]['origin']}, index {row[0]['index']} (commit {row[0]['commit_id']})"


PLAIN = "message_id = (SELECT message_id FROM messages WHERE kafka_offset = 3 AND topic = 'transactions')"
STATEMENT = "message_id = (SELECT message_id FROM messages WHERE topic = 'statements')"
FIRST_ITEM = f"{STATEMENT} AND n = 0"
LAST_ITEM = f"{STATEMENT} AND n = 3"
ENTRY = f"{STATEMENT} AND reason <> 'conflict'"
CONFLICT = "reason = 'conflict'"
UNKNOWN = "reason = 'unknown_key'"


async def test_the_untouched_rows_are_all_compared(copy: Installation) -> None:
    report = await verify(copy)
    assert report.ok, [str(finding) for finding in report.findings]
    assert report.identities == await copy.one("SELECT count(*) FROM identities") > 10
    assert report.terms == await copy.one("SELECT count(*) FROM terms") > 40
    assert report.disclosures == await copy.one("SELECT count(*) FROM disclosures") > 0


@pytest.mark.parametrize("tier", [1, 2, 3, 4])
async def test_an_auditor_of_any_tier_finds_nothing_in_untouched_rows(copy: Installation, tier: int) -> None:
    report = await verify(copy, tier)
    assert report.ok, [str(finding) for finding in report.findings]
    assert (report.terms > 0) == (tier >= 3)


@pytest.mark.parametrize(
    ("table", "which", "change", "what"),
    [
        pytest.param("results", PLAIN, "type = 'other'", "column type of its result", id="result-type"),
        pytest.param("results", LAST_ITEM, "type = 'io.sealstream.statement.v1'", "column type", id="item-type"),
        pytest.param("results", PLAIN, "n = 0", "column n of its result", id="number-of-a-message-that-is-its-record"),
        pytest.param("results", FIRST_ITEM, "n = 7", "column n of its result", id="item-number"),
        pytest.param("results", LAST_ITEM, "n = NULL", "column n of its result", id="item-without-number"),
        pytest.param("results", FIRST_ITEM, "tenant = 'bank-b'", "column tenant of its result", id="result-tenant"),
        pytest.param("messages", PLAIN, "type = 'other'", "column type of its message", id="message-type"),
        pytest.param("messages", PLAIN, "tenant = 'bank-b'", "column tenant of its message", id="message-tenant"),
        pytest.param("messages", PLAIN, "outcome = 'rejected'", "column outcome of its message", id="message-outcome"),
        pytest.param("messages", PLAIN, "topic = 'statements'", "are in no step of its commit", id="message-topic"),
        pytest.param("messages", PLAIN, "part = 5", "are in no step of its commit", id="message-partition"),
        pytest.param("messages", PLAIN, "kafka_offset = 5", "are in no step of its commit", id="message-offset"),
        pytest.param("messages", PLAIN, "received_at = 'infinity'", "received_at is no moment", id="received-never"),
        pytest.param("messages", PLAIN, "received_at = '4000-01-01 BC'", "received_at is no moment", id="received-bc"),
        pytest.param(
            "dead_letters", ENTRY, "tenant = 'bank-b'", "column tenant of its dead letter", id="letter-tenant"
        ),
        pytest.param("dead_letters", ENTRY, "kafka_offset = 1", "are not those of its message", id="letter-offset"),
        pytest.param("dead_letters", ENTRY, "topic = 'x'", "are not those of its message", id="letter-topic"),
        pytest.param(
            "dead_letters", ENTRY, "dead_letter_id = gen_random_uuid()", "column dead_letter_id", id="letter-name"
        ),
        pytest.param("disclosures", "tenant = 'bank-a'", "tenant = 'x'", "column tenant of its disclosure", id="look"),
    ],
)
async def test_one_changed_column_is_one_finding(
    copy: Installation, table: str, which: str, change: str, what: str
) -> None:
    where = await place(copy, table, which)
    await copy.execute(f"UPDATE {table} SET {change} WHERE {which}")
    (finding,) = await found(copy)
    assert finding.startswith(f"{where}: ")
    assert what in finding


@pytest.mark.parametrize("which", [CONFLICT, UNKNOWN])
async def test_a_message_named_by_its_place_has_that_place(copy: Installation, which: str) -> None:
    where = await place(copy, "dead_letters", which)
    names = f"message_id = (SELECT message_id FROM dead_letters WHERE {which})"
    await copy.execute(f"UPDATE messages SET kafka_offset = 8 WHERE {names}")
    await copy.execute(f"UPDATE dead_letters SET kafka_offset = 8 WHERE {which}")
    (finding,) = await found(copy)
    assert finding == f"{where}: topic, part and kafka_offset of its message are not those of its name"


async def test_two_items_of_a_statement_that_change_places_are_both_found(copy: Installation) -> None:
    await copy.execute(f"UPDATE results SET n = 3 - n WHERE {STATEMENT} AND n IN (0, 3)")
    findings = await found(copy)
    assert len(findings) == 2
    assert all("column n of its result" in finding for finding in findings)


async def test_a_row_at_a_leaf_of_another_kind_is_found(copy: Installation) -> None:
    """The leaf of a repeated message has no rows; nor has that of a look a result."""
    (letter,) = await copy.rows("SELECT * FROM dead_letters WHERE reason = 'conflict'")
    await copy.execute(
        "INSERT INTO dead_letters (dead_letter_id, message_id, log_id, tenant, commit_id, leaf, reason, detail, topic, "
        "part, kafka_offset) SELECT gen_random_uuid(), message_id, log_id, tenant, commit_id, leaf - 1, reason, "
        "detail, topic, part, kafka_offset FROM dead_letters WHERE reason = 'conflict'"
    )
    (finding,) = await found(copy)
    assert finding == (
        f"log {LOG}, commit {letter['commit_id']}: a row of dead_letters has no leaf (ordinal {letter['leaf'] - 1})"
    )


async def message(platform: Installation, which: str = PLAIN) -> UUID:
    name: UUID = await platform.one(f"SELECT message_id FROM messages WHERE {which}")
    return name


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        pytest.param("DELETE FROM identities WHERE record_id = $1", "its row in identities is gone", id="deleted"),
        pytest.param(
            "UPDATE identities SET digest = set_byte(digest, 3, get_byte(digest, 3) # 1) WHERE record_id = $1",
            "does not have the digest of its evidence",
            id="digest",
        ),
        pytest.param(
            "UPDATE identities SET commit_id = 77 WHERE record_id = $1", "names commit 77", id="another-commit"
        ),
    ],
)
@pytest.mark.parametrize(
    "which",
    [
        pytest.param(PLAIN, id="record"),
        pytest.param(STATEMENT, id="statement"),
        pytest.param("kafka_offset = 8 AND topic = 'transactions'", id="refused"),
    ],
)
async def test_a_changed_identity_is_one_finding(copy: Installation, which: str, statement: str, what: str) -> None:
    name, where = await message(copy, which), await place(copy, "messages", which)
    await copy.execute(statement, name)
    (finding,) = await found(copy)
    assert finding.startswith(f"{where}, message {name}: ")
    assert what in finding


async def test_an_auditor_who_may_not_open_evidence_still_finds_that_an_identity_is_gone(copy: Installation) -> None:
    await copy.execute("DELETE FROM identities WHERE record_id = $1", await message(copy))
    (finding,) = await found(copy, tier=1)
    assert "its row in identities is gone" in finding


async def test_a_name_that_nobody_took_is_found(copy: Installation) -> None:
    """Planted to have a message refused that is still to come; one for a conflict's place name does nothing else."""
    name, unused = UUID(int=99), await copy.one("SELECT dead_letter_id FROM dead_letters WHERE reason = 'conflict'")
    for each in (name, unused):
        await copy.execute("INSERT INTO identities (record_id, digest, commit_id) VALUES ($1, '\\x00', 5)", each)
    assert set(await found(copy)) == {
        f"record {each}: its row in identities (commit 5) belongs to no message" for each in (name, unused)
    }


GONE = "its blind term is gone: no search finds the record by this field"
SURPLUS = "a blind term that the field does not give: searches find the record by another value"


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        pytest.param("DELETE FROM terms WHERE record_id = $1 AND field = $2", GONE, id="deleted"),
        pytest.param(
            "UPDATE terms SET token = '\\x0011223344556677' WHERE record_id = $1 AND field = $2",
            "its blind term is not that of its value",
            id="changed",
        ),
        pytest.param(
            "INSERT INTO terms SELECT log_id, field, '\\x0011223344556677', record_id FROM terms "
            "WHERE record_id = $1 AND field = $2",
            SURPLUS,
            id="added",
        ),
        pytest.param(
            "INSERT INTO terms SELECT * FROM terms WHERE record_id = $1 AND field = $2", SURPLUS, id="doubled"
        ),
        pytest.param(
            "INSERT INTO terms SELECT log_id, field, '\\x00', record_id FROM terms WHERE record_id = $1 AND field = $2",
            SURPLUS,
            id="of-another-length",
        ),
    ],
)
@pytest.mark.parametrize(
    ("which", "field"),
    [
        pytest.param(PLAIN, "counterparty_name", id="record"),
        pytest.param(LAST_ITEM, "end_to_end_id", id="item"),
        pytest.param("type = 'io.sealstream.record.v1'", "payee", id="registered-record"),
    ],
)
async def test_a_changed_blind_term_is_one_finding(
    copy: Installation, which: str, field: str, statement: str, what: str
) -> None:
    name = await copy.one(f"SELECT record_id FROM results WHERE {which} LIMIT 1")
    await copy.execute(statement, name, field)
    assert await found(copy) == [f"log {LOG}, record {name}, field {field}: {what}"]


async def test_a_term_of_a_field_that_is_not_searched_or_of_no_log_is_found(copy: Installation) -> None:
    name = await copy.one(f"SELECT record_id FROM results WHERE {PLAIN}")
    await copy.execute("INSERT INTO terms SELECT log_id, 'amount', token, record_id FROM terms WHERE record_id = $1 "
                       "AND field = 'account'", name)  # fmt: skip
    await copy.execute("INSERT INTO terms SELECT 99, field, token, record_id FROM terms WHERE record_id = $1 "
                       "AND field = 'account'", name)  # fmt: skip
    assert set(await found(copy)) == {
        f"log {LOG}, record {name}, field amount: {SURPLUS}",
        f"log number 99, record {name}, field account: {SURPLUS}",
    }


async def test_a_record_made_to_be_found_instead_of_another_is_named_with_it(copy: Installation) -> None:
    one, other = [
        row["record_id"]
        for row in await copy.rows(
            "SELECT DISTINCT record_id FROM terms WHERE field = 'end_to_end_id' ORDER BY 1 LIMIT 2"
        )
    ]
    await copy.execute("UPDATE terms SET record_id = $2 WHERE record_id = $1 AND field = 'end_to_end_id'", one, other)
    assert set(await found(copy)) == {
        f"log {LOG}, record {one}, field end_to_end_id: {GONE}",
        f"log {LOG}, record {other}, field end_to_end_id: {SURPLUS}",
    }


async def test_blind_terms_of_a_record_that_does_not_open_are_no_further_findings(copy: Installation) -> None:
    await copy.execute(f"UPDATE results SET sealed = NULL WHERE {PLAIN}")
    await copy.execute(f"DELETE FROM results WHERE {LAST_ITEM}")
    findings = await found(copy)
    assert len(findings) == 2
    assert not [finding for finding in findings if "blind term" in finding]


async def test_a_catalogue_that_cannot_be_read_is_a_finding(copy: Installation) -> None:
    await copy.execute("UPDATE catalogue_fields SET search = 'wrong' WHERE field = 'payee'")
    (finding,) = await found(copy)
    assert finding.startswith("table catalogue_fields: ")


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        pytest.param("DELETE FROM disclosures", "its row in disclosures is gone", id="deleted"),
        pytest.param(
            "UPDATE disclosures SET sealed = set_byte(sealed, length(sealed) - 3, 255 - get_byte(sealed, "
            "length(sealed) - 3))",
            "disclosure: ",
            id="changed",
        ),
        pytest.param("UPDATE disclosures SET pass_id = pass_id + 1", "disclosure: ", id="another-pass"),
        pytest.param(
            "INSERT INTO disclosures SELECT log_id, commit_id, leaf + 1, tenant, pass_id, sealed FROM disclosures",
            "a row of disclosures has no leaf (ordinal 1)",
            id="added",
        ),
    ],
)
async def test_a_changed_disclosure_is_found_in_each_log_that_it_touched(
    copy: Installation, statement: str, what: str
) -> None:
    touched = await copy.one("SELECT count(*) FROM disclosures")
    await copy.execute(statement)
    findings = await found(copy)
    assert len(findings) == touched
    assert all(what in finding for finding in findings)


async def test_a_disclosure_of_another_look_does_not_open(copy: Installation) -> None:
    await (await copy.reader(3)).list(limit=1)
    await copy.sequence()
    await copy.execute(
        "UPDATE disclosures d SET sealed = o.sealed, pass_id = o.pass_id FROM disclosures o "
        "WHERE o.log_id = d.log_id AND o.commit_id = (SELECT max(commit_id) FROM disclosures) "
        "AND d.commit_id <> o.commit_id"
    )
    findings = await found(copy)
    assert findings
    assert all(", disclosure: " in finding for finding in findings)


async def test_an_auditor_below_the_tier_of_disclosures_leaves_them_sealed(copy: Installation) -> None:
    await copy.execute("UPDATE disclosures SET sealed = set_byte(sealed, length(sealed) - 3, 0)")
    report = await verify(copy, tier=2)
    assert report.ok
    assert report.disclosures == 0


async def test_one_broken_log_does_not_hide_the_findings_of_another(copy: Installation) -> None:
    await copy.execute("UPDATE results SET outcome = 'x', note = 'y', message_id = gen_random_uuid()")
    places = {finding.where.split(",")[0] for finding in (await verify(copy)).findings}
    assert places == {"log sealstream.local/logs/bank-a", "log sealstream.local/logs/bank-b"}


async def test_ends_that_are_no_list_of_numbers_are_a_finding(copy: Installation) -> None:
    await copy.execute("UPDATE bundles SET ends = ARRAY[ends, ends]")
    findings = await found(copy)
    assert [finding for finding in findings if "its leaves are not divided as sequenced" in finding]


async def test_commits_that_wait_for_a_place_are_no_findings(copy: Installation) -> None:
    inbox = Inbox(partition=1)
    BANK_A.put(inbox, *(transaction(f"w{n}") for n in range(4)))
    await (await copy.worker()).commit(inbox.take())
    report = await verify(copy)
    assert report.ok, [str(finding) for finding in report.findings]
    assert sum(log.waiting for log in report.logs) == 1


async def test_a_log_without_a_checkpoint_is_found_at_once_without_patience(copy: Installation) -> None:
    await copy.execute("DELETE FROM checkpoints")
    assert len(await found(copy)) == await copy.one("SELECT count(DISTINCT log_id) FROM placements")


async def test_a_sequencer_at_work_gets_its_time_to_sign(copy: Installation) -> None:
    newest = await copy.rows("DELETE FROM checkpoints RETURNING log_id, size, root, note")

    async def sign_later() -> None:
        await asyncio.sleep(0.7)
        for row in newest:
            await copy.execute("INSERT INTO checkpoints (log_id, size, root, note) VALUES ($1, $2, $3, $4)", *row)

    report, _ = await asyncio.gather(audit(copy.settings, patience=60), sign_later())
    assert report.ok, [str(finding) for finding in report.findings]


async def test_a_row_that_is_no_signed_checkpoint_covers_nothing(copy: Installation) -> None:
    await copy.execute("DELETE FROM checkpoints")
    report_before = len(await found(copy))
    await copy.execute(
        "INSERT INTO checkpoints (log_id, size, root, note) SELECT log_id, 999999, '\\x00', 'x' FROM logs"
    )
    findings = await found(copy)
    assert len([finding for finding in findings if "no checkpoint covers" in finding]) == report_before


async def test_an_audit_of_a_platform_at_work_finds_nothing(platform: Installation, worker: Worker) -> None:
    """Everything it reads is of one moment, whatever is committed and placed meanwhile."""
    inbox = Inbox()
    BANK_A.put(inbox, *(transaction(f"l{n}") for n in range(240)))
    await worker.commit(inbox.take(40))
    await platform.sequence()
    done = asyncio.Event()

    async def work() -> None:
        while inbox.taken < len(inbox.records):
            await worker.commit(inbox.take(20))
            await platform.sequence()
            await asyncio.sleep(0)
        done.set()

    async def look() -> list[VerifyReport]:
        reports = [await audit(platform.settings, patience=60)]
        while not done.is_set():
            reports.append(await audit(platform.settings, patience=60))
        return reports

    reports, _ = await asyncio.gather(look(), work())
    assert [str(finding) for report in reports for finding in report.findings] == []
