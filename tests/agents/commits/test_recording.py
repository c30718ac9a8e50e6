"""Which rows and which leaf each outcome becomes, looked at where they end: in the database."""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import msgspec
import pytest

from agents.commits.leaves import LeafBatch, LogRef
from agents.commits.outcomes import FrameOutcome, MessageOutcome, Owner, Place
from agents.commits.recording import Recorder
from agents.inference.engine import Decision, InferenceFailed, ModelInput
from agents.inference.transaction_kind import load_default_engine
from schemas.errors import Rejection
from schemas.reasons import Reason
from security.commit_signature import WorkerKey
from security.sealing import SealedRecord
from streams.storage.commit import Claims
from streams.storage.commit_rows import CommitRows, usual_tables
from tests.support.commits import step
from tests.support.installation import BANK_A, Installation, Worker, installed, split
from tests.support.messages import APPENDED_MS, OWNER, PAYER, Inbox, entry, statement, statement_of, transaction
from tests.support.records import registered_record

Put = Callable[[Inbox], object]


@dataclass(frozen=True, slots=True)
class Kept:
    """What is to be found of one message: leaves, and rows of messages, results and dead letters."""

    leaves: Sequence[dict[str, Any]]
    message: str | None
    results: int = 0
    letters: Sequence[str] = ()


def put(*items: Any) -> Put:
    return lambda inbox: BANK_A.put(inbox, *items)


RESULT = {"kind": "result", "type": "io.sealstream.transaction.v1"}
CASES: dict[str, tuple[Put, Kept]] = {
    "a-booked-transaction": (put(transaction("a")), Kept([RESULT | {"outcome": "booked"}], "accepted", 1)),
    "a-pending-one": (put(transaction("a", status="PDNG")), Kept([RESULT | {"outcome": "pending"}], "accepted", 1)),
    "an-informational-one": (
        put(transaction("a", status="INFO")),
        Kept([RESULT | {"outcome": "informational"}], "accepted", 1),
    ),
    "one-without-a-status": (put(transaction("a", status="")), Kept([RESULT | {"outcome": "recorded"}], "accepted", 1)),
    "a-statement": (
        put(statement("s", [entry("R1"), entry("R2", status="PDNG")])),
        Kept(
            [
                {"kind": "accepted", "outcome": "balanced", "count": 2},
                {"kind": "result", "outcome": "booked"},
                {"kind": "result", "outcome": "pending"},
            ],
            "accepted",
            2,
        ),
    ),
    "an-empty-statement": (
        put(statement("s", [])),
        Kept([{"kind": "accepted", "outcome": "balanced", "count": 0}], "accepted"),
    ),
    "an-unbalanced-statement": (
        put(statement("s", [entry("R1")], off_by="1")),
        Kept([{"kind": "accepted", "outcome": "unbalanced", "count": 1}, {"kind": "result"}], "accepted", 1),
    ),
    "a-statement-with-a-bad-entry": (
        put(statement("s", [entry("R1"), entry("R2", stated="1,00")])),
        Kept(
            [
                {"kind": "accepted", "count": 1},
                {"kind": "result"},
                {"kind": "rejected", "outcome": "rejected", "reason": "schema_violation"},
            ],
            "accepted",
            1,
            ["schema_violation"],
        ),
    ),
    "a-statement-that-is-no-xml": (
        put(statement_of("s", b"<Document>")),
        Kept([{"kind": "rejected", "reason": "malformed"}], "rejected", 0, ["malformed"]),
    ),
    "a-transaction-that-breaks-the-schema": (
        put(transaction("a", amount="x")),
        Kept([{"kind": "rejected", "reason": "schema_violation"}], "rejected", 0, ["schema_violation"]),
    ),
    "nothing-that-could-be-verified": (
        lambda inbox: inbox.put_raw([], b"whatever"),
        Kept([{"kind": "rejected", "reason": "malformed"}], "rejected", 0, ["malformed"]),
    ),
}


@pytest.mark.parametrize(("publish", "kept"), [pytest.param(*case, id=name) for name, case in CASES.items()])
async def test_each_outcome_has_its_leaves_and_rows(
    platform: Installation, worker: Worker, publish: Put, kept: Kept
) -> None:
    inbox = Inbox()
    publish(inbox)
    await worker.commit(inbox.take())
    leaves = await platform.leaves()
    assert len(leaves) == len(kept.leaves)
    for found, expected in zip(leaves, kept.leaves, strict=True):
        assert found | expected == found
    messages = await platform.rows("SELECT * FROM messages")
    assert [row["outcome"] for row in messages] == ([kept.message] if kept.message else [])
    assert all(row["stamped_at"].timestamp() * 1000 == APPENDED_MS and row["evidence"] for row in messages)
    results = await platform.rows("SELECT * FROM results ORDER BY n")
    assert len(results) == kept.results
    assert all(row["sealed"] for row in results)
    letters = await platform.rows("SELECT * FROM dead_letters")
    assert [row["reason"] for row in letters] == list(kept.letters)
    # Every row names the leaf that speaks of it.
    for row in [*results, *letters]:
        leaf = leaves[row["leaf"]]
        assert leaf["commit"] == row["commit_id"]
        assert leaf["message"] == str(row["message_id"])
    for row in results:
        assert leaves[row["leaf"]]["record"] == str(row["record_id"])


async def test_what_is_not_verified_lands_with_the_platform_and_the_rest_with_its_tenant(
    platform: Installation, worker: Worker
) -> None:
    inbox = Inbox()
    BANK_A.put(inbox, transaction("a"), transaction("bad", amount="-1"))
    inbox.put_raw([("ce_id", b"x")], b"")
    await worker.commit(inbox.take())
    assert [leaf["kind"] for leaf in await platform.leaves("bank-a")] == ["result", "rejected"]
    (unverified,) = await platform.leaves("platform")
    assert unverified["kind"] == "rejected"
    # Nothing of an unverified message may be repeated as if somebody vouched for it.
    assert not {"source", "type", "signer", "digest", "record"} & unverified.keys()
    (letter,) = await platform.rows("SELECT * FROM dead_letters WHERE tenant = 'platform'")
    assert letter["detail"]


async def test_leaves_are_in_the_form_of_rfc_8785_and_hold_no_plaintext(platform: Installation, worker: Worker) -> None:
    inbox = Inbox()
    BANK_A.put(
        inbox,
        transaction("zwölf-Ω", remittance_information="Ein ganz persönlicher Grund"),
        statement("s", [entry("R-123456789")]),
        transaction("zwölf-Ω", amount="1"),
    )
    await worker.commit(inbox.take())
    rows = await platform.rows("SELECT ends, body FROM bundles")
    bodies = [body for row in rows for body in split(row["ends"], row["body"])]
    assert len(bodies) == 4 + 2, "the producers' registrations too"
    for body in bodies:
        members = msgspec.json.decode(body)
        # RFC 8785 for what leaves hold: ASCII names sorted, no space, integers, strings escaped as little as possible.
        assert msgspec.json.encode(members, order="sorted") == body
        assert not any(isinstance(value, float) for value in members.values())
        for secret in (OWNER.iban, PAYER.iban, PAYER.name, "Grund", "R-123456789", "E2E-", "125.40"):
            assert secret.encode() not in body


async def test_every_field_of_a_result_is_committed_to_in_its_leaf(platform: Installation, worker: Worker) -> None:
    inbox = Inbox()
    BANK_A.put(inbox, transaction("a"))
    await worker.commit(inbox.take())
    (leaf,) = await platform.leaves()
    (view,) = await (await platform.reader(5)).list()
    assert leaf["fields"].keys() == view.fields.keys() - {"label"} | {"evidence"}
    assert leaf["label"]
    assert leaf["model"] == worker_model(platform)
    assert all(len(value) == 44 for value in (*leaf["fields"].values(), leaf["label"], leaf["digest"]))


async def test_a_commit_is_rehearsed_with_the_tables_that_a_transaction_is_written_to(
    platform: Installation, worker: Worker
) -> None:
    tables = [field.name for field in fields(CommitRows)]
    before = {table: await platform.rows(f"SELECT * FROM {table}") for table in tables}
    inbox = Inbox()
    BANK_A.put(inbox, transaction("a"))
    await worker.commit(inbox.take())
    written = [table for table in tables if await platform.rows(f"SELECT * FROM {table}") != before[table]]
    assert written == [each.table for each in usual_tables()]


def worker_model(platform: Installation) -> str:
    model = platform.engine.model
    return model.reference


class Refuses:
    """An engine that has no answer for texts with a certain word, nor for a frame that holds one.

    Its answers bear the shipped model's name: another one would not be in force.
    """

    model = load_default_engine().model

    def classify(self, items: Sequence[ModelInput]) -> list[Decision]:
        if any("unanswerable" in item.text for item in items):
            raise InferenceFailed("no")
        return [Decision("other", 0.5) for _ in items]


async def test_inference_that_fails_costs_one_record(platform: Installation) -> None:
    worker = await platform.worker(engine=Refuses())
    inbox = Inbox()
    BANK_A.put(
        inbox, *(transaction(f"t{n}") for n in range(5)), transaction("u", remittance_information="unanswerable")
    )
    BANK_A.put(inbox, statement("s", [entry("R1"), entry("unanswerable"), entry("R3")]))
    await worker.commit(inbox.take())
    kinds = [(leaf["kind"], leaf.get("reason"), leaf.get("count")) for leaf in await platform.leaves()]
    refused = ("rejected", "inference_failed", None)
    assert kinds == [
        *[("result", None, None)] * 5,
        refused,
        ("accepted", None, 2),
        ("result", None, None),
        refused,
        ("result", None, None),
    ]
    await platform.sequence()
    assert (await platform.audit()).ok


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_code_can_be_recorded(reason: Reason) -> None:
    owner = Owner(LogRef(7, "t", "o/t"), "d")
    worker = WorkerKey(b"w" * 32, b"a" * 32)
    batch = LeafBatch(5, worker)
    now = dt.datetime(2026, 1, 5, 9, 30, tzinfo=dt.timezone(dt.timedelta(hours=1)))
    message = MessageOutcome(
        owner,
        Place("transactions", 0, 3, now, now),
        b"m" * 16,
        b"",
        rejection=Rejection(reason, "somewhere"),
        sealed_evidence=SealedRecord(b"blob", {"evidence": b"c" * 32}),
    )
    frame = FrameOutcome(step(0, 3, 4), [message], [], 0)

    def refuse(*_: object) -> Any:
        raise AssertionError("nothing contradicts here")

    rows = Recorder(batch, now, refuse).record([frame], Claims({("transactions", 0)}, {}, {}))
    (bundle,) = rows.bundles
    leaf = msgspec.json.decode(bundle[3])
    assert (leaf["reason"], leaf["kind"], leaf["time"]) == (reason.value, "rejected", "2026-01-05T08:30:00.000Z")
    assert rows.dead_letters[0][6:8] == (reason.value, "somewhere")
    assert not rows.results


FIELDS: list[dict[str, Any]] = [
    {"record_type": "urn:schema:wide", "field": f"field_{n:04}", "tier": 2} for n in range(1_500)
]


async def test_a_record_with_more_fields_than_a_leaf_can_name_is_refused_alone(
    dsn: str, tmp_path: Any, engine: Any
) -> None:
    async with installed(dsn, tmp_path / "keys", engine=engine, catalogue=FIELDS) as platform:
        worker = await platform.worker()
        inbox = Inbox("records")
        registered_record(inbox, "wide", "urn:schema:wide", {row["field"]: "x" for row in FIELDS})
        registered_record(inbox, "narrow", "urn:schema:wide", {"field_0001": "x"})
        await worker.commit(inbox.take())
        assert [leaf.get("reason") for leaf in await platform.leaves()] == ["oversized", None]
