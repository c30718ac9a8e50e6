"""Receipts of deferred records: the end, and the earlier leaf that holds the producer's signature."""

from agents.opening.reading import Reader
from agents.platform.knowledge import load_knowledge
from agents.reading.receipt import ReceiptMaker
from schemas.receipt import decode_receipt, encode_receipt
from security.receipt import TrustedLog, verify_receipt
from tests.support.installation import BANK_A, Installation
from tests.support.lanes import LanePlatform, Scripted, filled_lanes


async def established(lanes: LanePlatform, *, evidence: bool) -> dict[str, str]:
    """What somebody finds who has the receipt's file and the log's key alone."""
    platform = lanes.platform
    await platform.sequence()
    knowledge = await load_knowledge(platform.database, platform.identity, max_tier=5)
    reader = Reader(platform.database, platform.identity, knowledge, platform.identity.new_worker(), tier=5)
    maker = ReceiptMaker(platform.database, platform.identity, knowledge, reader)
    receipt = await maker.make(await platform.one("SELECT record_id FROM results"), evidence=evidence)
    key = platform.identity.log_signer("bank-a").verifier
    found = verify_receipt(decode_receipt(encode_receipt(receipt)), TrustedLog(keys=[key], origin=key.name))
    return {each.item: each.detail for each in found}


async def test_a_receipt_of_a_deferred_record_proves_who_signed_it_and_how_it_was_answered(
    platform: Installation,
) -> None:
    lanes = await filled_lanes(platform, 1)
    async with lanes.running(Scripted("d0")):
        await lanes.until_ended()
    found = await established(lanes, evidence=True)
    assert found["field label"] == "enquiry"
    assert '"device":"d0"' in found["leaf"]
    assert '"lane":"text.normal"' in found["accepted leaf"]
    assert BANK_A.key_id in found["producer signature"]
    assert found["message"] == "all of it as received: headers, key and value; the record is the message"
    assert "accepted leaf" not in await established(lanes, evidence=False)
