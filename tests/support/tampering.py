"""A small real job, and what a test has to know of it to damage it. Damage is undone."""

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from agents.inference.engine import Engine
from sealstream.feeds import Fault
from sealstream.samples.feed import SampleFeed
from sealstream.samples.plan import SamplePlan
from security.signing import Ed25519Signer
from streams.storage.commit import CommitStore
from tests.support.commits import put_leaves
from tests.support.databases import Databases
from tests.support.installation import BANK_A, BANK_B, Installation, installed
from tests.support.messages import Inbox, transaction

FRAME = 10
PLAN = SamplePlan(
    transactions=70, statements=6, entries=4, faults=dict.fromkeys(Fault, 1) | {Fault.SCHEMA_VIOLATION: 3}
)
STRANGER = Ed25519Signer("stranger", b"s" * 32)


async def run_job(platform: Installation) -> None:
    """Take a sample through all stages, a frame at a time, with checkpoints in between and one look at the end."""
    worker = await platform.worker()
    # Leaves that no row belongs to fill a tile, and cost an audit next to nothing.
    await put_leaves(
        CommitStore(platform.database, group="", cluster=""), worker.key, 1_000_000, platform.owner(BANK_A).log, 300
    )
    inboxes = {topic: Inbox(topic) for topic in ("transactions", "statements")}
    for item in SampleFeed("tampering", PLAN).items():
        signer = STRANGER if item.fault is Fault.UNKNOWN_KEY else BANK_A.signer
        inboxes[item.topic].put(item, signer, BANK_A.source)
    BANK_B.put(inboxes["transactions"], *(transaction(f"b{n}") for n in range(20)))
    for number in itertools.count():
        batches = [inbox.take(FRAME) for inbox in inboxes.values() if inbox.taken < len(inbox.records)]
        if not batches:
            break
        await worker.commit(*batches)
        if number % 3 == 1:
            await platform.sequence()
    await (await platform.reader(3)).list(limit=5)
    await platform.sequence()


@dataclass(frozen=True, slots=True)
class Facts:
    """A place in the middle of the job's first log, and its neighbourhood. Ids and numbers only.

    Attributes:
        log: The log of the tenant with most records; `other` is the second tenant's.
        commit: A commit in the middle of it, `later` the one after.
        index: Where the result `record` stands in the log; `leaf` is its ordinal in the commit.
        letter_commit: A commit that brought the dead letter `letter`, at `letter_index`.
        covering: Size of the first checkpoint over `commit`.
    """

    log: int
    origin: str
    other: int
    other_origin: str
    size: int
    commit: int
    later: int
    first_index: int
    count: int
    index: int
    leaf: int
    record: UUID
    record_pass: int
    letter: UUID
    letter_commit: int
    letter_index: int
    covering: int
    latest: int
    worker: str


async def find_facts(platform: Installation) -> Facts:
    """Look the job up."""
    logs = {row["tenant"]: row for row in await platform.rows("SELECT * FROM logs")}
    log, other = logs["bank-a"], logs["bank-b"]
    places = await platform.rows("SELECT * FROM placements WHERE log_id = $1 ORDER BY first_index", log["log_id"])
    at = next(n for n, place in enumerate(places) if n >= 4 and place["leaf_count"] == places[n + 1]["leaf_count"])
    place = places[at]
    (result,) = await platform.rows(
        """
        SELECT * FROM results WHERE log_id = $1 AND commit_id = $2 AND n IS NULL AND outcome = 'booked'
        ORDER BY leaf OFFSET 3 LIMIT 1
        """,
        log["log_id"],
        place["commit_id"],
    )
    (letter,) = await platform.rows(
        """
        SELECT d.*, p.first_index FROM dead_letters d JOIN placements p USING (log_id, commit_id)
        WHERE log_id = $1 AND reason = 'schema_violation' ORDER BY d.kafka_offset LIMIT 1
        """,
        log["log_id"],
    )
    sizes = [row["size"] for row in await platform.rows(
        "SELECT size FROM checkpoints WHERE log_id = $1 ORDER BY size", log["log_id"]
    )]  # fmt: skip
    return Facts(
        log=log["log_id"],
        origin=log["origin"],
        other=other["log_id"],
        other_origin=other["origin"],
        size=places[-1]["first_index"] + places[-1]["leaf_count"],
        commit=place["commit_id"],
        later=places[at + 1]["commit_id"],
        first_index=place["first_index"],
        count=place["leaf_count"],
        index=place["first_index"] + result["leaf"],
        leaf=result["leaf"],
        record=result["record_id"],
        record_pass=result["pass_id"],
        letter=letter["dead_letter_id"],
        letter_commit=letter["commit_id"],
        letter_index=letter["first_index"] + letter["leaf"],
        covering=next(size for size in sizes if size > place["first_index"]),
        latest=sizes[-1],
        worker=await platform.one(
            "SELECT worker_id FROM commits WHERE log_id = $1 AND commit_id = $2", log["log_id"], place["commit_id"]
        ),
    )


@dataclass(frozen=True, slots=True)
class Job:
    """The finished job."""

    databases: Databases
    dsn: str
    keyring_dir: Path
    facts: Facts
    engine: Engine

    @asynccontextmanager
    async def copy(self) -> AsyncIterator[Installation]:
        """The platform over the database as the job left it; whatever the body changes is undone."""
        async with (
            self.databases.remembered(self.dsn) as database,
            installed(self.dsn, self.keyring_dir, engine=self.engine, database=database) as platform,
        ):
            yield platform


async def make_job(databases: Databases, keyring_dir: Path, engine: Engine) -> Job:
    """Run the job in a database of its own."""
    dsn = databases.dsn(await databases.create())
    async with installed(dsn, keyring_dir, engine=engine) as platform:
        await run_job(platform)
        facts = await find_facts(platform)
    await databases.remember(dsn)
    return Job(databases, dsn, keyring_dir, facts, engine)
