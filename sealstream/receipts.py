"""Making a receipt with this installation's keys, as the person who runs the command."""

from collections.abc import Sequence
from uuid import UUID

from agents.platform import load_knowledge
from agents.reading import Reader
from agents.receipt import ReceiptMaker
from schemas.receipt import encode_receipt
from sealstream.settings import Settings
from sealstream.wiring import connected, open_identity


async def make_receipt(
    settings: Settings, name: UUID, *, tier: int, fields: Sequence[str] | None, evidence: bool
) -> bytes:
    """The receipt of a record as a file has it; arguments and errors as `ReceiptMaker.make`."""
    identity = open_identity(settings)
    async with connected(settings, "receipt", connections=2) as database:
        knowledge = await load_knowledge(database, identity, max_tier=tier)
        reader = Reader(database, identity, knowledge, identity.new_worker(), tier=tier)
        receipt = await ReceiptMaker(database, identity, knowledge, reader).make(name, fields=fields, evidence=evidence)
    return encode_receipt(receipt)
