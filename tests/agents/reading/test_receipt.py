"""Receipts of what a platform stores: what they disclose, what they refuse, and that the look is logged before."""

from uuid import UUID

import asyncpg
import pytest

from agents.opening.reading import Reader
from agents.platform.knowledge import load_knowledge
from agents.reading.receipt import NotDisclosed, ReceiptMaker
from schemas.errors import VerificationFailed
from schemas.receipt import Receipt, decode_receipt, encode_receipt
from security.proof import NoSuchProofError
from security.receipt import TrustedLog, verify_receipt
from tests.support.installation import BANK_A, BANK_B, Installation, Worker
from tests.support.messages import Inbox, entry, statement, transaction
from tests.support.records import registered_record

TRANSACTION = "SELECT record_id FROM results WHERE n IS NULL AND tenant = 'bank-a'"
ITEM = "SELECT record_id FROM results WHERE n = 1"
STATEMENT = "SELECT message_id FROM messages WHERE type LIKE '%statement%'"
SCHEMA = "urn:test:payee/1"
AS_RECEIVED = "all of it as received: headers, key and value"
AS_SIGNED = "what was signed: core attributes, data, signed extensions"
OF_BANK_B = "SELECT evidence FROM messages WHERE tenant = 'bank-b'"
UNKNOWN = UUID(int=1)


@pytest.fixture
async def filled(platform: Installation, worker: Worker) -> Installation:
    inbox = Inbox()
    BANK_A.put(
        inbox,
        transaction("a1", counterparty_name="Zoé\u2028李"),
        statement("s1", [entry("R1"), entry("R2"), entry("R3")]),
    )
    BANK_B.put(inbox, transaction("b1"))
    await worker.commit(inbox.take())
    await platform.sequence()
    return platform


async def maker(platform: Installation, tier: int, *domains: tuple[str, str]) -> ReceiptMaker:
    knowledge = await load_knowledge(platform.database, platform.identity, max_tier=tier, domains=domains or None)
    worker = platform.identity.new_worker()
    reader = Reader(platform.database, platform.identity, knowledge, worker, tier=tier, actor="auditor@example.org")
    return ReceiptMaker(platform.database, platform.identity, knowledge, reader)


def established(platform: Installation, receipt: Receipt, tenant: str = "bank-a") -> dict[str, str]:
    """What somebody finds who has the file and the log's key alone."""
    key = platform.identity.log_signer(tenant).verifier
    found = verify_receipt(decode_receipt(encode_receipt(receipt)), TrustedLog(keys=[key], origin=key.name))
    return {each.item: each.detail for each in found}


async def looks(platform: Installation) -> list[dict[str, object]]:
    return [leaf for leaf in await platform.leaves() if leaf["kind"] == "read"]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        pytest.param(TRANSACTION, f"{AS_RECEIVED}; the record is the message", id="message"),
        pytest.param(ITEM, f"{AS_SIGNED}; the record is its item 1", id="item"),
        pytest.param(STATEMENT, f"{AS_RECEIVED}; the record is the message", id="statement"),
    ],
)
async def test_a_receipt_with_the_message_verifies_from_the_file_alone(
    filled: Installation, query: str, said: str
) -> None:
    receipt = await (await maker(filled, 3)).make(await filled.one(query), evidence=True)
    found = established(filled, receipt)
    assert found["message"] == said
    assert BANK_A.key_id in found["producer signature"]


async def test_the_receipt_of_a_record_that_was_refused_first_is_about_its_result(
    platform: Installation, worker: Worker
) -> None:
    inbox = Inbox("records")
    registered_record(inbox, "k1", SCHEMA, {"payee": "Zoé"})
    await worker.commit(inbox.take())
    await platform.sequence()
    name = await platform.one("SELECT dead_letter_id FROM dead_letters")
    refusal = await (await maker(platform, 4)).make(name, evidence=True)
    found = established(platform, refusal)
    assert "reason schema_violation" in found["leaf"]
    assert BANK_A.key_id in found["producer signature"]
    await platform.execute(
        "INSERT INTO catalogue_fields (tenant, record_type, field, tier) VALUES ('*', $1, 'payee', 3)", SCHEMA
    )
    await platform.replay(name)
    await platform.sequence()
    receipt = await (await maker(platform, 4)).make(name, evidence=True)
    found = established(platform, receipt)
    assert "kind result" in found["leaf"]
    assert found["field payee"] == '"Zoé"'
    assert found["message"].endswith("the record is the message")


async def test_a_message_that_nobody_signed_has_a_receipt_of_its_refusal_alone(
    platform: Installation, worker: Worker
) -> None:
    inbox = Inbox()
    inbox.put_raw([("ce_id", b"x")], b"bytes")
    await worker.commit(inbox.take())
    await platform.sequence()
    name, making = await platform.one("SELECT message_id FROM messages"), await maker(platform, 5)
    found = established(platform, await making.make(name), "platform")
    assert "reason malformed" in found["leaf"]
    with pytest.raises(NotDisclosed, match="nobody's signature"):
        await making.make(name, evidence=True)


async def test_a_message_that_contradicts_another_has_no_receipt_with_it(
    platform: Installation, worker: Worker
) -> None:
    inbox = Inbox()
    BANK_A.put(inbox, transaction("a"), transaction("a", amount="1.00"))
    await worker.commit(inbox.take())
    await platform.sequence()
    name, making = (
        await platform.one("SELECT message_id FROM messages WHERE outcome = 'rejected'"),
        await maker(platform, 5),
    )
    assert "reason conflict" in established(platform, await making.make(name))["leaf"]
    with pytest.raises(NotDisclosed, match="contradicts"):
        await making.make(name, evidence=True)


@pytest.mark.parametrize("tier", range(1, 6))
async def test_without_a_choice_every_field_up_to_the_tier_is_disclosed(filled: Installation, tier: int) -> None:
    record = await filled.one(TRANSACTION)
    receipt = await (await maker(filled, tier)).make(record)
    assert {field.tier for field in receipt.fields.values()} == {each for each in (2, 3) if each <= tier}
    assert ("label" in receipt.fields) == (tier >= 2)
    assert receipt.message is None
    assert established(filled, receipt)


async def test_one_field_is_disclosed_and_nothing_else_of_the_record(filled: Installation) -> None:
    receipt = await (await maker(filled, 5)).make(await filled.one(TRANSACTION), fields=["amount"])
    assert list(receipt.fields) == ["amount"]
    assert established(filled, receipt)["field amount"] == "125.40"
    text = encode_receipt(receipt).decode()
    assert "Zoé" not in text
    assert "E2E-a1" not in text
    assert text.count('"salt"') == 1


async def test_a_look_is_logged_before_a_receipt_leaves(filled: Installation) -> None:
    record, making = await filled.one(TRANSACTION), await maker(filled, 3)
    await filled.execute("ALTER TABLE bundles ADD CONSTRAINT no_more CHECK (commit_id < 0) NOT VALID")
    try:
        with pytest.raises(asyncpg.CheckViolationError):
            await making.make(record)
        assert await looks(filled) == []
    finally:
        await filled.execute("ALTER TABLE bundles DROP CONSTRAINT no_more")
    await making.make(record, fields=["amount"])
    (look,) = await looks(filled)
    assert (look["count"], look["basis"]) == (1, "tier:3")
    await filled.sequence()
    report = await filled.audit()
    assert report.ok, [str(finding) for finding in report.findings]


@pytest.mark.parametrize(
    ("tier", "query", "options", "what"),
    [
        pytest.param(2, TRANSACTION, {"fields": ["amount"]}, "'amount' is tier 3", id="field-above-the-tier"),
        pytest.param(2, TRANSACTION, {"evidence": True}, "is tier 3", id="message-above-the-tier"),
        pytest.param(2, STATEMENT, {"evidence": True}, "is tier 3", id="statement-above-the-tier"),
        pytest.param(5, TRANSACTION, {"fields": ["iban"]}, "no field 'iban'", id="no-such-field"),
        pytest.param(5, TRANSACTION, {"fields": ["evidence"]}, "no field 'evidence'", id="the-message-as-a-field"),
        pytest.param(5, STATEMENT, {"fields": ["amount"]}, "no field 'amount'", id="field-of-a-statement"),
        pytest.param(5, None, {}, "no record or message", id="no-such-record"),
    ],
)
async def test_what_the_reader_may_not_have_is_refused(
    filled: Installation, tier: int, query: str | None, options: dict[str, object], what: str
) -> None:
    name = UNKNOWN if query is None else await filled.one(query)
    with pytest.raises(NotDisclosed, match=what):
        await (await maker(filled, tier)).make(name, **options)  # type: ignore[arg-type]


async def test_a_reader_without_the_keys_of_a_domain_gets_no_receipt_of_it(filled: Installation) -> None:
    making = await maker(filled, 5, (BANK_B.tenant, BANK_B.domain))
    with pytest.raises(NotDisclosed, match="no record or message"):
        await making.make(await filled.one(TRANSACTION))
    assert await looks(filled) == []
    record = await filled.one("SELECT record_id FROM results WHERE tenant = 'bank-b'")
    assert established(filled, await making.make(record), "bank-b")


async def test_a_record_that_no_checkpoint_reaches_has_no_receipt_yet(filled: Installation, worker: Worker) -> None:
    inbox = Inbox(partition=1)
    BANK_A.put(inbox, transaction("late"))
    await worker.commit(inbox.take())
    record = await filled.one("SELECT record_id FROM results ORDER BY created_at DESC LIMIT 1")
    making = await maker(filled, 1)
    with pytest.raises(NoSuchProofError, match="ask again"):
        await making.make(record)
    await filled.sequence()
    assert established(filled, await making.make(record))


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param("UPDATE bundles SET body = replace(encode(body, 'escape'), 'booked', 'bookee')::bytea", id="leaf"),
        pytest.param(f"UPDATE messages SET evidence = ({OF_BANK_B})", id="message"),
        pytest.param("UPDATE results SET leaf = leaf + 1 WHERE n IS NULL", id="place"),
    ],
)
async def test_what_was_changed_in_the_database_makes_no_receipt(filled: Installation, damage: str) -> None:
    record = await filled.one(TRANSACTION)
    await filled.execute(damage)
    with pytest.raises(VerificationFailed):
        await (await maker(filled, 3)).make(record, evidence=True)


async def test_of_an_erased_record_the_leaf_alone_is_proved(filled: Installation) -> None:
    record, making = await filled.one(TRANSACTION), await maker(filled, 3)
    await filled.execute("UPDATE results SET sealed = NULL")
    await filled.execute("UPDATE messages SET evidence = NULL")
    receipt = await making.make(record)
    assert receipt.fields == {}
    assert established(filled, receipt)
    with pytest.raises(NotDisclosed, match="not kept any more"):
        await making.make(record, evidence=True)
