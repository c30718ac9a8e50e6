"""Making a receipt with this installation's keys, for the person who runs the command."""

from collections.abc import Sequence
from uuid import UUID

from agents.reading.disclosing import Discloser
from agents.reading.receipt import ReceiptMaker
from schemas.receipt import encode_receipt
from sealstream.people.principals import Said, open_readers
from sealstream.settings import Settings
from sealstream.wiring import connected, open_identity


async def make_receipt(
    settings: Settings, name: UUID, *, said: Said, fields: Sequence[str] | None, evidence: bool
) -> bytes:
    """The receipt of a record as a file has it; arguments and errors as `ReceiptMaker.make`."""
    identity = open_identity(settings)
    async with connected(settings, "receipt", connections=2) as database:
        readers = await open_readers(settings, database, identity, said)
        by = readers.acting
        reader = readers.reader if by is None else Discloser(readers.desk, by.who, by.purpose)
        maker = ReceiptMaker(database, identity, readers.knowledge, reader)
        receipt = await maker.make(name, fields=fields, evidence=evidence)
    return encode_receipt(receipt)
