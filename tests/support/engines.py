"""An engine whose faults a test chooses; the decisions are the shipped model's."""

from collections.abc import Sequence

from agents.inference.engine import Decision, Engine, InferenceFailed, ModelIdentity, ModelInput


class FaultyEngine:
    """Gives no answer to a frame with a text in `unanswered`, and breaks on one with a text in `breaking`."""

    def __init__(self, engine: Engine, *, unanswered: str = "", breaking: str = "") -> None:
        self._engine = engine
        self._unanswered = unanswered
        self._breaking = breaking

    @property
    def model(self) -> ModelIdentity:
        return self._engine.model

    def classify(self, items: Sequence[ModelInput]) -> list[Decision]:
        for item in items:
            if self._breaking and self._breaking in item.text:
                raise ZeroDivisionError(f"a text of a record: {item.text}")
            if self._unanswered and self._unanswered in item.text:
                raise InferenceFailed("this frame has no answer")
        return self._engine.classify(items)
