"""Erase records: their content is deleted, and an `erase` leaf says of which, by whom, and what for.

A message's own bytes hold all its records, so they go with any of them: erasing one entry of a statement leaves the
other entries' fields and commitments, and takes the evidence by which their producer's signature could be verified
again. That a message was taken in stays known (its id and keyed digest), or it would be taken in again.
"""

import base64
import hmac
import os
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import structlog

from agents.commits.recording import data_key_row
from agents.platform.identity import Identity
from agents.platform.knowledge import ACCESS_DOMAIN, ACCESS_TIER, REASON_FIELD, Knowledge
from agents.platform.signatory import Act, Signatory
from agents.platform.warrant import RecordErasure, Warrant
from schemas.errors import ConfigurationError, SealstreamError
from schemas.leaf import Leaf
from security.commitment import SALT_BYTES
from security.opening import OpenedField
from security.sealing import SealingPass
from streams.storage import erasing
from streams.storage.database import Connection, Database
from streams.storage.deferring import hold_waiting
from streams.storage.erasing import ErasedMessage
from streams.storage.ids import IdBlock

log = structlog.get_logger(__name__)

_SEED_BYTES: Final = 32


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


@dataclass(frozen=True, slots=True)
class _Line:
    """What one leaf says, and the reason as it is sealed beside it."""

    tenant: str
    what: ErasedMessage
    record: RecordErasure
    reason: OpenedField


class Eraser:
    """Erases records, as one actor.

    Args:
        knowledge: Its access keys seal the reason; no tier key is needed.
        actor: Who erases; goes into the log as a pseudonym that only the platform can make.
        warrant: By whose signature, if it is signed.
        seed: Of the salts of the logs' commitments to the reason, 32 random bytes; who signs has the same one twice.
    """

    def __init__(
        self,
        database: Database,
        identity: Identity,
        knowledge: Knowledge,
        *,
        actor: str | None = None,
        warrant: Warrant | None = None,
        seed: bytes | None = None,
    ) -> None:
        self._knowledge = knowledge
        self._signatory = Signatory(database, identity, actor=actor, warrant=warrant)
        self._seed = seed or os.urandom(_SEED_BYTES)
        self._pass_ids = IdBlock(database, "pass_ids")
        self._database = database

    async def erase(self, name: UUID, reason: str) -> Erasure:
        """Erase a record, or a message with all its records. Asked again, it deletes what is there again.

        Args:
            reason: For the auditor; sealed beside the leaf.

        Raises:
            NothingToErase: Nothing has that id.
            ConfigurationError: No reason is given.
            ApprovalRefused: It was signed for another erasure.
        """
        if not reason.strip():
            raise ConfigurationError("erasing needs a reason; say it with --reason")
        async with self._database.session() as connection:
            found = await erasing.find_erasable(connection, name)
        if not found:
            raise NothingToErase(name)
        lines = [self._line(tenant, each, reason) for each in found for tenant in each.tenants]
        lines.sort(key=lambda line: (line.tenant, line.what.message_id))
        await self._signatory.prepare({line.tenant for line in lines})
        await self._pass_ids.refill(len(lines))
        async with self._signatory.acting() as act:
            # What waits in a lane has ended, and is deleted with the rest; or it ends later, and nobody reads it.
            await hold_waiting(act.connection, [each.message_id for each in found])
            content = await erasing.find_content(act.connection, [(each.message_id, each.record_id) for each in found])
            await erasing.delete_content(act.connection, content)
            for line in lines:
                await self._say(act, line, len(content.records))
        return Erasure(found[0].message_id, found[0].record_id, len(content.messages), len(content.records))

    def _line(self, tenant: str, what: ErasedMessage, reason: str) -> _Line:
        # From the seed, so that what is signed is what is said; one for each leaf, or they could be compared.
        place = f"{tenant}\n{what.message_id}".encode()
        salt = hmac.digest(self._seed, place, "sha256")[:SALT_BYTES]
        kind = self._knowledge.access_keys.commitments(tenant)
        record = RecordErasure(
            commitments=kind.in_leaf,
            message=str(what.message_id),
            purpose=base64.b64encode(kind.commit(salt, reason.encode())).decode(),
            record=str(what.record_id or what.message_id),
        )
        return _Line(tenant, what, record, OpenedField(ACCESS_TIER, "open", reason.encode(), salt, kind=kind))

    async def _say(self, act: Act, line: _Line, count: int) -> None:
        number, commit_id, said, what = self._pass_ids.take(), act.batch.commit_id, line.record, line.what
        sealing = SealingPass(number, line.tenant, self._knowledge.access_keys)
        blob = sealing.seal_again(ACCESS_DOMAIN, commit_id.to_bytes(16, "big"), {REASON_FIELD: line.reason})
        log, ordinal = await act.say(
            line.tenant,
            "erase",
            record=said.record,
            message=said.message,
            count=count,
            purpose=said.purpose,
            commitments=said.commitments,
        )
        act.rows.disclosures.append((log.log_id, commit_id, ordinal, line.tenant, number, blob))
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
