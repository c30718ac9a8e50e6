"""A dead letter on its way through the stages of intake, as they are today."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from agents.commits.outcomes import Item, MessageOutcome
from agents.commits.routing import postponed, router_for
from agents.intake.classification import Classifier
from agents.intake.door import Intake
from agents.intake.interpretation import Interpreter
from agents.intake.sealing_stage import SealingStage
from agents.platform.identity import Identity
from agents.platform.knowledge import Knowledge
from agents.replay.letters import ProvenLetter
from schemas.errors import Rejection
from schemas.reasons import Reason
from security.blind_terms import BlindIndex
from security.data_key import WrappedDataKey
from streams.storage.ids import IdBlock
from streams.storage.record_uuid import record_uuid


@dataclass(slots=True)
class Attempt:
    """What today's stages make of a dead letter.

    Attributes:
        item: The entry, where the letter is one; its message is then the whole statement with this item alone.
        refused: Why it is refused again, found outside the stages: a contradiction, an entry that is not there.
        duplicate: Whether its record came in otherwise meanwhile.
    """

    letter: ProvenLetter
    message: MessageOutcome
    item: Item | None = None
    refused: Rejection | None = None
    duplicate: bool = False

    @property
    def rejection(self) -> Rejection | None:
        """Why it is refused again; None when it isn't."""
        return self.refused or self.message.rejection or (self.item.rejection if self.item is not None else None)

    @property
    def name(self) -> UUID:
        """The id of its message, as today's stages name it."""
        return record_uuid(self.message.message_id)

    @property
    def taken_in(self) -> bool:
        """Whether it becomes results."""
        return self.rejection is None and not self.duplicate


class ReplayStages:
    """The stages of intake. Needs a pass number for each tenant at hand.

    Args:
        pass_ids: Numbers for sealing passes.

    Attributes:
        defers: Whether documents are deferred today.
    """

    def __init__(
        self,
        identity: Identity,
        knowledge: Knowledge,
        classifier: Classifier,
        pass_ids: IdBlock,
    ) -> None:
        index_key = identity.keyring.index_key
        self._received_ms = 0
        # The stages' clock stands at the moment the message was received. The cluster is part of the name of what
        # can't be verified, and that keeps the name it has.
        self._intake = Intake(
            "",
            knowledge.registry,
            knowledge.owners,
            knowledge.platform,
            index_key,
            clock_ms=lambda: self._received_ms,
        )
        router = router_for(knowledge.models)
        self.defers = router is not None
        self._interpreter = Interpreter(knowledge.catalogue, index_key, router)
        self._classifier = classifier
        blind = BlindIndex(identity.keyring, knowledge.index_versions)
        self._sealing = SealingStage(knowledge.catalogue, knowledge.tier_keys, blind, pass_ids)

    def run(self, letters: Sequence[ProvenLetter]) -> tuple[list[Attempt], list[WrappedDataKey]]:
        """Take dead letters through all stages; the keys are those of what can be taken in."""
        statements: dict[UUID, MessageOutcome] = {}
        attempts = [self._decode(letter, statements) for letter in letters]
        self._classifier.classify([attempt.message for attempt in attempts if attempt.rejection is None])
        sound = [attempt.message for attempt in attempts if attempt.rejection is None]
        return attempts, self._sealing.seal(sound)

    def _decode(self, letter: ProvenLetter, statements: dict[UUID, MessageOutcome]) -> Attempt:
        """Verify and interpret; entries of one statement share its decoded form."""
        if not letter.is_entry:
            return Attempt(letter, self._interpreted(letter))
        whole = statements.get(letter.message_id)
        if whole is None:
            whole = statements[letter.message_id] = self._interpreted(letter)
        items = [item for item in whole.items if record_uuid(item.record_id) == letter.name]
        attempt = Attempt(letter, replace(whole, items=items), items[0] if items else None)
        if attempt.rejection is None and attempt.item is None:
            attempt.refused = Rejection(Reason.INCOMPLETE, "by today's reading the statement has no such entry")
        return attempt

    def _interpreted(self, letter: ProvenLetter) -> MessageOutcome:
        self._received_ms = letter.received_ms
        (message,) = self._intake.verify([letter.raw])
        self._interpreter.interpret(message)
        if message.deferral is not None:
            # Its time begins anew: a deadline that passed while it was a dead letter would put it before all others.
            message.deferral = postponed(message.deferral, dt.datetime.now(dt.UTC))
        return message
