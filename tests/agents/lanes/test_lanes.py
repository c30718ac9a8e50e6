"""Documents on their way through a lane, over a real database: deferred, answered, ended once, verified."""

import datetime as dt
from uuid import UUID

import msgspec
import pytest

from agents.commits.routing import read_plan
from agents.completeness import Period
from agents.platform.knowledge import load_knowledge
from agents.replay import Replayer
from schemas.reasons import Reason
from sealstream.audit.completeness import completeness
from sealstream.client import Signer
from sealstream.closing_book import ClosingBook
from sealstream.producing.signed_items import sign_item
from tests.support.documents import IBAN, document
from tests.support.installation import BANK_A, Installation
from tests.support.lanes import LanePlatform, Scripted, lane_platform
from tests.support.messages import Inbox, transaction


@pytest.fixture
async def lanes(platform: Installation) -> LanePlatform:
    return await lane_platform(platform)


async def accept(lanes: LanePlatform, *items: object) -> Inbox:
    """Take documents in and fill the lanes."""
    inbox = Inbox("documents")
    BANK_A.put(inbox, *items)  # type: ignore[arg-type]
    assert await lanes.intake.commit(inbox.take())
    await lanes.publish()
    return inbox


async def verified(lanes: LanePlatform) -> None:
    await lanes.platform.sequence()
    report = await lanes.platform.audit()
    assert report.ok, [str(finding) for finding in report.findings]


async def test_a_text_is_accepted_then_answered_by_all_models_and_verified(lanes: LanePlatform) -> None:
    text = f"I complain about {IBAN}."
    await accept(lanes, document("a", text, urgency="high"), transaction("t"))
    (accepted,) = [leaf for leaf in await lanes.platform.leaves("bank-a") if leaf["kind"] == "accepted"]
    plan = read_plan(accepted["decision"])
    assert plan is not None
    assert (accepted["outcome"], plan.lane, plan.models) == ("deferred", "text.high", ("ibans@1", "letters@1"))
    assert [each.topic for each in lanes.broker.lanes] == ["lane.text.high"]
    await verified(lanes)
    async with lanes.running(Scripted("d0"), Scripted("d1")):
        assert await lanes.until_ended() == {"done": 1}
    (result,) = [
        leaf
        for leaf in await lanes.platform.leaves("bank-a")
        if leaf["kind"] == "result" and leaf["record"] == accepted["record"]
    ]
    assert result["outcome"] == "classified"
    assert result["model"].startswith("ibans@1 sha256:")
    assert {each["queue"] for each in msgspec.json.decode(result["decision"])} <= {"text.high", "text.normal"}
    await verified(lanes)
    reader = await lanes.platform.reader(5)
    (view,) = await reader.show(UUID(accepted["record"]))
    fields = {name: found.value for name, found in view.fields.items()}
    assert fields["label"] == b"complaint"
    start = text.index(IBAN)
    assert msgspec.json.decode(fields["entities"] or b"") == [
        {"confidence": "0.9000", "end": start + 22, "kind": "IBAN_CODE", "start": start, "value": IBAN}
    ]
    assert view.fields["entities"].tier == 3
    assert set((await lanes.watermarks()).values()) == {1}


@pytest.mark.parametrize(
    ("data", "media_type", "reason"),
    [
        pytest.param(b"\xff\xfe\xfa", "text/plain", Reason.UNREADABLE_DOCUMENT, id="not-utf-8"),
        pytest.param(b"a\x00b", "text/plain", Reason.UNREADABLE_DOCUMENT, id="nul"),
        pytest.param(b"a\x1bb", "text/plain", Reason.UNREADABLE_DOCUMENT, id="control-character"),
        pytest.param(b"", "text/plain", Reason.UNREADABLE_DOCUMENT, id="empty"),
        pytest.param(b" \r\n", "text/plain", Reason.UNREADABLE_DOCUMENT, id="blank"),
        pytest.param(b"a", "text/plain; charset=utf-7", Reason.UNREADABLE_DOCUMENT, id="unheard-of-charset"),
        pytest.param(b"a" * 100_001, "text/plain", Reason.OVERSIZED, id="too-long"),
    ],
)
async def test_a_text_that_can_t_be_read_is_rejected_at_once(
    lanes: LanePlatform, data: bytes, media_type: str, reason: Reason
) -> None:
    await accept(lanes, document("a", data, media_type))
    rows = await lanes.platform.rows("SELECT reason FROM dead_letters")
    assert [row["reason"] for row in rows] == [reason]
    assert lanes.broker.lanes == []
    await verified(lanes)


async def test_a_replay_judges_a_document_as_intake_does(lanes: LanePlatform) -> None:
    inbox = await accept(lanes, document("a", b"\xff"), document("b", b"\x00"))
    assert len(inbox.records) == 2
    platform = lanes.platform
    knowledge = await load_knowledge(platform.database, platform.identity)
    replayer = Replayer(
        platform.database,
        platform.identity,
        knowledge,
        platform.identity.new_worker(),
        platform.engine,
        store=platform.store,
    )
    outcomes = [each.outcome async for each in replayer.replay_reason(Reason.UNREADABLE_DOCUMENT)]
    assert outcomes == ["rejected", "rejected"]
    await verified(lanes)


async def test_a_deferred_document_is_one_message_to_an_audit_of_completeness(lanes: LanePlatform) -> None:
    day = dt.datetime(2026, 1, 5, tzinfo=dt.UTC)
    signer = Signer(BANK_A.source, BANK_A.signer)
    book, inbox = ClosingBook(signer), Inbox("documents")
    records = [sign_item(document(name, "I ask"), signer, book) for name in ("a", "b")]
    for record in [*records, book.close(day, day + dt.timedelta(days=1))]:
        inbox.put_raw(list(record.headers), record.value, record.key)
    assert await lanes.intake.commit(inbox.take())
    await lanes.publish()
    async with lanes.running():
        assert await lanes.until_ended() == {"done": 2}
    await lanes.platform.sequence()
    period = Period(BANK_A.source, day, day + dt.timedelta(days=1))
    report = await completeness(lanes.platform.settings, period, tier=4, listing=None, actor="auditor")
    assert report.complete
