"""Erase records: their content is deleted, and an `erase` leaf says of which, by whom, and what for.

A message's own bytes hold all its records, so they go with any of them: erasing one entry of a statement leaves the
other entries' fields and commitments, and takes the evidence by which their producer's signature could be verified
again. That a message was taken in stays known (its id and keyed digest), or it would be taken in again.
"""

import base64
from dataclasses import dataclass
from uuid import UUID

import structlog

from agents.commits.recording import data_key_row
from agents.platform.identity import Identity
from agents.platform.knowledge import ACCESS_DOMAIN, ACCESS_TIER, REASON_FIELD, Knowledge
from agents.platform.signatory import Act, Signatory
from schemas.errors import ConfigurationError, SealstreamError
from schemas.leaf import Leaf
from security.sealing import SealingPass
from streams.storage import erasing
from streams.storage.database import Connection, Database
from streams.storage.deferring import hold_waiting
from streams.storage.erasing import ErasedMessage
from streams.storage.ids import IdBlock

log = structlog.get_logger(__name__)


class NothingToErase(SealstreamError):
    """No message, record or dead letter has the id."""

    def __init__(self, name: UUID) -> None:
        super().__init__(f"no record, message or dead letter has the id {name}; see `sealstream records list`")


@dataclass(frozen=True, slots=True)
class Erasure:
    """What was erased.

    Attributes:
        messages: How many copies of the message's bytes.
        records: How many records' fields.
    """

    message_id: UUID
    record_id: UUID | None
    messages: int
    records: int


class Eraser:
    """Erases records, as one actor.

    Args:
        knowledge: Its access keys seal the reason; no tier key is needed.
        actor: Who erases; goes into the log as a pseudonym that only the platform can make.
    """

    def __init__(
        self, database: Database, identity: Identity, knowledge: Knowledge, *, actor: str | None = None
    ) -> None:
        self._knowledge = knowledge
        self._signatory = Signatory(database, identity, actor=actor)
        self._pass_ids = IdBlock(database, "pass_ids")
        self._database = database

    async def erase(self, name: UUID, reason: str) -> Erasure:
        """Erase a record, or a message with all its records. Asked again, it deletes what is there again.

        Args:
            reason: For the auditor; sealed beside the leaf.

        Raises:
            NothingToErase: Nothing has that id.
            ConfigurationError: No reason is given.
        """
        if not reason.strip():
            raise ConfigurationError("erasing needs a reason; say it with --reason")
        async with self._database.session() as connection:
            found = await erasing.find_erasable(connection, name)
        if not found:
            raise NothingToErase(name)
        await self._signatory.prepare({tenant for each in found for tenant in each.tenants})
        await self._pass_ids.refill(sum(len(each.tenants) for each in found))
        async with self._signatory.acting() as act:
            # What waits in a lane has ended, and is deleted with the rest; or it ends later, and nobody reads it.
            await hold_waiting(act.connection, [each.message_id for each in found])
            content = await erasing.find_content(act.connection, [(each.message_id, each.record_id) for each in found])
            await erasing.delete_content(act.connection, content)
            for each in found:
                for tenant in sorted(each.tenants):
                    await self._say(act, tenant, each, len(content.records), reason)
        return Erasure(found[0].message_id, found[0].record_id, len(content.messages), len(content.records))

    async def _say(self, act: Act, tenant: str, what: ErasedMessage, count: int, reason: str) -> None:
        number, commit_id = self._pass_ids.take(), act.batch.commit_id
        sealing = SealingPass(number, tenant, self._knowledge.access_keys)
        sealed = sealing.seal_fields(
            ACCESS_DOMAIN, commit_id.to_bytes(16, "big"), [(REASON_FIELD, ACCESS_TIER, reason.encode())]
        )
        log, ordinal = await act.say(
            tenant,
            "erase",
            record=str(what.record_id or what.message_id),
            message=str(what.message_id),
            count=count,
            purpose=base64.b64encode(sealed.commitments[REASON_FIELD]).decode(),
            commitments=sealed.kind.in_leaf,
        )
        act.rows.disclosures.append((log.log_id, commit_id, ordinal, tenant, number, sealed.blob))
        act.rows.data_keys += map(data_key_row, sealing.data_keys())
        act.rows.erasures.append((log.log_id, commit_id, ordinal, what.message_id, what.record_id))


async def erase_again(connection: Connection) -> None:
    """Erase what the ledger names and a restored table holds, before anything is served from it."""
    content = await erasing.replay_ledger(connection)
    if content:
        log.warning("erasure.replayed", messages=len(content.messages), records=len(content.records))


def erased_by(leaf: Leaf) -> tuple[UUID, UUID | None] | None:
    """What an erase leaf names: message, and record where it is one of several; None when it names nothing."""
    try:
        message, record = UUID(leaf.message or ""), UUID(leaf.record or "")
    except ValueError:
        return None
    return message, None if record == message else record
