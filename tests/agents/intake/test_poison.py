"""Records that make a stage, or the database, raise: they are set aside, and everything else goes on."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from faust.types import TP
from structlog.testing import capture_logs

from agents.inference.engine import Decision, Engine, ModelInput
from agents.intake import door
from agents.intake.progress import Progress
from agents.intake.worker import IntakeWorker, beside
from agents.platform.identity import position_key
from security.sealing import SealingPass
from streams.frames import Frame, Holding
from tests.support.databases import Databases, connected
from tests.support.installation import BANK_A, CLUSTER, GROUP, Installation, Worker, installed
from tests.support.messages import Inbox, transaction

SECRET = "Überweisung an Frau Geheim"
POISON = {3, 20, 21, 63}
COUNT = 70


class FragileEngine:
    """A real engine with a bug: some text makes it raise."""

    def __init__(self, engine: Engine, error: Exception) -> None:
        self._engine = engine
        self._error = error
        self.model = engine.model

    def classify(self, items: Sequence[ModelInput]) -> list[Decision]:
        if any(SECRET in item.text for item in items):
            raise self._error
        return self._engine.classify(items)


def inbox_with_poison(poison: set[int] = POISON, count: int = COUNT) -> Inbox:
    inbox = Inbox()
    BANK_A.put(
        inbox,
        *(transaction(f"t{n}", **({"remittance_information": SECRET} if n in poison else {})) for n in range(count)),
    )
    return inbox


def frame_of(inbox: Inbox) -> Frame:
    """What the transport would hand over."""
    records = inbox.records[inbox.taken :]
    first, inbox.taken = inbox.taken, len(inbox.records)
    place = TP(inbox.topic, inbox.partition)
    return cast(
        Frame,
        SimpleNamespace(
            tp=place, first=first, next=inbox.taken, records=records, unreadable=(), beside=0, current=True
        ),
    )


async def handle(installation: Installation, worker: Worker, *frames: Frame) -> list[bool]:
    """Take frames through an intake worker."""
    progress = Progress(installation.database, GROUP, CLUSTER, position_key(installation.identity))
    consumer = SimpleNamespace(
        probe=SimpleNamespace(look=_from_zero), assignment=lambda: {frame.tp for frame in frames}
    )
    await progress.positions(cast(Any, consumer), [frame.tp for frame in frames])
    intake = IntakeWorker(worker.parts.pipeline, worker.parts.committer, progress)
    async with beside(worker.parts.committer.run(), "group-commit"):
        return list(await asyncio.gather(*map(intake.handle, frames)))


async def _from_zero(last: Mapping[TP, int]) -> dict[TP, Holding]:
    """What a broker would hold of topics that nothing was ever deleted from."""
    return {tp: Holding(start=0, end=1_000, topic_id=None, record=None) for tp in last}


async def letters(installation: Installation) -> dict[int, tuple[str, str]]:
    """Offset to reason and detail."""
    rows = await installation.rows("SELECT kafka_offset, reason, detail FROM dead_letters")
    return {row["kafka_offset"]: (row["reason"], row["detail"]) for row in rows}


async def verified(installation: Installation, records: int) -> None:
    """Every record is in the log once, and the log proves itself."""
    await installation.sequence()
    report = await installation.audit()
    assert report.ok, [str(finding) for finding in report.findings]
    offsets = [row["kafka_offset"] for row in await installation.rows("SELECT kafka_offset FROM messages")]
    assert sorted(offsets) == list(range(records))
    assert await installation.one("SELECT max(to_offset) FROM watermark_steps") == records


async def test_an_engine_s_bug_costs_only_the_records_that_meet_it(platform: Installation, engine: Engine) -> None:
    worker = await platform.worker(engine=cast(Engine, FragileEngine(engine, KeyError(SECRET))))
    with capture_logs() as logs:
        assert await handle(platform, worker, frame_of(inbox_with_poison())) == [True]
    assert await letters(platform) == dict.fromkeys(POISON, ("inference_failed", "the inference stage raised KeyError"))
    await verified(platform, COUNT)
    condemned = [entry for entry in logs if entry["event"] == "record.condemned"]
    assert {entry["offset"] for entry in condemned} == POISON
    assert all("classify" in entry["raised_at"] for entry in condemned)
    assert SECRET not in str(logs)


async def test_a_record_that_fails_in_a_shared_turn_costs_the_frames_beside_it_nothing(
    platform: Installation, engine: Engine
) -> None:
    worker = await platform.worker(engine=cast(Engine, FragileEngine(engine, KeyError(SECRET))))
    inboxes = [Inbox(partition=number) for number in range(3)]
    for number, inbox in enumerate(inboxes):
        texts = [SECRET if (number, n) == (1, 2) else "Miete" for n in range(5)]
        BANK_A.put(inbox, *(transaction(f"p{number}-{n}", remittance_information=text) for n, text in enumerate(texts)))
    assert await handle(platform, worker, *map(frame_of, inboxes)) == [True] * 3
    rows = await platform.rows("SELECT part, kafka_offset, reason FROM dead_letters")
    assert [(row["part"], row["kafka_offset"], row["reason"]) for row in rows] == [(1, 2, "inference_failed")]
    assert await platform.one("SELECT count(*) FROM results") == 14
    await platform.sequence()
    assert (await platform.audit()).ok


async def test_a_condemned_record_keeps_its_name_and_its_repeat_is_a_duplicate(
    platform: Installation, engine: Engine
) -> None:
    worker = await platform.worker(engine=cast(Engine, FragileEngine(engine, RecursionError())))
    inbox = Inbox()
    BANK_A.put(inbox, *[transaction("bad", remittance_information=SECRET)] * 2)
    assert await handle(platform, worker, frame_of(inbox)) == [True]
    kinds = sorted(leaf["kind"] for leaf in await platform.leaves("bank-a"))
    assert kinds == ["duplicate", "rejected"]


@contextmanager
def broken(target: object, name: str, replacement: object) -> Iterator[None]:
    """A stage with a bug in it."""
    whole = getattr(target, name)
    setattr(target, name, replacement)
    try:
        yield
    finally:
        setattr(target, name, whole)


async def test_a_bug_before_verification_makes_a_letter_of_the_platform_s_own(
    platform: Installation, worker: Worker
) -> None:
    whole = door.decode_event

    def decode(headers: Any, value: bytes | None) -> Any:
        if value and SECRET.encode() in value:
            raise IndexError(SECRET)
        return whole(headers, value)

    with broken(door, "decode_event", decode):
        assert await handle(platform, worker, frame_of(inbox_with_poison())) == [True]
    assert await letters(platform) == dict.fromkeys(POISON, ("processing_failed", "the intake stage raised IndexError"))
    assert {leaf["kind"] for leaf in await platform.leaves("platform")} == {"rejected"}
    await verified(platform, COUNT)


async def test_a_bug_in_sealing_is_found_too_and_every_attempt_has_keys_of_its_own(
    platform: Installation, worker: Worker
) -> None:
    whole = SealingPass.seal_fields
    passes = set()

    def seal(self: SealingPass, domain: str, record_id: bytes, fields: Any) -> Any:
        passes.add(self._pass_id)
        if any(SECRET.encode() in value for _, _, value in fields):
            raise OverflowError
        return whole(self, domain, record_id, fields)

    with broken(SealingPass, "seal_fields", seal):
        assert await handle(platform, worker, frame_of(inbox_with_poison())) == [True]
    assert set(await letters(platform)) == POISON
    stored = {row["pass_id"] for row in await platform.rows("SELECT DISTINCT pass_id FROM data_keys")}
    used = {row["pass_id"] for row in await platform.rows("SELECT DISTINCT pass_id FROM messages")}
    assert stored == used, "keys of failed attempts are thrown away with what they sealed"
    assert passes - stored, "there were failed attempts"
    await verified(platform, COUNT)


async def test_running_out_of_memory_is_nobody_s_fault(platform: Installation, engine: Engine) -> None:
    worker = await platform.worker(engine=cast(Engine, FragileEngine(engine, MemoryError())))
    with pytest.raises(MemoryError):
        await handle(platform, worker, frame_of(inbox_with_poison()))
    assert await letters(platform) == {}
    assert await platform.one("SELECT count(*) FROM messages") == 0


@pytest.fixture
async def strict(databases: Databases, keyring_dir: Path, engine: Engine) -> AsyncIterator[Installation]:
    """A platform whose database refuses the data of some messages, by their place."""
    async with databases.fresh() as dsn:
        async with connected(dsn) as connection:
            await connection.execute(
                f"""
                CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                    IF NEW.kafka_offset = ANY ('{{{",".join(map(str, POISON))}}}') AND (NEW.outcome = 'accepted'
                        OR NEW.kafka_offset < 10 AND NEW.type IS NOT NULL) THEN
                        RAISE character_not_in_repertoire USING MESSAGE = 'invalid byte sequence';
                    END IF;
                    RETURN NEW;
                END $$
                """
            )
            await connection.execute(
                "CREATE TRIGGER refuse BEFORE INSERT ON messages FOR EACH ROW EXECUTE FUNCTION refuse()"
            )
        async with installed(dsn, keyring_dir, engine=engine) as found:
            yield found


async def test_what_the_database_refuses_is_found_and_set_aside(strict: Installation) -> None:
    worker = await strict.worker()
    inbox, other = inbox_with_poison(), Inbox(partition=1)
    BANK_A.put(other, *(transaction(f"o{n}") for n in range(5)))
    assert await handle(strict, worker, frame_of(inbox), frame_of(other)) == [True, True]
    found = await letters(strict)
    assert found == dict.fromkeys(
        POISON, ("processing_failed", "the commit stage raised CharacterNotInRepertoireError")
    )
    # Offset 3 is refused as the message it is, too: then it is kept as one that claims nothing.
    rows = await strict.rows("SELECT kafka_offset, tenant FROM messages WHERE outcome = 'rejected'")
    assert {row["kafka_offset"]: row["tenant"] for row in rows} == {
        offset: "platform" if offset < 10 else "bank-a" for offset in POISON
    }
    assert await strict.one("SELECT count(*) FROM messages WHERE part = 1") == 5
    await strict.sequence()
    assert (await strict.audit()).ok
    assert await strict.one("SELECT count(*) FROM messages WHERE part = 0") == COUNT


async def test_a_commit_that_can_never_succeed_ends_the_worker_instead_of_looping(strict: Installation) -> None:
    worker = await strict.worker()
    await strict.execute("DROP TABLE dead_letters")
    inbox = inbox_with_poison(count=30)
    with pytest.raises(Exception, match="dead_letters"):
        await asyncio.wait_for(handle(strict, worker, frame_of(inbox)), 30)
    assert await strict.one("SELECT count(*) FROM watermark_steps WHERE from_offset > 0") <= 30
