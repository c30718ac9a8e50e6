"""Handing records on by somebody's right: what goes into receipts and evidence packs; and refused messages.

What may be handed on is agents.opening.handing; opening it is agents.release.
"""

from collections.abc import Sequence
from uuid import UUID

from agents.access.look_log import LookKind
from agents.access.response import Response
from agents.access.selection import Selection
from agents.opening.handing import Handed, HandedFields, Letter
from agents.opening.reading import DeadLetterView, Disclosure, letter_view
from agents.reading.desk import Desk
from security.access.decision import FieldState
from security.access.principal import Action, Principal
from security.field_binding import EVIDENCE_FIELD
from streams.storage.database import Connection


class Discloser:
    """Hands on what one person may have, for one purpose."""

    def __init__(self, desk: Desk, who: Principal, purpose: str) -> None:
        self._desk = desk
        self._who = who
        self._purpose = purpose

    async def disclose_all(self, names: Sequence[UUID], *, evidence: bool, kind: LookKind) -> dict[UUID, Disclosure]:
        """What they may have of these names, by name; see `agents.opening.reading.Reader.disclose_all`."""

        async def select(connection: Connection, response: Response, found: Selection[Handed]) -> None:
            for name in names:
                handed = await self._desk.handing.decide(connection, response.decide, name, evidence=evidence)
                if handed is not None:
                    found.add(response, handed)

        if not names:
            return {}
        asked = f"{kind} {names[0]}" if len(names) == 1 else f"{kind} of {len(names)}"
        look, chosen = await self._desk.respond(self._who, self._purpose, kind, asked, select, by_name=True)
        if not chosen.shown:
            return {}
        opened = await self._desk.release.handed(look, chosen.shown, chosen.reach, evidence=evidence)
        return {each.name: _disclosure(each, fields) for each, fields in zip(chosen.shown, opened, strict=True)}

    async def show_dead_letter(self, name: UUID) -> DeadLetterView | None:
        """A dead letter with its message, which is a field as any; None where there is none, or it is not theirs."""

        async def select(connection: Connection, response: Response, found: Selection[Letter]) -> None:
            for letter, about, fields in await self._desk.handing.letters(connection, name):
                decided = response.decide(name, Action.READ, about, fields)
                found.add(response, Letter(name, letter.log_id, decided, letter))

        look, chosen = await self._desk.respond(
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
        return letter_view(letter, await self._desk.release.letter(look, found, chosen.reach))


def _disclosure(handed: Handed, opened: HandedFields) -> Disclosure:
    record, stored = handed.record, handed.record or handed.message
    if stored is None:
        raise RuntimeError("a disclosure is of a record or of a message")
    return Disclosure(stored, record.n if record is not None else None, opened.fields, opened.message)
