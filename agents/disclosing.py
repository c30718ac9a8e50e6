"""Handing records on by somebody's right: what goes into receipts and evidence packs; and refused messages.

What is handed on is whole: a policy permits a field for a receipt (`receipt`), or it stays out; nothing is masked. The
bytes of a message are the field `evidence` of its kind.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from agents.data_keys import DataKeyCache
from agents.desk import Desk
from agents.look_log import LookKind
from agents.reading import DeadLetterView, Disclosure, letter_view, stored_of
from agents.record_facts import Place, place_of
from agents.response import Decided, Response, field_facts
from agents.selection import Selection
from security.access.decision import FieldState
from security.access.principal import Action, Principal
from security.key_provider import MAX_TIER
from security.sealed_blob import field_tiers
from security.sealing import EVIDENCE_FIELD, FieldOpener, OpenedField
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


class Discloser:
    """Hands on what one person may have, for one purpose."""

    def __init__(self, desk: Desk, who: Principal, purpose: str) -> None:
        self._desk = desk
        self._who = who
        self._purpose = purpose

    async def disclose_all(self, names: Sequence[UUID], *, evidence: bool, kind: LookKind) -> dict[UUID, Disclosure]:
        """What they may have of these names, by name; see `agents.reading.Reader.disclose_all`."""

        async def select(connection: Connection, response: Response, found: Selection[Handed]) -> None:
            for name in names:
                handed = await self._decide(connection, response, name, evidence)
                if handed is not None:
                    found.add(response, handed)

        if not names:
            return {}
        asked = f"{kind} {names[0]}" if len(names) == 1 else f"{kind} of {len(names)}"
        chosen = await self._desk.respond(self._who, self._purpose, kind, asked, select, by_name=True)
        data_keys = DataKeyCache()
        passes = [row.pass_id for each in chosen.shown for row in (each.record, each.message) if row is not None]
        async with self._desk.people.session(reach=chosen.reach) as connection:
            await data_keys.load(connection, passes)
        opener = FieldOpener(self._desk.tier_keys, data_keys.get, MAX_TIER)
        return {each.name: _disclosure(opener, each) for each in chosen.shown}

    async def show_dead_letter(self, name: UUID) -> DeadLetterView | None:
        """A dead letter with its message, which is a field as any; None where there is none, or it is not theirs."""

        async def select(connection: Connection, response: Response, found: Selection[Letter]) -> None:
            for letter in await reading.list_dead_letters(connection, reason=None, limit=1, name=name):
                row = await reading.leaf_of_letter(connection, name)
                place = [Place(row, name, letter.tenant, letter.domain)] if row is not None else []
                facts = await self._desk.facts.read(connection, place)
                blob = letter.evidence
                tiers = ((EVIDENCE_FIELD, MAX_TIER),) if blob is None else field_tiers(letter.message_id.bytes, blob)
                for about in facts.values():
                    decided = response.decide(name, Action.READ, about, field_facts(tiers, self._desk.shared(about)))
                    found.add(response, Letter(name, letter.log_id, decided, letter))

        chosen = await self._desk.respond(
            self._who, self._purpose, "read", f"show {name}", select, by_name=True, letters=True
        )
        if not chosen.shown:
            return None
        (found,) = chosen.shown
        letter = found.stored
        if letter.evidence is None:
            return DeadLetterView(letter, "erased")
        if found.decided.decision.of(EVIDENCE_FIELD).state is not FieldState.OPEN:
            return DeadLetterView(letter, "sealed")
        data_keys = DataKeyCache()
        async with self._desk.people.session(reach=chosen.reach) as connection:
            await data_keys.load(connection, [letter.pass_id])
        return letter_view(letter, FieldOpener(self._desk.tier_keys, data_keys.get, MAX_TIER))

    async def _decide(self, connection: Connection, response: Response, name: UUID, evidence: bool) -> Handed | None:
        stored = await stored_of(connection, name, evidence)
        rows = [] if stored is None else [row for row in stored if row is not None]
        facts = await self._desk.facts.read(connection, [place_of(row) for row in rows])
        decided: dict[type, Decided] = {}
        for row in rows:
            about = facts.get(place_of(row))
            if about is None or not self._desk.tier_keys.covers_domain(row.tenant, row.domain):
                return None
            decided[type(row)] = response.decide(
                name, Action.RECEIPT, about, field_facts(_tiers(row), self._desk.shared(about))
            )
        if stored is None or not decided:
            return None
        record, message = stored
        whole, of_message = decided.get(StoredResult), decided.get(StoredMessage)
        main = whole if whole is not None and (whole.decision.opens or of_message is None) else of_message
        joined = main.joined([each for each in decided.values() if each is not main]) if main is not None else None
        return Handed(name, rows[0].log_id, joined, record, message, of_message) if joined is not None else None


def _tiers(row: StoredResult | StoredMessage) -> tuple[tuple[str, int], ...]:
    """The fields of a record, or a message's bytes; what is erased has none."""
    blob = row.sealed if isinstance(row, StoredResult) else row.evidence
    if blob is None:
        return ()
    return field_tiers((row.record_id if isinstance(row, StoredResult) else row.message_id).bytes, blob)


def _disclosure(opener: FieldOpener, handed: Handed) -> Disclosure:
    record, message = handed.record, handed.message
    stored = record or message
    if stored is None:
        raise RuntimeError("a disclosure is of a record or of a message")
    fields: Mapping[str, OpenedField] = {}
    if record is not None and record.sealed is not None:
        fields = _opened(opener, record, record.record_id, record.sealed, handed.decided)
    received = None
    if message is not None and message.evidence is not None and handed.of_message is not None:
        opened = _opened(opener, message, message.message_id, message.evidence, handed.of_message)
        received = opened[EVIDENCE_FIELD]
    return Disclosure(stored, record.n if record is not None else None, fields, received)


def _opened(
    opener: FieldOpener, row: StoredResult | StoredMessage, name: UUID, blob: bytes, decided: Decided
) -> Mapping[str, OpenedField]:
    only = [field for field, each in decided.decision.fields.items() if each.state is FieldState.OPEN]
    return opener.open_record(row.tenant, row.domain, name.bytes, row.pass_id, blob, only)
