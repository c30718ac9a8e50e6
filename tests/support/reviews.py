"""Records that a model left to a person."""

from uuid import UUID

from agents.reviews.review_leaf import REVIEW_OUTCOME
from schemas.identity import message_record_id
from streams.storage.record_uuid import record_uuid
from tests.support.installation import BANK_A, Worker
from tests.support.messages import Inbox, transaction

SURE = "sure"
"""A record whose model answered."""


def name_of(message: str) -> UUID:
    """The id of one of bank A's records."""
    return record_uuid(message_record_id(BANK_A.source, message))


async def left_open(worker: Worker, *names: str) -> None:
    """Commit transactions of bank A of which each was left to a person, and one more that was not."""
    inbox, every = Inbox(), (*names, SURE)
    BANK_A.put(inbox, *map(transaction, every))
    outcomes = await worker.process(inbox.take())
    for outcome in outcomes:
        for message, name in zip(outcome.messages, every, strict=True):
            for item in message.items:
                item.outcome = item.outcome if name == SURE else REVIEW_OUTCOME
    await worker.parts.committer.commit(outcomes)
