"""What is handed on as it is, while it is still sealed: records, their messages and refused messages, each decided.

A policy permits a field for a receipt (`receipt`), or it stays out; nothing is masked. The bytes of a message are the
field `evidence` of its kind.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from agents.access.record_facts import FactsReader, Place, place_of
from agents.access.response import Decide, Decided, field_facts
from agents.opening.reading import stored_of
from schemas.catalogue import Catalogue
from security.access.decision import FieldState
from security.access.principal import Action
from security.access.request import FieldFacts, RecordFacts
from security.field_binding import EVIDENCE_FIELD
from security.key_provider import MAX_TIER
from security.opening import FieldOpener, OpenedField
from security.sealed_blob import field_tiers
from security.tier_keys import TierKeys
from streams.storage import reading
from streams.storage.database import Connection
from streams.storage.reading import StoredDeadLetter, StoredMessage, StoredResult


@dataclass(frozen=True, slots=True)
class Handed:
    """A record or message that is handed on, still sealed.

    Attributes:
        decided: Over its fields, and over the message.
    """

    name: UUID
    log_id: int
    decided: Decided
    record: StoredResult | None
    message: StoredMessage | None
    of_message: Decided | None


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter that is shown."""

    name: UUID
    log_id: int
    decided: Decided
    stored: StoredDeadLetter


@dataclass(frozen=True, slots=True)
class HandedFields:
    """What is open of a record or message that is handed on.

    Attributes:
        fields: As `RecordView`; none of a message.
        message: The evidence of its message, where that is kept and was asked for.
    """

    fields: Mapping[str, OpenedField]
    message: OpenedField | None


class Handing:
    """Finds what is there, and what a decision over it depends on.

    Args:
        tier_keys: Only what is in their domains is handed on.
    """

    def __init__(self, facts: FactsReader, catalogue: Catalogue, tier_keys: TierKeys) -> None:
        self._facts = facts
        self._catalogue = catalogue
        self._tier_keys = tier_keys

    async def known(
        self, connection: Connection, name: UUID, *, evidence: bool
    ) -> list[tuple[StoredResult | StoredMessage, RecordFacts, tuple[FieldFacts, ...]]]:
        """The rows of a record and of its message, each with its facts and fields; none where nothing is handed on."""
        stored = await stored_of(connection, name, evidence)
        rows = [] if stored is None else [row for row in stored if row is not None]
        facts = await self._facts.read(connection, [place_of(row) for row in rows])
        found: list[tuple[StoredResult | StoredMessage, RecordFacts, tuple[FieldFacts, ...]]] = []
        for row in rows:
            about = facts.get(place_of(row))
            if about is None or not self._tier_keys.covers_domain(row.tenant, row.domain):
                return []
            found.append((row, about, field_facts(_tiers(row), self._catalogue.shared(about.tenant, about.kind))))
        return found

    async def letters(
        self, connection: Connection, name: UUID
    ) -> list[tuple[StoredDeadLetter, RecordFacts, tuple[FieldFacts, ...]]]:
        """The dead letter of that id, likewise."""
        found = []
        for letter in await reading.list_dead_letters(connection, reason=None, limit=1, name=name):
            row = await reading.leaf_of_letter(connection, name)
            place = [Place(row, name, letter.tenant, letter.domain)] if row is not None else []
            blob = letter.evidence
            tiers = ((EVIDENCE_FIELD, MAX_TIER),) if blob is None else field_tiers(letter.message_id.bytes, blob)
            for about in (await self._facts.read(connection, place)).values():
                shared = self._catalogue.shared(about.tenant, about.kind)
                found.append((letter, about, field_facts(tiers, shared)))
        return found

    async def decide(self, connection: Connection, decide: Decide, name: UUID, *, evidence: bool) -> Handed | None:
        """What of a name is handed on; None where there is nothing to decide over."""
        known = await self.known(connection, name, evidence=evidence)
        decided = {type(row): (row, decide(name, Action.RECEIPT, about, fields)) for row, about, fields in known}
        record, whole = decided.get(StoredResult, (None, None))
        message, of_message = decided.get(StoredMessage, (None, None))
        main = whole if whole is not None and (whole.decision.opens or of_message is None) else of_message
        if main is None:
            return None
        joined = main.joined([each for _, each in decided.values() if each is not main])
        return Handed(name, known[0][0].log_id, joined, record, message, of_message)  # type: ignore[arg-type]  # by their types


def open_handed(opener: FieldOpener, handed: Handed) -> HandedFields:
    """Open what the decisions over it open, and nothing else."""
    record, message = handed.record, handed.message
    fields: Mapping[str, OpenedField] = {}
    if record is not None and record.sealed is not None:
        fields = _opened(opener, record, record.record_id, record.sealed, handed.decided)
    received = None
    if message is not None and message.evidence is not None and handed.of_message is not None:
        opened = _opened(opener, message, message.message_id, message.evidence, handed.of_message)
        received = opened[EVIDENCE_FIELD]
    return HandedFields(fields, received)


def passes_of(handed: Sequence[Handed]) -> list[int]:
    """The sealing passes of what is handed on."""
    return [row.pass_id for each in handed for row in (each.record, each.message) if row is not None]


def _tiers(row: StoredResult | StoredMessage) -> tuple[tuple[str, int], ...]:
    """The fields of a record, or a message's bytes; what is erased has none."""
    blob = row.sealed if isinstance(row, StoredResult) else row.evidence
    if blob is None:
        return ()
    return field_tiers((row.record_id if isinstance(row, StoredResult) else row.message_id).bytes, blob)


def _opened(
    opener: FieldOpener, row: StoredResult | StoredMessage, name: UUID, blob: bytes, decided: Decided
) -> Mapping[str, OpenedField]:
    only = [field for field, each in decided.decision.fields.items() if each.state is FieldState.OPEN]
    return opener.open_record(row.tenant, row.domain, name.bytes, row.pass_id, blob, only)
