"""Whoever may write to the database changes one thing with plain SQL; the audit names the place."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import msgspec
import pytest

from agents.audit import Depth
from agents.commits.leaves import LeafBatch, LogRef
from security.commit_signature import WorkerKey
from tests.support.commits import leaf
from tests.support.databases import Databases
from tests.support.installation import Installation
from tests.support.tampering import Facts, Job, make_job

Tamper = Callable[[Installation, Facts], Awaitable[str]]
"""Damages the database; returns what a finding's place must contain."""


@pytest.fixture(scope="module")
async def job(databases: Databases, engine: object, tmp_path_factory: pytest.TempPathFactory) -> Job:
    directory: Path = tmp_path_factory.mktemp("tampering") / "keys"
    return await make_job(databases, directory, engine)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Sql:
    """One statement; both texts may name facts in braces."""

    statement: str
    where: str

    async def __call__(self, platform: Installation, facts: Facts) -> str:
        named = {name: getattr(facts, name) for name in Facts.__slots__}
        status = await platform.one(
            f"WITH touched AS ({self.statement.format(**named)} RETURNING 1) SELECT count(*) FROM touched"
        )
        assert status > 0, "the statement touched nothing"
        return self.where.format(**named)


def flipped(column: str, at: str = "length({}) / 2") -> str:
    """SQL for the column with one bit of one byte turned over."""
    place = at.format(column)
    return f"{column} = set_byte({column}, {place}, get_byte({column}, {place}) # 1)"


ROW = "log_id = {log} AND commit_id = {commit}"
RESULT = "record_id = '{record}'"
COMMIT = "log {origin}, commit {commit}"
INDEX = "log {origin}, index {index} (commit {commit})"
LETTER = "log {origin}, index {letter_index} (commit {letter_commit})"
STEP = (
    "commit_id = {commit} AND topic = 'transactions' AND from_offset = "
    "(SELECT max(from_offset) FROM watermark_steps WHERE commit_id = {commit} AND topic = 'transactions')"
)


def copied(name: str = "gen_random_uuid()", **columns: str) -> str:
    """SQL that adds a copy of the result under another name, with some columns changed."""
    names = (
        "message_id",
        "n",
        "log_id",
        "tenant",
        "domain",
        "commit_id",
        "leaf",
        "type",
        "outcome",
        "pass_id",
        "sealed",
    )
    values = ", ".join([name, *(columns.get(column, column) for column in names)])
    return f"INSERT INTO results (record_id, {', '.join(names)}) SELECT {values} FROM results WHERE {RESULT}"


BREAK_TIER_KEY = (
    f"UPDATE tier_keys SET {flipped('wrapped')} WHERE tenant = 'bank-a' AND domain = 'payments' AND tier = 3"
)


async def worker_of_somebody_else(platform: Installation, facts: Facts) -> str:
    """The key is replaced by one that the authority certified for another worker: everything it signed is in doubt."""
    other = platform.identity.new_worker()
    await platform.execute(
        "UPDATE worker_keys SET public_key = $1, certificate = $2 WHERE worker_id = $3",
        other.public_key, other.certificate, facts.worker,
    )  # fmt: skip
    return f"log {facts.origin}, commit {facts.commit}"


async def resigned_by_an_uncertified_worker(platform: Installation, facts: Facts) -> str:
    """A commit rewritten and signed by a key that the intruder certified himself."""
    intruder = WorkerKey(b"i" * 32, b"not the authority's seed, surely.."[:32])
    await platform.execute(
        "INSERT INTO worker_keys VALUES ($1, $2, $3)", intruder.worker_id, intruder.public_key, intruder.certificate
    )
    batch = LeafBatch(facts.commit, intruder)
    batch.add(LogRef(facts.log, "bank-a", facts.origin), leaf(facts.commit))
    (row,) = batch.commit_rows()
    await platform.execute(
        "UPDATE commits SET leaf_count = $3, leaves_root = $4, hashes = $5, watermark = $6, worker_id = $7, "
        "signature = $8 WHERE log_id = $1 AND commit_id = $2",
        *row,
    )
    return f"log {facts.origin}, commit {facts.commit}"


async def added_commit(platform: Installation, facts: Facts, *, placed: bool) -> str:
    """A commit that no worker signed, with hashes, root and bundle that fit each other."""
    intruder = WorkerKey(b"i" * 32, b"j" * 32)
    await platform.execute(
        "INSERT INTO worker_keys VALUES ($1, $2, $3)", intruder.worker_id, intruder.public_key, intruder.certificate
    )
    batch = LeafBatch(999_999, intruder)
    batch.add(LogRef(facts.log, "bank-a", facts.origin), leaf(999_999))
    await platform.execute(
        "INSERT INTO commits (log_id, commit_id, leaf_count, leaves_root, hashes, watermark, worker_id, signature) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        *batch.commit_rows()[0],
    )
    await platform.execute("INSERT INTO bundles VALUES ($1, $2, $3, $4)", *batch.bundle_rows()[0])
    if placed:
        await platform.execute("INSERT INTO placements VALUES ($1, $2, 999999, 1)", facts.log, facts.size)
        await platform.execute(
            "INSERT INTO log_steps SELECT log_id, size + 1, size, seen, epoch FROM log_steps "
            "WHERE log_id = $1 ORDER BY size DESC LIMIT 1",
            facts.log,
        )
    return f"log {facts.origin}, commit 999999"


async def added_unplaced_commit(platform: Installation, facts: Facts) -> str:
    return await added_commit(platform, facts, placed=False)


async def added_placed_commit(platform: Installation, facts: Facts) -> str:
    return await added_commit(platform, facts, placed=True)


async def reordered(platform: Installation, facts: Facts) -> str:
    """Two commits of equal length change places; every row is as it was signed."""
    swap = "UPDATE placements SET commit_id = $3 WHERE log_id = $1 AND commit_id = $2"
    for now, then in ((facts.commit, -1), (facts.later, facts.commit), (-1, facts.later)):
        await platform.execute(swap, facts.log, now, then)
    return f"log {facts.origin}, checkpoint"


async def two_logs_swapped(platform: Installation, facts: Facts) -> str:
    """Everything of one log stands under the other's number and the other way round."""
    for table in (
        "commits",
        "bundles",
        "placements",
        "tiles",
        "checkpoints",
        "log_steps",
        "results",
        "messages",
        "dead_letters",
    ):
        for now, then in ((facts.log, -1), (facts.other, facts.log), (-1, facts.other)):
            await platform.execute(f"UPDATE {table} SET log_id = $2 WHERE log_id = $1", now, then)
    return f"log {facts.other_origin}, commit {facts.commit}"


async def two_origins_swapped(platform: Installation, facts: Facts) -> str:
    """Two logs trade their commits alone: the places stay."""
    for table in ("commits", "bundles"):
        for now, then in ((facts.log, -1), (facts.other, facts.log), (-1, facts.other)):
            await platform.execute(f"UPDATE {table} SET log_id = $2 WHERE log_id = $1", now, then)
    return f"log {facts.origin}, commit {facts.commit}"


CASES: dict[str, Tamper] = {
    "bundle-body": Sql(f"UPDATE bundles SET {flipped('body', 'ends[{{leaf}} + 1] - 5')} WHERE {ROW}", INDEX),
    "bundle-ends": Sql(f"UPDATE bundles SET ends[{{leaf}} + 1] = ends[{{leaf}} + 1] - 1 WHERE {ROW}", INDEX),
    "bundle-cut-off": Sql(f"UPDATE bundles SET ends = ends[:2] WHERE {ROW}", COMMIT),
    "bundle-deleted": Sql(f"DELETE FROM bundles WHERE {ROW}", COMMIT),
    "commit-hashes": Sql(f"UPDATE commits SET {flipped('hashes')} WHERE {ROW}", COMMIT),
    "commit-root": Sql(f"UPDATE commits SET {flipped('leaves_root')} WHERE {ROW}", COMMIT),
    "commit-watermark": Sql(f"UPDATE commits SET {flipped('watermark')} WHERE {ROW}", COMMIT),
    "commit-leaf-count": Sql(f"UPDATE commits SET leaf_count = leaf_count - 1 WHERE {ROW}", COMMIT),
    "commit-signature": Sql(f"UPDATE commits SET {flipped('signature')} WHERE {ROW}", COMMIT),
    "commit-worker": Sql(
        "UPDATE commits SET worker_id = (SELECT min(worker_id) FROM worker_keys WHERE worker_id <> '{worker}') "
        f"WHERE {ROW}",
        COMMIT,
    ),
    "commit-deleted": Sql(f"DELETE FROM commits WHERE {ROW}", COMMIT),
    "worker-public-key": Sql(f"UPDATE worker_keys SET {flipped('public_key')} WHERE worker_id = '{{worker}}'", COMMIT),
    "worker-certificate": Sql(
        f"UPDATE worker_keys SET {flipped('certificate')} WHERE worker_id = '{{worker}}'", COMMIT
    ),
    "worker-deleted": Sql("DELETE FROM worker_keys WHERE worker_id = '{worker}'", COMMIT),
    "worker-of-somebody-else": worker_of_somebody_else,
    "commit-of-an-uncertified-worker": resigned_by_an_uncertified_worker,
    "placement-shifted": Sql(
        "UPDATE placements SET first_index = first_index + 100000 WHERE log_id = {log} AND commit_id = {commit}",
        "log {origin}, index {first_index}",
    ),
    "placement-removed": Sql(f"DELETE FROM placements WHERE {ROW}", "log {origin}, index {first_index}"),
    "placement-count": Sql(f"UPDATE placements SET leaf_count = leaf_count + 1 WHERE {ROW}", COMMIT),
    "last-placement-removed": Sql(
        "DELETE FROM placements WHERE log_id = {log} AND first_index + leaf_count = {size}",
        "log {origin}, checkpoint {size}",
    ),
    "placements-reordered": reordered,
    "log-steps-cut-off": Sql("DELETE FROM log_steps WHERE log_id = {log} AND size = {size}", "log {origin}"),
    "tile": Sql(f"UPDATE tiles SET {flipped('hashes')} WHERE log_id = {{log}}", "log {origin}, tile 0/0"),
    "tile-deleted": Sql("DELETE FROM tiles WHERE log_id = {log}", "log {origin}, tile 0/0"),
    "tile-added": Sql(
        'INSERT INTO tiles SELECT log_id, level, "index" + 7, hashes FROM tiles WHERE log_id = {log}',
        "log {origin}, tile 0/7",
    ),
    "checkpoint-note": Sql(
        "UPDATE checkpoints SET note = replace(note, split_part(note, E'\\n', 3), split_part(note, E'\\n', 3) || 'A') "
        "WHERE log_id = {log} AND size = {covering}",
        "log {origin}, checkpoint {covering}",
    ),
    "checkpoint-of-another-log": Sql(
        "UPDATE checkpoints SET note = "
        "(SELECT note FROM checkpoints WHERE log_id = {other} ORDER BY size DESC LIMIT 1) "
        "WHERE log_id = {log} AND size = {covering}",
        "log {origin}, checkpoint {covering}",
    ),
    "checkpoint-root": Sql(
        f"UPDATE checkpoints SET {flipped('root')} WHERE log_id = {{log}} AND size = {{covering}}",
        "log {origin}, checkpoint {covering}",
    ),
    "checkpoint-size": Sql(
        "UPDATE checkpoints SET size = size + 1 WHERE log_id = {log} AND size = {covering}",
        "log {origin}, checkpoint",
    ),
    "result-outcome": Sql(f"UPDATE results SET outcome = 'pending' WHERE {RESULT}", INDEX),
    "result-note": Sql(f"UPDATE results SET note = 'duplicate_entry' WHERE {RESULT}", INDEX),
    "result-linked": Sql(f"UPDATE results SET linked = message_id WHERE {RESULT}", INDEX),
    "result-record-id": Sql(
        f"UPDATE results SET record_id = '00000000-0000-0000-0000-000000000001' WHERE {RESULT}", INDEX
    ),
    "result-message-id": Sql(
        f"UPDATE results SET message_id = '00000000-0000-0000-0000-000000000001' WHERE {RESULT}", INDEX
    ),
    "result-domain": Sql(f"UPDATE results SET domain = 'other' WHERE {RESULT}", INDEX),
    "result-tenant": Sql(f"UPDATE results SET tenant = 'bank-b' WHERE {RESULT}", INDEX),
    "result-pass": Sql(f"UPDATE results SET pass_id = pass_id + 1 WHERE {RESULT}", "record {record}"),
    "result-sealed-away": Sql(f"UPDATE results SET sealed = NULL WHERE {RESULT}", INDEX),
    "result-moved-to-another-leaf": Sql(f"UPDATE results SET leaf = leaf + 1 WHERE {RESULT}", INDEX),
    "result-deleted": Sql(f"DELETE FROM results WHERE {RESULT}", INDEX),
    "result-copied": Sql(copied(), INDEX),
    "result-added-beyond-the-leaves": Sql(copied(leaf="leaf + 9999"), COMMIT),
    "result-added-to-no-commit": Sql(
        copied("'00000000-0000-0000-0000-000000000009'", commit_id="888888"),
        "log {origin}, record 00000000-0000-0000-0000-000000000009",
    ),
    "sealed-fields-of-another-record": Sql(
        "UPDATE results SET sealed = (SELECT sealed FROM results WHERE log_id = {log} AND commit_id = {commit} "
        f"AND leaf = {{leaf}} + 1) WHERE {RESULT}",
        "record {record}",
    ),
    "message-evidence": Sql(f"UPDATE messages SET {flipped('evidence')} WHERE message_id = '{{record}}'", INDEX),
    "message-outcome": Sql("UPDATE messages SET outcome = 'rejected' WHERE message_id = '{record}'", INDEX),
    "message-deleted": Sql("DELETE FROM messages WHERE message_id = '{record}'", INDEX),
    "message-evidence-away": Sql("UPDATE messages SET evidence = NULL WHERE message_id = '{record}'", INDEX),
    "dead-letter-reason": Sql("UPDATE dead_letters SET reason = 'stale' WHERE dead_letter_id = '{letter}'", LETTER),
    "dead-letter-deleted": Sql("DELETE FROM dead_letters WHERE dead_letter_id = '{letter}'", LETTER),
    "dead-letter-added": Sql(
        "INSERT INTO dead_letters (dead_letter_id, message_id, log_id, tenant, commit_id, leaf, reason, detail, topic, "
        "part, kafka_offset) SELECT gen_random_uuid(), message_id, log_id, tenant, {commit}, 9999, reason, detail, "
        "topic, part, kafka_offset FROM dead_letters WHERE dead_letter_id = '{letter}'",
        COMMIT,
    ),
    "data-key": Sql(
        f"UPDATE data_keys SET {flipped('wrapped')} WHERE pass_id = {{record_pass}} AND tier = 3", "record {record}"
    ),
    "data-key-deleted": Sql("DELETE FROM data_keys WHERE pass_id = {record_pass} AND tier = 2", "record {record}"),
    "watermark-end": Sql(
        f"UPDATE watermark_steps SET to_offset = to_offset + 1 WHERE {STEP}", "watermark transactions/0 from"
    ),
    "watermark-commit": Sql(
        f"UPDATE watermark_steps SET commit_id = 1000000 WHERE {STEP}", "watermark transactions/0 from"
    ),
    "watermark-deleted": Sql(f"DELETE FROM watermark_steps WHERE {STEP}", "watermark transactions/0 from"),
    "watermark-added": Sql(
        "INSERT INTO watermark_steps (grp, cluster, topic, part, from_offset, to_offset, commit_id) "
        "SELECT grp, cluster, topic, part, max(to_offset), max(to_offset) + 10, {commit} FROM watermark_steps "
        "WHERE topic = 'transactions' GROUP BY grp, cluster, topic, part",
        "watermark transactions/0 from",
    ),
    "watermark-of-another-partition": Sql(
        "INSERT INTO watermark_steps (grp, cluster, topic, part, from_offset, to_offset, commit_id) "
        "VALUES ('sealstream', 'test-cluster', 'records', 3, -1, 5, {commit})",
        "watermark records/3 from -1",
    ),
    "commit-added": added_unplaced_commit,
    "commit-added-and-placed": added_placed_commit,
    "latest-checkpoint-removed": Sql(
        "DELETE FROM checkpoints WHERE log_id = {log} AND size = {latest}", "log {origin}"
    ),
    "all-checkpoints-removed": Sql("DELETE FROM checkpoints WHERE log_id = {log}", "log {origin}"),
    "result-of-no-log": Sql(copied(log_id="999"), "log number 999"),
    "log-row-removed": Sql("DELETE FROM logs WHERE log_id = {other}", "log number {other}"),
    "result-position": Sql(f"UPDATE results SET n = 7 WHERE {RESULT}", INDEX),
    "result-type": Sql(f"UPDATE results SET type = 'other' WHERE {RESULT}", INDEX),
    "terms-deleted": Sql(f"DELETE FROM terms WHERE {RESULT}", "{record}"),
    "identity-deleted": Sql("DELETE FROM identities WHERE record_id = '{record}'", "{record}"),
    "identity-digest": Sql(f"UPDATE identities SET {flipped('digest')} WHERE record_id = '{{record}}'", "{record}"),
    "disclosure-deleted": Sql("DELETE FROM disclosures", "log"),
    "disclosure": Sql(f"UPDATE disclosures SET {flipped('sealed')}", "log"),
    "two-logs-swapped": two_logs_swapped,
    "two-logs-commits-swapped": two_origins_swapped,
}


# What an audit finds that does not go down to the rows.
IN_CHECKPOINTS = ("checkpoint-", "tile-deleted", "two-logs-swapped")
IN_TREE = (
    "bundle-", "commit-hashes", "commit-root", "commit-watermark", "commit-leaf-count", "commit-signature",
    "commit-worker", "commit-deleted", "commit-of", "commit-added-and-placed", "worker-", "placement", "last-placement",
    "log-steps", "tile", "all-checkpoints", "latest-checkpoint", "two-logs", *IN_CHECKPOINTS,
)  # fmt: skip


async def test_the_untouched_job_verifies_completely(job: Job) -> None:
    async with job.copy() as platform:
        report = await platform.audit()
        assert report.ok, [str(finding) for finding in report.findings]
        by_tenant = {log.tenant: log for log in report.logs}
        assert by_tenant["bank-a"].size == job.facts.size > 256
        assert by_tenant["bank-a"].checkpoints > 2
        assert by_tenant["bank-a"].signatures > 60
        assert by_tenant["bank-b"].size == 20 + 1 + 1, "records, a look and the producer's registration"
        assert all(log.waiting == log.fields_sealed == 0 and log.size for log in report.logs)


async def test_an_auditor_below_a_tier_counts_its_fields_as_sealed(job: Job) -> None:
    async with job.copy() as platform:
        report = await platform.audit(tier=2)
        assert report.ok
        (log,) = [log for log in report.logs if log.tenant == "bank-a"]
        assert log.fields_sealed > 0 < log.fields_opened
        assert log.signatures == 0, "the evidence is tier 3"


@pytest.mark.parametrize("depth", [Depth.CHECKPOINTS, Depth.TREE])
async def test_the_untouched_job_verifies_at_less_depth(job: Job, depth: Depth) -> None:
    async with job.copy() as platform:
        report, whole = await platform.audit(depth=depth), await platform.audit()
        assert report.ok, [str(finding) for finding in report.findings]
        for log, other in zip(report.logs, whole.logs, strict=True):
            assert (log.size, log.root, log.checkpoints) == (other.size, other.root, other.checkpoints)
        assert {log.fields_opened for log in report.logs} == {0}


@pytest.mark.parametrize("name", CASES)
async def test_one_change_is_found_and_placed(job: Job, name: str) -> None:
    async with job.copy() as platform:
        where = await CASES[name](platform, job.facts)
        depths = [Depth.ROWS] + [Depth.TREE] * name.startswith(IN_TREE)
        for depth in depths + [Depth.CHECKPOINTS] * name.startswith(IN_CHECKPOINTS):
            report = await platform.audit(depth=depth)
            assert not report.ok, depth
            found = [str(finding) for finding in report.findings[:5]]
            assert [f for f in report.findings if where in f.where] or depth is Depth.CHECKPOINTS, (depth, found)


async def test_one_byte_of_any_field_of_any_record_is_found(job: Job) -> None:
    """A different field in each of many records, so that one audit has to find them all."""
    async with job.copy() as platform:
        rows = await platform.rows("SELECT record_id, sealed FROM results WHERE log_id = $1", job.facts.log)
        hit: dict[str, UUID] = {}
        for row in rows:
            for name, _, ciphertext in msgspec.msgpack.decode(row["sealed"])[2]:
                if name not in hit and row["record_id"] not in hit.values():
                    hit[name] = row["record_id"]
                    at = row["sealed"].index(ciphertext) + len(ciphertext) // 2
                    await platform.execute(
                        "UPDATE results SET sealed = set_byte(sealed, $2, get_byte(sealed, $2) # 1) "
                        "WHERE record_id = $1",
                        row["record_id"],
                        at,
                    )
        assert {"account", "amount", "confidence", "counterparty_name", "label", "remittance_information"} <= hit.keys()
        report = await platform.audit()
        found = [str(finding) for finding in report.findings]
        for name, record in hit.items():
            assert [text for text in found if f"record {record}" in text and name in text], name
        assert len(report.findings) == len(hit)


async def test_a_damaged_tier_key_is_named_and_what_needs_no_key_is_still_verified(job: Job) -> None:
    async with job.copy() as platform:
        await platform.execute(BREAK_TIER_KEY)
        report = await platform.audit()
        named = [finding for finding in report.findings if "file:bank-a/payments/t3.e1" in finding.what]
        assert named
        assert {log.tenant: log.size for log in report.logs}["bank-a"] == job.facts.size


async def test_a_damaged_tier_key_above_the_auditor_s_tier_does_not_matter(job: Job) -> None:
    async with job.copy() as platform:
        await platform.execute(BREAK_TIER_KEY)
        assert (await platform.audit(tier=2)).ok
